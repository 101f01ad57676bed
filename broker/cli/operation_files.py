"""Which results of operations are in these files? Messages, and inboxes of `enlace subscribe`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from broker.cli.documents import read_document
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import RefusalError
from broker.cli.terminal import Terminal
from broker.cli.validate import Verdict, faults
from broker.errors import Code, DocumentError
from keys import base64url
from keys.errors import KeyFormatError
from schemas.vocabulary import Kind

if TYPE_CHECKING:
    from broker.regional.national import NationalResult
    from broker.regional.retraction import Retraction
    from schemas.loader import SchemaSet

MAX_INBOX_BYTES: Final = 256 * 1024 * 1024
"""Some thirty thousand messages; who has more cuts the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What files hold."""

    results: tuple["NationalResult", ...] = ()
    retractions: tuple["Retraction", ...] = ()
    """What their agencies have taken back or corrected."""
    verdicts: tuple[Verdict, ...] = ()
    """What is wrong with those that are no messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    place: str
    """The file, and the line where there are several."""
    body: bytes
    is_received: bool
    """From an inbox, where other kinds of message lie as well."""


def read_results(files: Sequence[str], schemas: "SchemaSet", terminal: Terminal) -> Results:
    """Read every result of an operation, and say what is wrong with what is none.

    Raises:
        OSError: A file cannot be read.
        DocumentError: A file is too large.
        RefusalError: A file that was named is a message of another kind.
    """
    from broker.regional.national import NationalResult  # noqa: PLC0415 - with messages in hand
    from broker.regional.retraction import RETRACTING, Retraction  # noqa: PLC0415

    results: list[NationalResult] = []
    retractions: list[Retraction] = []
    verdicts: list[Verdict] = []
    for piece in (piece for file in files for piece in _pieces(file)):
        kind = _kind(piece.body)
        if kind is not None and kind not in {Kind.OPERATION_RESULT, *RETRACTING}:
            if piece.is_received:
                continue
            raise RefusalError(terminal.text("operation.other_kind", file=piece.place))
        if problems := faults(piece.body, schemas):
            code = ExitCode.VALIDATION
            verdicts.append(Verdict(file=piece.place, problems=problems, exit_code=code))
        elif kind == Kind.OPERATION_RESULT:
            results.append(NationalResult.from_document(json.loads(piece.body)))
        else:
            retractions.append(Retraction.from_document(json.loads(piece.body)))
    return Results(results=tuple(results), retractions=tuple(retractions), verdicts=tuple(verdicts))


def _pieces(file: str) -> Iterator[_Piece]:
    """Take a file apart: one message, or one on each line."""
    content = read_document(file, at_most=MAX_INBOX_BYTES)
    if len(content) > MAX_INBOX_BYTES:
        raise DocumentError(Code.TOO_LARGE)
    lines = [line for line in content.splitlines() if line.strip()]
    if not lines or _object(lines[0]) is None:
        yield _Piece(place=file, body=content, is_received=False)
        return
    if "hand_over" in (_object(lines[0]) or {}) and _object(lines[-1]) is None:
        # Whoever writes an inbox may be at it just now, or a crash has torn its last line. It
        # was never acknowledged and comes again; in no other file is anything passed over.
        lines.pop()
    for number, line in enumerate(lines, start=1):
        place = file if len(lines) == 1 else f"{file}:{number}"
        yield from _of_line(line, place)


def _of_line(line: bytes, place: str) -> Iterator[_Piece]:
    members = _object(line) or {}
    if "hand_over" not in members:
        yield _Piece(place=place, body=line, is_received=False)
    elif isinstance(encoded := members.get("body"), str):
        try:
            # These bytes were signed; what stands beside them in the line was not.
            yield _Piece(place=place, body=base64url.decode(encoded), is_received=True)
        except KeyFormatError:
            yield _Piece(place=place, body=line, is_received=False)
    # A line without a body tells of a message that was returned.


def _kind(body: bytes) -> object:
    return (_object(body) or {}).get("kind")


def _object(text: bytes) -> dict[str, Any] | None:
    """Look into JSON that is not checked yet."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""Which messages are refused, and why? The examples that are a patch to an accepted one."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

import schemas
from schemas.loader import Violation

SCHEMAS: Final = Path(schemas.__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that its schema refuses: an accepted one, changed by a patch."""

    name: str
    promise: str
    message: Any
    violations: tuple[Violation, ...]
    """All of them, in the order in which they are reported."""


def refused(kind: str) -> Iterator[Refused]:
    """The refused examples of a kind or of ``envelope``, by file name.

    The base of an envelope example is a path such as ``route-report/<name>``.
    """
    for file in sorted(SCHEMAS.joinpath(kind, "examples", "refuse").glob("*.json")):
        data = orjson.loads(file.read_bytes())
        base_kind, _, base_name = data["base"].rpartition("/")
        base = SCHEMAS / (base_kind or kind) / "examples" / "accept" / base_name
        yield Refused(
            name=file.name,
            promise=data["promise"],
            message=patched(orjson.loads(base.read_bytes()), data["patch"]),
            violations=tuple(Violation(**each) for each in data["violations"]),
        )


def patched(document: Any, patch: Sequence[dict[str, Any]]) -> Any:
    """Apply the add, remove and replace operations of a JSON Patch (RFC 6902) to a copy.

    Raises:
        LookupError: An operation names a place that the document does not have.
        ValueError: An operation is none of the three.
    """
    changed = deepcopy(document)
    for operation in patch:
        *parents, last = _tokens(operation["path"])
        holder = changed
        for token in parents:
            holder = _child(holder, token)
        _apply(operation, holder, last)
    return changed


def resolved(document: Any, pointer: str) -> Any:
    """The member that a JSON Pointer (RFC 6901) names; LookupError where there is none."""
    for token in _tokens(pointer):
        document = _child(document, token)
    return document


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _child(holder: Any, token: str) -> Any:
    return holder[int(token)] if isinstance(holder, list) else holder[token]


def _apply(operation: dict[str, Any], holder: Any, last: str) -> None:
    match operation["op"], holder:
        case "add", list():
            holder.insert(len(holder) if last == "-" else int(last), operation["value"])
        case "add", dict():
            holder[last] = operation["value"]
        case "replace", _:
            _child(holder, last)
            holder[int(last) if isinstance(holder, list) else last] = operation["value"]
        case "remove", _:
            del holder[int(last) if isinstance(holder, list) else last]
        case _:
            raise ValueError(f"Examples use add, replace and remove, not {operation['op']}")

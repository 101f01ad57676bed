"""What was vouched for before must still be there: history only grows.

Whoever may write the ledger could take out the act that suspended a key. So a party remembers,
outside of the ledger, which signed documents counted once, in their order, and when they came. It
does not help who never saw the document; all others notice.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from datetime import UTC
from pathlib import Path
from typing import Final, Protocol

import structlog

from broker.directory import Document
from broker.errors import ConfigurationError
from keys import strict_json
from keys.custody.file import MAX_FILE_BYTES, exclusive, replace_private
from keys.errors import CustodyError, KeyFormatError
from keys.strict_json import JsonValue

COUNTED: Final = "+"
WITHOUT: Final = "-"
SEEN: Final = re.compile(r"[+-][0-9a-f]{64}", re.ASCII)

log = structlog.get_logger()


class Recollection(Protocol):
    """Remembers which signed documents were there, and when they came."""

    def agrees(self, there: Sequence[Document]) -> bool:
        """Do these begin with all that were remembered, in the same order?"""

    def keep(self, there: Sequence[Document], counting: Collection[str]) -> None:
        """Remember these in their order; one that counted once is never forgotten.

        Args:
            there: ``Directory.witnessed``.
            counting: Those of them that count: ``Directory.vouched_for``.
        """

    def refusal(self) -> ConfigurationError:
        """Say what an operator must do where they do not agree."""


class InMemory:
    """Remembers as long as the process lives."""

    def __init__(self) -> None:
        self.seen: tuple[str, ...] = ()
        """SHA-256 of each, in hexadecimal; one that has counted begins with ``+``."""

    def agrees(self, there: Sequence[Document]) -> bool:
        """See ``Recollection.agrees``."""
        digests = [*map(_digest, there)]
        known = set(digests)
        # One that never counted may go; but while it is there it stays in its place, or an
        # act that came too late could be put where it would have been in time.
        remembered = [one[1:] for one in self.seen if one[0] == COUNTED or one[1:] in known]
        return digests[: len(remembered)] == remembered

    def keep(self, there: Sequence[Document], counting: Collection[str]) -> None:
        """See ``Recollection.keep``."""
        before = {one[1:] for one in self.seen if one[0] == COUNTED}
        counted = before | {_digest(each) for each in there if each[0] in counting}
        self.seen = tuple(
            f"{COUNTED if digest in counted else WITHOUT}{digest}" for digest in map(_digest, there)
        )

    def refusal(self) -> ConfigurationError:
        """See ``Recollection.refusal``."""
        return ConfigurationError("the ledger no longer holds what was seen in it before")


class InFile(InMemory):
    """Remembers across restarts, in a small file beside the keys: of one gateway, or one client."""

    def __init__(self, file: Path) -> None:
        """Read what was remembered.

        Raises:
            ConfigurationError: The file is there and is not readable.
        """
        super().__init__()
        self._file = file
        self.seen = _read(file)

    def keep(self, there: Sequence[Document], counting: Collection[str]) -> None:
        """See ``Recollection.keep``; a file that cannot be written stops nobody from working."""
        before = self.seen
        super().keep(there, counting)
        if self.seen == before:
            return
        try:
            with exclusive(self._file):
                self._write(there)
        except (ConfigurationError, CustodyError):
            log.error("directory:not-remembered")  # noqa: TRY400 - the text is what matters

    def _write(self, there: Sequence[Document]) -> None:
        # Another process of the same client may have seen more meanwhile.
        other = InMemory()
        other.seen = _read(self._file)
        if other.agrees(there):
            # A crash in between leaves the older memory: it agrees with all that came later.
            replace_private(self._file, strict_json.write({"seen": list(self.seen)}))

    def refusal(self) -> ConfigurationError:
        """See ``Recollection.refusal``."""
        return ConfigurationError(
            f"the ledger no longer holds the signed statements that were seen in it before: "
            f"somebody took one back, or an old backup was restored. Put them back with "
            f"`enlace admin statement add`; only if that is not possible, and you know why "
            f"they are gone, remove {self._file}"
        )


def _digest(document: Document) -> str:
    token, at = document
    # The moment belongs to it: without it, or with another, the same act decides something else.
    moment = "" if at is None else at.astimezone(UTC).isoformat()
    return hashlib.sha256(f"{moment}\n{token}".encode("utf-8", "replace")).hexdigest()


def _read(file: Path) -> tuple[str, ...]:
    unreadable = ConfigurationError(f"{file}: cannot be read; look why before you remove it")
    if not file.exists():
        return ()
    try:
        listed: JsonValue = strict_json.parse_object(file.read_bytes()[:MAX_FILE_BYTES])["seen"]
    except (OSError, KeyFormatError, KeyError):
        raise unreadable from None
    if not isinstance(listed, list):
        raise unreadable
    seen = tuple(str(digest) for digest in listed)
    if not all(SEEN.fullmatch(one) for one in seen):
        raise unreadable
    return seen

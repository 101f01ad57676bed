"""What was vouched for before must still be there: history only grows.

Whoever may write the ledger could take out the act that suspended a key. So a party remembers,
outside of the ledger, which signed documents counted once, in their order, and when they came. It
does not help who never saw the document; all others notice.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Final, Protocol

import structlog

from broker.directory import Document
from broker.errors import ConfigurationError
from keys import strict_json
from keys.custody.file import MAX_FILE_BYTES, exclusive, replace_private
from keys.errors import CustodyError, KeyFormatError
from keys.root import Roots
from keys.strict_json import JsonObject

COUNTED: Final = "+"
WITHOUT: Final = "-"
SEEN: Final = re.compile(r"[+-][A-Z]{2}[0-9a-f]{64}", re.ASCII)

log = structlog.get_logger()


class Witnessed(Protocol):
    """What is remembered of a directory."""

    @property
    def witnessed(self) -> Sequence[Document]:
        """What somebody known has signed, in its order."""

    @property
    def vouched_for(self) -> Sequence[str]:
        """What of it counts."""

    @property
    def roots(self) -> Roots:
        """Whose root is pinned."""


class Recollection(Protocol):
    """Remembers which signed documents were there, and when they came."""

    def agrees(self, directory: Witnessed) -> bool:
        """Does it begin with all that was remembered, in the same order?

        Of owners whose root was pinned then and is pinned now: whom one knows anew may have
        signed before.
        """

    def keep(self, directory: Witnessed) -> None:
        """Remember it; what counted once is never forgotten, while its owner's root is pinned."""

    def refusal(self) -> ConfigurationError:
        """Say what an operator must do where they do not agree."""


class InMemory:
    """Remembers as long as the process lives."""

    def __init__(self) -> None:
        self.seen: tuple[str, ...] = ()
        """Owner and SHA-256 of each, in hexadecimal; one that has counted begins with ``+``."""
        self.owners: frozenset[str] = frozenset()
        """Whose roots were pinned."""

    def agrees(self, directory: Witnessed) -> bool:
        """See ``Recollection.agrees``."""
        owners = self.owners & {owner.value for owner in directory.roots}
        there = [name for name in map(_name, directory.witnessed) if name[:2] in owners]
        known = set(there)
        # One that never counted may go; but while it is there it stays in its place, or an
        # act that came too late could be put where it would have been in time.
        remembered = [
            one[1:]
            for one in self.seen
            if one[1:3] in owners and (one[0] == COUNTED or one[1:] in known)
        ]
        return there[: len(remembered)] == remembered

    def keep(self, directory: Witnessed) -> None:
        """See ``Recollection.keep``."""
        counting = {*directory.vouched_for}
        counted = {one[1:] for one in self.seen if one[0] == COUNTED}
        counted |= {_name(each) for each in directory.witnessed if each.token in counting}
        self.owners = frozenset(owner.value for owner in directory.roots)
        self.seen = tuple(
            f"{COUNTED if name in counted else WITHOUT}{name}"
            for name in map(_name, directory.witnessed)
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
        self._is_written = True
        self.seen, self.owners = _read(file)

    def keep(self, directory: Witnessed) -> None:
        """See ``Recollection.keep``; a file that cannot be written stops nobody from working."""
        before = (self.seen, self.owners)
        super().keep(directory)
        if self._is_written and (self.seen, self.owners) == before:
            return
        # Until it is done it is tried again, also where nothing has changed.
        self._is_written = False
        try:
            with exclusive(self._file):
                self._write(directory)
            self._is_written = True
        except (ConfigurationError, CustodyError):
            log.error("directory:not-remembered")  # noqa: TRY400 - the text is what matters

    def _write(self, directory: Witnessed) -> None:
        # Another process of the same client may have seen more meanwhile.
        other = InMemory()
        other.seen, other.owners = _read(self._file)
        if other.agrees(directory):
            # A crash in between leaves the older memory: it agrees with all that came later.
            members: JsonObject = {"owners": [*sorted(self.owners)], "seen": [*self.seen]}
            replace_private(self._file, strict_json.write(members))

    def refusal(self) -> ConfigurationError:
        """See ``Recollection.refusal``."""
        return ConfigurationError(
            f"the ledger no longer holds the signed statements that were seen in it before: "
            f"somebody took one back, or an old backup was restored. Put them back with "
            f"`enlace admin statement add`; only if that is not possible, and you know why "
            f"they are gone, remove {self._file}"
        )


def _name(document: Document) -> str:
    # The moment belongs to it: without it, or with another, the same act decides something else.
    at = document.came_at
    moment = "" if at is None else at.astimezone(UTC).isoformat()
    text = f"{moment}\n{document.token}".encode("utf-8", "replace")
    return document.owner.value + hashlib.sha256(text).hexdigest()


def _read(file: Path) -> tuple[tuple[str, ...], frozenset[str]]:
    if not file.exists():
        return (), frozenset()
    unreadable = ConfigurationError(f"{file}: cannot be read; look why before you remove it")
    try:
        members = strict_json.parse_object(file.read_bytes()[:MAX_FILE_BYTES])
        seen, owners = members["seen"], members["owners"]
    except (OSError, KeyFormatError, KeyError):
        raise unreadable from None
    if not isinstance(seen, list) or not isinstance(owners, list):
        raise unreadable
    if not all(SEEN.fullmatch(str(one)) for one in seen):
        raise unreadable
    return tuple(map(str, seen)), frozenset(map(str, owners))

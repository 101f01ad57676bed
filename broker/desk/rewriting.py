"""Lines of an inbox are replaced: destroyed and only a tombstone left, or marked as superseded.

The new file is whole and on the disk before it takes the old one's name: a crash leaves one of
the two, never half of either. The old bytes keep another name until they are overwritten, so that
the next run does what this one could not. Overwritten here is not gone everywhere: file systems
that copy on write, flash memory and backups may keep it; docs/life-of-a-message.md says so.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from broker.desk.failures import StoreError
from broker.desk.inbox import OWNER_ONLY, Inbox, read_inbox, sync_folder, write_all
from broker.model.names import AgencyRef, MessageId

Line: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Line], Line | None]
"""Gives the line that takes another's place; None leaves it."""
CHUNK: Final = 1 << 20
NAMES: Final[Sequence[str]] = ("id", "hand_over", "queue", "origin", "content_hash")
"""What stays of a message: by these it is known when it comes again."""


def rewrite(path: Path, change: Change) -> int:
    """Replace lines of an inbox; say how many. On the disk when it returns.

    Raises:
        StoreError: A subscription writes this file; or it could not be written: the text says
            whether it has changed, and what to do.
    """
    # The lock of the subscription itself: nothing can be appended meanwhile.
    with Inbox(path):
        try:
            _clear(path)
            lines = [change(orjson.loads(line)) for line in read_inbox(path)]
            changed = sum(line is not None for line in lines)
            if not changed:
                return 0
            _make(path, lines)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; nothing was changed") from None
        try:
            sync_folder(path.parent)
            _clear(path)
        except OSError as error:
            raise StoreError(
                f"{path}: {error.strerror}; it was changed, but what stood there before was not "
                "overwritten: give the command again"
            ) from None
    return changed


def is_unfinished(path: Path) -> bool:
    """Did a crash, or a disk that failed, leave bytes that are still to be overwritten?"""
    return _draft_of(path).exists() or _old_of(path).exists()


def is_message(line: Line, message_id: MessageId, origin: AgencyRef) -> bool:
    """Is this the line of that message, or its tombstone?"""
    named = {"country": origin.country.value, "agency": origin.agency}
    return line.get("id") == message_id and line.get("origin") == named


def is_tombstone(line: Line) -> bool:
    """Was its content destroyed?"""
    return "destroyed_at" in line


def tombstone(line: Line, *, reason: str, at: datetime) -> Line:
    """Write what stays of a message whose content goes."""
    kept = {name: line[name] for name in NAMES if name in line}
    return {**kept, "destroyed_at": moment(at), "reason": reason}


def find(path: Path, message_id: MessageId, origin: AgencyRef) -> Line | None:
    """Find a message in an inbox, or its tombstone.

    Raises:
        StoreError: The inbox cannot be read.
    """
    for line in read_lines(path):
        if is_message(line, message_id, origin):
            return line
    return None


def read_lines(path: Path) -> Iterator[Line]:
    """Read an inbox as documents.

    Raises:
        StoreError: It cannot be read, or a line is damaged.
    """
    for number, line in enumerate(read_inbox(path), start=1):
        try:
            members = orjson.loads(line)
        except ValueError:
            raise StoreError(f"{path}: line {number} is damaged") from None
        if isinstance(members, dict):
            yield members


def moment(at: datetime) -> str:
    """Write a time as the inbox has it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _make(path: Path, lines: Sequence[Line | None]) -> None:
    """Write the new file and give it the name; the old one keeps another until it is cleared."""
    draft = _draft_of(path)
    try:
        with _opened(draft, os.O_CREAT | os.O_EXCL) as new:
            for old, line in zip(read_inbox(path), lines, strict=True):
                write_all(new, (old if line is None else orjson.dumps(line)) + b"\n")
            os.fsync(new)
        os.link(path, _old_of(path))
        # A crash before this line leaves the old file, and a draft; a crash after it the new
        # one, and the old bytes under their other name. The next run clears either.
        draft.replace(path)
    except (OSError, StoreError):
        with suppress(OSError):
            _clear(path)
        raise


def _clear(path: Path) -> None:
    """Overwrite what an earlier run has left of an inbox, and take its names away."""
    for left in (_draft_of(path), _old_of(path)):
        try:
            is_inbox_itself = left.samefile(path)
        except FileNotFoundError:
            continue
        if not is_inbox_itself:
            with _opened(left) as old:
                _overwrite(old)
        left.unlink()
        sync_folder(path.parent)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.rewritten")


def _old_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


@contextmanager
def _opened(path: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags, OWNER_ONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _overwrite(descriptor: int) -> None:
    left = os.fstat(descriptor).st_size
    while left > 0:
        left -= os.write(descriptor, bytes(min(left, CHUNK)))
    os.fsync(descriptor)

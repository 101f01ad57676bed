"""Lines of an inbox are replaced: destroyed and only a tombstone left, or marked as superseded.

The new file is whole and on the disk before it takes the old one's name: a crash leaves one of
the two, never half of either. The old bytes are then overwritten, which file systems that copy
on write, flash memory and backups may undo; docs/life-of-a-message.md says so.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from broker.desk.failures import StoreError
from broker.desk.inbox import OWNER_ONLY, Inbox, read_inbox, sync_folder
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
        StoreError: A subscription writes this file; or it could not be written, and then
            nothing of it has changed.
    """
    # The lock of the subscription itself: nothing can be appended meanwhile.
    with Inbox(path):
        changed = 0
        draft = path.with_name(f"{path.name}.new")
        try:
            with _made(draft) as new:
                for line in read_inbox(path):
                    other = change(orjson.loads(line))
                    changed += other is not None
                    _write(new, (line if other is None else orjson.dumps(other)) + b"\n")
                os.fsync(new)
            if not changed:
                draft.unlink()
                return 0
            with _opened(path) as old:
                # A crash before this line leaves the old file, and the draft, which the next
                # run makes anew; a crash after it the new one.
                draft.replace(path)
                sync_folder(path.parent)
                _overwrite(old)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; nothing was changed") from None
    return changed


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


@contextmanager
def _made(path: Path) -> Iterator[int]:
    with suppress(FileNotFoundError):
        path.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, OWNER_ONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _overwrite(descriptor: int) -> None:
    left = os.fstat(descriptor).st_size
    while left > 0:
        left -= os.write(descriptor, bytes(min(left, CHUNK)))
    os.fsync(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]

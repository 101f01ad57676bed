"""A file of JSON lines that only one process writes, and that a crash leaves readable.

Lines are appended and forced to the disk before anybody is told of them. A last line without
an end was torn by a crash and never acknowledged: it is cut off when the file is opened next,
and its message comes again. A whole line that cannot be read may have been acknowledged, and
then nobody sends it again: it is left as it is, for a person to see to.
"""

import fcntl
import os
import stat
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self

import orjson
import structlog

from broker.desk.failures import StoreError
from broker.desk.store import Entry
from broker.desk.wire import LAST_HAND_OVER, ContentRef
from broker.model.names import ContentHash, HandOverNumber, MessageId

OWNER_ONLY: Final = 0o600
INBOX_FILE: Final = "inbox.jsonl"
REFUSED_FILE: Final = "refused.jsonl"
FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW

log = structlog.get_logger()


class _Place(NamedTuple):
    """Where the line of a content begins."""

    content_hash: ContentHash
    start: int


class Inbox:
    """A ``Store`` in one file; the index in memory takes some 400 bytes a message."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, lock it, and learn what it holds.

        Raises:
            StoreError: Another process writes it, others may read it, or a whole line is
                damaged; the text says which, and what to do.
        """
        self._path = path
        self._places: dict[MessageId, tuple[_Place, ...]] = {}
        self._last = HandOverNumber(0)
        self._size = 0
        # The event loop asks while a thread appends; closing waits for the append to end.
        self._writing = threading.Lock()
        try:
            self._file = os.open(path, FLAGS, OWNER_ONLY)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        self._open = True
        try:
            self._lock()
            self._recover()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def last_hand_over(self) -> HandOverNumber:
        """The highest hand-over number in the file that a gateway takes back; 0 if none is."""
        return self._last

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def holds(self, ref: ContentRef) -> bool:
        """Is this very content in the file?"""
        known = self._places.get(ref.message_id, ())
        return any(place.content_hash == ref.content_hash for place in known)

    def lines_of(self, ids: Collection[MessageId]) -> Sequence[bytes]:
        """Find the lines of these messages, of whatever sender; reads nothing else.

        Raises:
            StoreError: It cannot be read.
        """
        starts = sorted(place.start for each in ids for place in self._places.get(each, ()))
        try:
            with self._path.open("rb") as file:
                return [_line_at(file, start) for start in starts]
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from None

    def append(self, entries: Sequence[Entry]) -> None:
        """Write these lines, all or none; on the disk when it returns.

        Raises:
            StoreError: None of them is in the file, or, as the text says then, the end of
                the file is unknown until it is opened again.
        """
        if not entries:
            return
        data = b"".join(entry.line + b"\n" for entry in entries)
        with self._writing:
            if not self._open:
                raise StoreError(f"{self._path}: closed, after a failure or for good")
            try:
                write_all(self._file, data)
                # A crash before this line may lose these lines; nobody was told of them.
                os.fsync(self._file)
            except OSError as error:
                self._take_back(error)
            for entry in entries:
                self._note(entry.ref, entry.hand_over)
                self._size += len(entry.line) + 1

    def close(self) -> None:
        """Give up the lock; repeating it changes nothing."""
        with self._writing:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._file)

    def _take_back(self, error: OSError) -> None:
        # After a failed fsync the kernel may show lines that never reach the disk. They are
        # cut off, and nothing more is written: only opening the file anew tells its state.
        try:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)
        except OSError:
            raise StoreError(
                f"{self._path}: {error.strerror}; the end of the file could not be restored"
            ) from None
        finally:
            self._close()
        raise StoreError(f"{self._path}: {error.strerror}; nothing was written") from None

    def _lock(self) -> None:
        facts = os.fstat(self._file)
        if not stat.S_ISREG(facts.st_mode) or stat.S_IMODE(facts.st_mode) & ~OWNER_ONLY:
            raise StoreError(f"{self._path}: not a regular file of mode 0600")
        try:
            # Of the open file, not of the process: a second subscription in this very
            # process is refused too. The kernel gives it up if we die.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(
                f"{self._path}: another subscription writes this file, or a command changes it"
            ) from None
        self._require_same(facts)

    def _require_same(self, facts: os.stat_result) -> None:
        # Somebody may have put a rewritten file in its place between open and lock: what is
        # appended to the old one would be gone with it.
        try:
            there = self._path.stat(follow_symlinks=False)
        except OSError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (facts.st_dev, facts.st_ino):
            raise StoreError(f"{self._path}: replaced while it was opened; start again")

    def _recover(self) -> None:
        """Index all whole lines, and cut off a torn one."""
        for number, line in enumerate(_lines(self._file), start=1):
            if not line.endswith(b"\n"):
                log.warning("inbox:torn-line-cut", file=self._path.name, line=number)
                os.ftruncate(self._file, self._size)
                break
            ref_and_number = _read_line(line)
            if ref_and_number is None:
                raise StoreError(
                    f"{self._path}: line {number} is damaged, and its message may be "
                    "acknowledged: restore the line from a copy, or move it to another file "
                    "and ask its sender for the message"
                )
            self._note(*ref_and_number)
            self._size += len(line)
        # What a killed process wrote may be in the kernel only. We are about to tell the
        # gateway that we have it, so it must be on the disk; the file's name as well.
        os.fsync(self._file)
        sync_folder(self._path.parent)

    def _note(self, ref: ContentRef, hand_over: HandOverNumber) -> None:
        """Index the line that begins where the file ended so far."""
        if not self.holds(ref):
            known = self._places.get(ref.message_id, ())
            self._places[ref.message_id] = (*known, _Place(ref.content_hash, self._size))
        if hand_over <= LAST_HAND_OVER:
            self._last = max(self._last, hand_over)


def inbox_file(path: Path) -> Path:
    """Name the inbox: the file itself, or the one in this folder."""
    return path / INBOX_FILE if path.is_dir() else path


def read_inbox(path: Path) -> Iterator[bytes]:
    """Read the whole lines of an inbox that another process may be writing.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from (line[:-1] for line in file if line.endswith(b"\n"))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


def _line_at(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    return file.readline().removesuffix(b"\n")


def _lines(descriptor: int) -> Iterator[bytes]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        yield from file


def _read_line(line: bytes) -> tuple[ContentRef, HandOverNumber] | None:
    try:
        members: dict[str, Any] = orjson.loads(line)
        ref = ContentRef(
            message_id=MessageId(str(members["id"])),
            content_hash=ContentHash(str(members["content_hash"])),
        )
        return ref, HandOverNumber(int(members["hand_over"]))
    except (ValueError, KeyError, TypeError):
        return None


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it: a disk that is nearly full takes less at once than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Have a new name of a file on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""What people said of the messages of an inbox: JSON lines in a file beside it.

One line for each word. Whoever writes keeps the file locked, and whoever acts by what stands there
does, too: a word counts from before, or is refused.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from broker.desk.failures import StoreError
from broker.desk.inbox import FLAGS, OWNER_ONLY, sync_folder, write_all

Word: TypeAlias = Mapping[str, Any]


class LockedWords:
    """The file while nobody else may change it; made by :func:`locked_words`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._file = descriptor

    def read(self) -> Sequence[Word]:
        """Read all of them; see :func:`read_words`."""
        return read_words(self._path)

    def write(self, word: Word) -> None:
        """Add one; on the disk when it returns.

        Raises:
            StoreError: It was not written; or what stands there cannot be read.
        """
        self.read()
        try:
            size = os.fstat(self._file).st_size
            try:
                write_all(self._file, orjson.dumps(word) + b"\n")
                os.fsync(self._file)
            except OSError:
                # Half a line would stop whatever is asked of this inbox from now on.
                os.ftruncate(self._file, size)
                raise
            sync_folder(self._path.parent)
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from None


@contextmanager
def locked_words(path: Path) -> Iterator[LockedWords]:
    """Wait until nobody else writes or acts by this file, and keep it so.

    Raises:
        StoreError: The file cannot be opened or locked, or was replaced meanwhile.
    """
    try:
        descriptor = os.open(path, FLAGS, OWNER_ONLY)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            is_there = os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        if not is_there:
            # By an editor, for one: what is written here would be gone with the old file.
            raise StoreError(f"{path}: replaced while it was opened; start again")
        yield LockedWords(path, descriptor)
    finally:
        # The kernel gives up the lock with it.
        os.close(descriptor)


def read_words(path: Path) -> Sequence[Word]:
    """Read all of them; of a file that is not there none.

    Raises:
        StoreError: The file cannot be read, or a line is no object, or cut.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    lines = data.split(b"\n")
    if lines.pop():
        # What cannot be read stops everything, for it may be the word that is asked for.
        raise StoreError(
            f"{path}: the last line was cut: complete it, or take it out and say it again"
        )
    return [_word(line, path) for line in lines]


def _word(line: bytes, path: Path) -> Word:
    try:
        word = orjson.loads(line)
    except orjson.JSONDecodeError:
        word = None
    if not isinstance(word, dict):
        raise StoreError(f"{path}: a line is damaged")
    return word

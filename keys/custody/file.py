"""A private key in a file that only its owner can read, and only with the passphrase."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from keys.custody import envelope
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.custody.new_file import write_new
from keys.entropy import Entropy
from keys.errors import CustodyError, CustodyFault
from keys.secret import Passphrase, SecretBytes

OWNER_ONLY: Final = 0o600
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""A bundle of a thousand keys takes 3 MiB."""


def write_key_file(
    path: Path,
    secret: SecretBytes,
    passphrase: Passphrase,
    *,
    cost: KdfCost = RECOMMENDED,
    draw: Entropy = os.urandom,
) -> None:
    """Write a new key file; it is on the disk when this returns.

    Never overwrites: a key that is replaced by mistake is lost for good.

    Raises:
        CustodyError: The path exists, or the folder cannot be written.
    """
    data = envelope.close(secret, passphrase, cost, draw)
    try:
        write_new(path, data, mode=OWNER_ONLY)
    except FileExistsError:
        raise CustodyError(CustodyFault.EXISTS) from None
    except OSError:
        raise CustodyError(CustodyFault.UNWRITABLE) from None
    _sync_folder_or_undo(path)


def replace_key_file(
    path: Path,
    secret: SecretBytes,
    passphrase: Passphrase,
    *,
    cost: KdfCost = RECOMMENDED,
    draw: Entropy = os.urandom,
) -> None:
    """Exchange the content of a key file; whenever a crash comes, the old or the new is whole.

    Raises:
        CustodyError: It is no key file of ours, or cannot be written; the old one is still
            there, unless only the last step failed, and then either may be.
    """
    replace_private(path, envelope.close(secret, passphrase, cost, draw))


def replace_private(path: Path, data: bytes) -> None:
    """Exchange the content of a file that only its owner reads; new if it was not there.

    Raises:
        CustodyError: It cannot be written, or what is there is another's, or a link.
    """
    if os.path.lexists(path):
        read_private(path)
    # Always the same name: what a crash left behind is written over, and never gathers.
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        write_new(temporary, data, mode=OWNER_ONLY)
        # A crash before this line leaves the old file, and after it the new one.
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CustodyError(CustodyFault.UNWRITABLE) from None


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep other writers of a key file out, in this process and in others.

    The lock is a file of its own: the key file is exchanged for a new one, and a lock on the
    old one would hold nobody back. It is left there, for removing it would race.

    Raises:
        CustodyError: The folder cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lock = os.fdopen(os.open(path.with_name(f".{path.name}.lock"), flags, OWNER_ONLY), "r+b")
    except OSError:
        raise CustodyError(CustodyFault.UNWRITABLE) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_key_file(
    path: Path, passphrase: Passphrase, *, minimum: KdfCost = RECOMMENDED
) -> SecretBytes:
    """Read a key file.

    Args:
        path: A regular file of this user with mode 0600 or narrower; no symbolic link.
        passphrase: One text tells a wrong one and a changed file.
        minimum: A file protected more cheaply is refused.

    Raises:
        CustodyError: Any of that does not hold.
    """
    return envelope.open_envelope(read_private(path), passphrase, minimum)


def read_private(path: Path) -> bytes:
    """Read a file that only its owner may read.

    Raises:
        CustodyError: See :func:`read_key_file`.
    """
    try:
        # O_NONBLOCK: opening a FIFO that somebody put there must not hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        raise CustodyError(CustodyFault.ABSENT) from None
    try:
        # Asked of the open file, so that nobody can exchange it between check and read.
        _require_private(os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        raise CustodyError(CustodyFault.UNREADABLE) from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE_BYTES:
        raise CustodyError(CustodyFault.TOO_LARGE)
    return data


def _require_private(facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
        raise CustodyError(CustodyFault.FOREIGN)
    if stat.S_IMODE(facts.st_mode) & ~OWNER_ONLY:
        raise CustodyError(CustodyFault.WIDE_MODE)


def _sync_folder_or_undo(path: Path) -> None:
    try:
        _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise CustodyError(CustodyFault.UNWRITABLE) from None


def _sync_folder(folder: Path) -> None:
    # Without this a crash could lose the name of a file whose bytes are safe.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

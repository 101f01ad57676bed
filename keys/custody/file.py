"""A private key in a file that only its owner can read, and only with the passphrase."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from keys.custody import envelope
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.entropy import Entropy
from keys.errors import CustodyError
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
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, OWNER_ONLY)
    except OSError:
        raise CustodyError("the key file cannot be created, or is there already") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            # A crash before this line leaves a torn file, which no passphrase opens.
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise CustodyError("the key file cannot be written") from None


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
    return envelope.open_envelope(_read_private(path), passphrase, minimum)


def _read_private(path: Path) -> bytes:
    try:
        # O_NONBLOCK: opening a FIFO that somebody put there must not hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        raise CustodyError("the key file cannot be opened, or is a link") from None
    try:
        # Asked of the open file, so that nobody can exchange it between check and read.
        _require_private(os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        raise CustodyError("the key file cannot be read") from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE_BYTES:
        raise CustodyError("the key file is too large")
    return data


def _require_private(facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
        raise CustodyError("the key file is not a file of this user")
    if stat.S_IMODE(facts.st_mode) & ~OWNER_ONLY:
        raise CustodyError("the key file's mode is wider than 0600")


def _sync_folder(folder: Path) -> None:
    # Without this a crash could lose the name of a file whose bytes are safe.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A file that was not there before is written whole, or it is not there after either."""

import contextlib
import os
from pathlib import Path


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file; its bytes are on the disk when this returns, its name once the folder is.

    Args:
        path: Where nothing is, not even a symbolic link to nowhere.
        data: All of it.
        mode: Whom the file lets in; the umask may take from it.

    Raises:
        FileExistsError: Something is there.
        OSError: It cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            # A crash before this line leaves a torn file: of a key, no passphrase opens it, and
            # of documents, no signature is right.
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise

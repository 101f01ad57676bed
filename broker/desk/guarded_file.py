"""A file that decides whom we trust, or as whom we act: who else may write or read it?"""

import os
import stat
from pathlib import Path
from typing import Final

from broker.errors import ConfigurationError

NOT_FOR_OTHERS_TO_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
NOT_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_guarded(file: Path, *, forbidden: int, at_most: int) -> bytes:
    """Read a file that decides whom we trust, unless its mode lets in the wrong people.

    Raises:
        ConfigurationError: Not there, not regular, too large, or a forbidden mode bit is set.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as opened:
        # Asked of the open file, so that nobody can exchange it between check and read.
        mode = os.fstat(opened.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigurationError(f"{file}: not a regular file")
        if mode & forbidden:
            raise ConfigurationError(
                f"{file}: mode {stat.S_IMODE(mode):04o} is too wide; run chmod go-rwx on it"
            )
        data = opened.read(at_most + 1)
    if len(data) > at_most:
        raise ConfigurationError(f"{file}: larger than {at_most} bytes")
    return data

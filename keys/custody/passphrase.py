"""Where does a service's passphrase come from? A file that nobody else reads; nothing else.

Three kinds of file: one of the service's own; a secret that a container engine mounts, such as
``/run/secrets/NAME``; and a credential of systemd, ``credential:NAME``. Never the command line
and never the value of a variable, which process lists and crash reports show.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from keys.errors import CustodyError, CustodyFault
from keys.secret import Passphrase, without_frames

CREDENTIAL_SCHEME: Final = "credential:"
CREDENTIALS_FOLDER: Final = "CREDENTIALS_DIRECTORY"
"""systemd.exec(5) sets it for a unit that has LoadCredential= or LoadCredentialEncrypted=."""
MAX_BYTES: Final = 4096
"""Longer than anything that a person or a generator gives."""
NOT_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
CREDENTIAL_MODE: Final = stat.S_IRUSR | stat.S_IRGRP


@without_frames
def read_passphrase(source: str | Path, environ: Mapping[str, str] = os.environ) -> Passphrase:
    """Read a passphrase, or the PIN of a token; one line end is cut off.

    Args:
        source: A path, or ``credential:`` and the name of a credential of this systemd unit.
            Links are followed, for secret mounts are made of them; the file at their end counts.
        environ: Names the folder of the credentials.

    Raises:
        CustodyError: It cannot be read, is empty or too long, or others may read it.
    """
    path, ours = _locate(str(source), environ)
    try:
        # O_NONBLOCK: opening a FIFO that somebody put there must not hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            # Asked of the open file, so that nobody can exchange it between check and read.
            _require_unexposed(os.fstat(file.fileno()), credential=ours)
            data = file.read(MAX_BYTES + 1)
    except OSError:
        raise CustodyError(CustodyFault.PASSPHRASE_ABSENT) from None
    if len(data) > MAX_BYTES:
        raise CustodyError(CustodyFault.PASSPHRASE_ABSENT)
    passphrase = Passphrase(data.removesuffix(b"\n").removesuffix(b"\r"))
    if not passphrase.reveal():
        raise CustodyError(CustodyFault.EMPTY_PASSPHRASE)
    return passphrase


def _locate(source: str, environ: Mapping[str, str]) -> tuple[Path, bool]:
    folder = environ.get(CREDENTIALS_FOLDER)
    if not source.startswith(CREDENTIAL_SCHEME):
        return Path(source), folder is not None and Path(source).parent == Path(folder)
    name = source.removeprefix(CREDENTIAL_SCHEME)
    if folder is None or not name or name in {".", ".."} or "/" in name or "\0" in name:
        raise CustodyError(CustodyFault.PASSPHRASE_ABSENT)
    return Path(folder) / name, True


def _require_unexposed(facts: os.stat_result, *, credential: bool) -> None:
    mode = stat.S_IMODE(facts.st_mode)
    if not stat.S_ISREG(facts.st_mode):
        raise CustodyError(CustodyFault.PASSPHRASE_ABSENT)
    # systemd keeps a credential as root's and lets the service's user in by an access list,
    # whose mask stat shows as the group's bit: 0440 of group root is read by nobody else.
    if credential and not mode & ~CREDENTIAL_MODE and (facts.st_uid, facts.st_gid) == (0, 0):
        return
    # The owner is not asked: who administers a service gives such files over to its user.
    if mode & NOT_FOR_OTHERS:
        raise CustodyError(CustodyFault.PASSPHRASE_EXPOSED)

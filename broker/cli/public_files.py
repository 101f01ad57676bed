"""Lines that hold no secret, such as documents and public keys, in files: all of them or none."""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from broker.cli.explain import CommandError
from keys.custody import new_file

PUBLIC_MODE: Final = 0o644
"""Nothing in these files is secret, and nobody but the owner may change them."""


def write_new(file: Path, lines: Iterable[str]) -> None:
    """Write a file that was not there.

    Raises:
        CommandError: It is there already.
        OSError: It cannot be written.
    """
    try:
        new_file.write_new(file, _joined(lines), mode=PUBLIC_MODE)
    except FileExistsError:
        raise CommandError(f"{file}: is there already") from None


def replace_file(file: Path, lines: Iterable[str]) -> None:
    """Put new lines in the place of a file's old ones: a crash leaves one or the other.

    Raises:
        OSError: It cannot be written; the old lines are still there.
    """
    # Nothing locks these files, unlike key files: of two that replace one at once, neither may
    # write into what the other puts in its place.
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    new_file.write_new(temporary, _joined(lines), mode=PUBLIC_MODE)
    try:
        temporary.chmod(PUBLIC_MODE)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")

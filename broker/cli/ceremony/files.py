"""Signed documents in files: one on each line, written whole or not at all."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from broker.cli.documents import read_lines
from broker.cli.explain import CommandError, RefusalError
from broker.cli.terminal import Terminal
from keys.root import Root, verify_first

PUBLIC_MODE: Final = 0o644
"""Nothing in these files is secret, and nobody but the owner may change them."""


def read_tokens(name: str) -> list[str]:
    """Read signed documents.

    Raises:
        OSError: The file cannot be read.
    """
    return read_lines(name)


def read_root(file: Path, terminal: Terminal) -> Root:
    """Read one finished root.

    Raises:
        OSError: The file cannot be read.
        RefusalError: It holds another number of documents than one.
        RootError: It is no root, or too few of its holders signed it.
    """
    tokens = read_tokens(str(file))
    if len(tokens) != 1:
        raise RefusalError(terminal.text("ceremony.one_root", file=file))
    return verify_first(tokens[0])


def write_new(file: Path, lines: Iterable[str]) -> None:
    """Write a file that was not there.

    Raises:
        CommandError: It is there already.
    """
    try:
        with file.open("x", encoding="ascii") as opened:
            opened.writelines(f"{line}\n" for line in lines)
    except FileExistsError:
        raise CommandError(f"{file}: is there already") from None


def replace_file(file: Path, lines: Iterable[str]) -> None:
    """Put new lines in the place of a file's old ones: a crash leaves one or the other."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.writelines(f"{line}\n" for line in lines)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.chmod(PUBLIC_MODE)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

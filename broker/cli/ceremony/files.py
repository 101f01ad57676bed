"""Signed documents in files: one on each line."""

from pathlib import Path

from broker.cli.documents import read_lines
from broker.cli.explain import RefusalError
from broker.cli.terminal import Terminal
from keys.root import Root, verify_first


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

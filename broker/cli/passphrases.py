"""Where does a passphrase come from? A file, or a person at a terminal; nothing else.

Never the command line, never the value of a variable: every process list shows those.
"""

import sys
from getpass import getpass
from pathlib import Path
from typing import Final

from broker.cli.explain import CommandError
from broker.cli.terminal import Terminal
from keys.secret import Passphrase

MAX_BYTES: Final = 4096


def read_passphrase(file: Path | None, terminal: Terminal, *, confirm: bool = False) -> Passphrase:
    """Read the passphrase of a key file.

    Args:
        file: One line end is cut off. None asks the person.
        terminal: Of this call.
        confirm: Ask twice, because a new file is closed with it.

    Raises:
        CommandError: Others may read the file; nobody is there to ask; or the two
            answers differ.
    """
    if file is not None:
        return _from_file(file)
    if not sys.stdin.isatty():
        raise CommandError(terminal.text("passphrase.nobody"))
    typed = getpass(terminal.text("passphrase.ask"), stream=sys.stderr)
    if confirm and getpass(terminal.text("passphrase.again"), stream=sys.stderr) != typed:
        raise CommandError(terminal.text("passphrase.differs"))
    return Passphrase.from_text(typed)


def _from_file(file: Path) -> Passphrase:
    from broker.desk.guarded_file import NOT_FOR_OTHERS, read_guarded  # noqa: PLC0415

    data = read_guarded(file, forbidden=NOT_FOR_OTHERS, at_most=MAX_BYTES)
    return Passphrase(data.removesuffix(b"\n").removesuffix(b"\r"))

"""Where does a passphrase come from? A file, or a person at a terminal; nothing else.

Never the command line, never the value of a variable: every process list shows those.
"""

import sys
from getpass import getpass
from pathlib import Path

from broker.cli.explain import CommandError
from broker.cli.terminal import Terminal
from keys.errors import CustodyError
from keys.secret import Passphrase


def read_passphrase(
    file: Path | None, terminal: Terminal, *, confirm: bool = False, ask: str = "passphrase.ask"
) -> Passphrase:
    """Read the passphrase of a key file.

    Args:
        file: Or ``credential:NAME``, of systemd. None asks the person.
        terminal: Of this call.
        confirm: Ask twice, because a new file is closed with it.
        ask: The key of the question.

    Raises:
        CommandError: The file cannot be read, or others may read it; nobody is there
            to ask; or the two answers differ.
    """
    if file is not None:
        return _from_file(file, terminal)
    if not sys.stdin.isatty():
        raise CommandError(terminal.text("passphrase.nobody"))
    typed = _ask(terminal.text(ask))
    if confirm and _ask(terminal.text("passphrase.again")) != typed:
        raise CommandError(terminal.text("passphrase.differs"))
    return typed


def _ask(question: str) -> Passphrase:
    return Passphrase.from_text(getpass(question, stream=sys.stderr))


def _from_file(file: Path, terminal: Terminal) -> Passphrase:
    from keys.custody import passphrase  # noqa: PLC0415 - a tenth of a second

    try:
        return passphrase.read_passphrase(file)
    except CustodyError as error:
        said = terminal.text(f"error.{error.code}.{error.fault.value}.detail")
        raise CommandError(f"{file}: {said}") from None

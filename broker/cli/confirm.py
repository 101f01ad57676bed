"""Has a person compared what is shown? Whoever signs says yes, and nobody by accident."""

import sys

import typer

from broker.cli.explain import CommandError
from broker.cli.terminal import Terminal


def confirm(terminal: Terminal, *, yes: bool, ask: str = "confirm") -> None:
    """Ask the person, unless ``--yes`` has answered already.

    Args:
        terminal: Of this call.
        yes: Whether the answer came with the command.
        ask: The table of texts with the question, ``ask``, and ``nobody``.

    Raises:
        CommandError: Nobody is there to ask.
        Abort: The answer was another than yes.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(terminal.text(f"{ask}.nobody"))
    sys.stderr.write(terminal.text(f"{ask}.ask") + " ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().casefold() not in terminal.text("confirm.yes").split():
        raise typer.Abort

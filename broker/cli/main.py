"""The entry of `enlace`: where errors become words and an exit status, and nowhere else."""

import os
import sys
from collections.abc import Sequence

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from broker.cli.exit_codes import ExitCode, worst
from broker.cli.explain import EXPECTED, PROGRAM, Explanation, explain, leaves, show
from broker.cli.language import Node, choose_language, localise
from broker.cli.terminal import Terminal


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and say how it ended."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    terminal = Terminal(
        language=choose_language(given, os.environ), no_color=bool(os.environ.get("NO_COLOR"))
    )
    command = build(terminal.language)
    try:
        ended = command.main(given, prog_name=PROGRAM, obj=terminal, standalone_mode=False)
    except typer.exceptions.TyperException as error:
        return _misused(error, terminal)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except EXPECTED as error:
        return _failed([error], terminal)
    except ExceptionGroup as group:
        errors = leaves(group)
        if not all(isinstance(error, EXPECTED) for error in errors):
            raise
        return _failed(errors, terminal)
    return ended if isinstance(ended, int) else ExitCode.OK


def build(language: str) -> Node:
    """Put all commands together, with their helps in one language."""
    from broker.cli import app  # noqa: PLC0415 - after the language is known
    from broker.cli.global_options import give_to_all  # noqa: PLC0415

    command = typer.main.get_command(app.make())
    if not isinstance(command, TyperCommand | TyperGroup):
        raise TypeError("typer made another kind of command")
    give_to_all(command)
    localise(command, language)
    return command


def _failed(errors: Sequence[BaseException], terminal: Terminal) -> int:
    explained = [explain(error, terminal) for error in errors]
    for each in explained:
        show(each, terminal)
    return worst(each.exit_code for each in explained)


def _misused(error: typer.exceptions.TyperException, terminal: Terminal) -> int:
    """Say which part of the command line is wrong, and where its help is."""
    context: typer.Context | None = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        sys.stderr.write(error.message + "\n")
        return ExitCode.USAGE
    key = f"usage.{kind}" if kind in {"MissingParameter", "BadParameter"} else "usage.other"
    said = error.message.removeprefix("Value error, ")
    title = terminal.text(key, name=_name_of(getattr(error, "param", None)), said=said)
    explanation = Explanation(
        code="usage",
        title=title,
        detail=terminal.text("usage.detail", command=f"{path} --help"),
        exit_code=ExitCode.USAGE,
    )
    show(explanation, terminal)
    return ExitCode.USAGE


def _name_of(parameter: object) -> str:
    if isinstance(parameter, TyperArgument):
        return parameter.metavar or (parameter.name or "").upper()
    return parameter.opts[0] if isinstance(parameter, TyperOption) else ""


if __name__ == "__main__":
    sys.exit(run())

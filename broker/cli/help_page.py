"""A help page in the reader's language: plain text, quick to make, the same in a pipe."""

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from broker.cli.terminal import Terminal, terminal_of

GLOBAL: Final = ("json", "quiet", "no_color", "lang", "help")
"""Shown last, under a heading of their own."""


class Formatter(Protocol):
    """The part of typer's formatter that a page uses."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""

    def write_paragraph(self) -> None:
        """Write an empty line."""

    def write_text(self, text: str) -> None:
        """Write wrapped text."""

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write names and what they mean."""

    def section(self, name: str) -> AbstractContextManager[None]:
        """Write a heading, and indent what follows."""


class HelpCommand(TyperCommand):
    """A command that explains itself in the reader's language."""

    def format_help(self, ctx: Any, formatter: Formatter) -> None:  # noqa: ANN401 - typer's own
        """Write the page."""
        write_page(self, ctx, formatter)


class HelpGroup(TyperGroup):
    """A group that explains itself in the reader's language."""

    def format_help(self, ctx: Any, formatter: Formatter) -> None:  # noqa: ANN401 - typer's own
        """Write the page."""
        write_page(self, ctx, formatter)


def write_page(
    command: TyperCommand | TyperGroup, context: typer.Context, formatter: Formatter
) -> None:
    """Write usage, purpose, arguments, commands, options, and what to know besides."""
    terminal = terminal_of(context)
    parameters = [each for each in command.get_params(context) if not _hidden(each)]
    arguments = [each for each in parameters if isinstance(each, TyperArgument)]
    usage = [terminal.text("help.options_metavar"), *map(_place, arguments)]
    if isinstance(command, TyperGroup):
        usage.append(terminal.text("help.command_metavar"))
    prefix = f"{terminal.text('help.usage')} "
    formatter.write_usage(_path(context), " ".join(usage), prefix=prefix)
    formatter.write_paragraph()
    formatter.write_text(command.help or "")
    options = [each for each in parameters if isinstance(each, TyperOption)]
    own = [each for each in options if each.name not in GLOBAL]
    shared = [each for each in options if each.name in GLOBAL]
    _section(formatter, terminal, "arguments", _rows(arguments, context, terminal))
    if isinstance(command, TyperGroup):
        shown = sorted(command.commands.items())
        rows = [(name, _in_short(each.help or "")) for name, each in shown]
        _section(formatter, terminal, "commands", rows)
    _section(formatter, terminal, "options", _rows(own, context, terminal))
    _section(formatter, terminal, "global", _rows(shared, context, terminal))
    if command.epilog:
        formatter.write_paragraph()
        for line in command.epilog.splitlines():
            formatter.write_text(line)


def _section(
    formatter: Formatter, terminal: Terminal, name: str, rows: Sequence[tuple[str, str]]
) -> None:
    if rows:
        with formatter.section(terminal.text(f"help.{name}")):
            formatter.write_dl(rows)


def _rows(
    parameters: Iterable[TyperArgument | TyperOption], context: typer.Context, terminal: Terminal
) -> list[tuple[str, str]]:
    return [(_name(each, context), _meaning(each, terminal)) for each in parameters]


def _place(argument: TyperArgument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    several = f"{name}..." if argument.nargs == -1 else name
    return several if argument.required else f"[{several}]"


def _name(parameter: TyperArgument | TyperOption, context: typer.Context) -> str:
    if isinstance(parameter, TyperArgument):
        return _place(parameter)
    record = parameter.get_help_record(context)
    return record[0] if record is not None else ""


def _meaning(parameter: TyperArgument | TyperOption, terminal: Terminal) -> str:
    meaning = parameter.help or ""
    if parameter.required and isinstance(parameter, TyperOption):
        meaning += f" [{terminal.text('help.required')}]"
    if isinstance(parameter.envvar, str):
        meaning += f" [{parameter.envvar}]"
    return meaning


def _hidden(parameter: object) -> bool:
    return bool(getattr(parameter, "hidden", False))


def _in_short(text: str) -> str:
    return re.split(r"[.;:]", text, maxsplit=1)[0]


def _path(context: Any) -> str:  # noqa: ANN401 - the base of typer.Context has no public name
    # Typer's own would name the arguments of the groups above.
    parent = "" if context.parent is None else _path(context.parent)
    return f"{parent} {context.info_name}".strip()

"""The options that every command has: how to answer, not what to do."""

from enum import StrEnum

import typer
from typer.core import TyperGroup

from broker.cli.language import Node, walk
from broker.cli.terminal import terminal_of


class Lang(StrEnum):
    """A language that `enlace` speaks; `language.choose_language` has read it already."""

    ENGLISH = "en"
    SPANISH = "es"


def _json(context: typer.Context, value: bool) -> bool:
    if not context.resilient_parsing:
        terminal_of(context).json |= value
    return value


def _quiet(context: typer.Context, value: bool) -> bool:
    if not context.resilient_parsing:
        terminal_of(context).quiet |= value
    return value


def _no_color(context: typer.Context, value: bool) -> bool:
    if not context.resilient_parsing:
        terminal_of(context).no_color |= value
    return value


def _declared(
    json: bool = typer.Option(False, "--json", callback=_json, expose_value=False),
    quiet: bool = typer.Option(False, "--quiet", "-q", callback=_quiet, expose_value=False),
    no_color: bool = typer.Option(False, "--no-color", callback=_no_color, expose_value=False),
    lang: Lang = typer.Option(None, "--lang", expose_value=False),
) -> None:
    """Declare the options once, for typer to read."""


def give_to_all(command: Node) -> None:
    """Let every command take the options, before it or after it."""
    declaring = typer.Typer(add_completion=False)
    declaring.command()(_declared)
    options = typer.main.get_command(declaring).params
    for _, each in walk(command):
        each.params.extend(options)
        if isinstance(each, TyperGroup):
            each.no_args_is_help = each.no_args_is_help or not each.invoke_without_command

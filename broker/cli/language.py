"""In which language does `enlace` speak, and where do its helps come from?

Commands carry no help of their own. Before they are shown, every help is taken from the
catalogue by where it stands: ``command.admin.country.add.help`` is the command's,
``command.admin.country.add.country`` its argument's; ``option.profile`` is everybody's.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from broker.texts.catalogue import FALLBACK, Catalogue

ROOT: Final = "enlace"
VARIABLES: Final = ("ENLACE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides; POSIX has the order of the last three."""

Node: TypeAlias = TyperCommand | TyperGroup


def choose_language(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Choose by ``--lang``, else by the environment; ``es_MX.UTF-8`` is served by ``es``."""
    wanted = _lang_option(arguments) or next(
        (environ[name] for name in VARIABLES if environ.get(name)), FALLBACK
    )
    language = wanted.partition(".")[0].replace("_", "-").partition("-")[0].lower()
    return language if language in Catalogue.load("cli").languages else FALLBACK


def localise(command: Node, language: str) -> None:
    """Give a command, and all beneath it, their helps."""
    text = partial(Catalogue.load("cli").text, language=language)
    for path, each in walk(command):
        each.help = text(f"command.{path}.help")
        if path == ROOT:
            each.epilog = text(f"command.{path}.epilog")
        context = typer.Context(each)
        for parameter in each.get_params(context):
            if isinstance(parameter, TyperOption | TyperArgument):
                parameter.help = text(key_of(path, parameter.name or ""))


def walk(command: Node, path: str = ROOT) -> Iterator[tuple[str, Node]]:
    """Visit a command and all beneath it, each with its path in the catalogue."""
    yield path, command
    if isinstance(command, TyperGroup):
        inside = "" if path == ROOT else f"{path}."
        for name, child in command.commands.items():
            if isinstance(child, TyperCommand | TyperGroup):
                yield from walk(child, f"{inside}{name}")


def key_of(path: str, parameter: str) -> str:
    """Name the help of a parameter: its own if there is one, else everybody's."""
    own = f"command.{path}.{parameter}"
    if parameter == "help":
        return "option.help"
    return own if own in Catalogue.load("cli").keys(FALLBACK) else f"option.{parameter}"


def _lang_option(arguments: Sequence[str]) -> str | None:
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument.startswith("--lang="):
            return argument.removeprefix("--lang=")
        if argument == "--lang" and position + 1 < len(arguments):
            return arguments[position + 1]
    return None

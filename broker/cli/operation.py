"""`enlace operation total`: what do the results of the countries come to, honestly?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.exit_codes import worst
from broker.cli.explain import CommandError, RefusalError
from broker.cli.public_files import write_new
from broker.cli.terminal import Terminal, finish, json_line, terminal_of
from broker.cli.validate import tell
from schemas.vocabulary import Country, HandlingCode

if TYPE_CHECKING:
    from broker.cli.operation_files import Results
    from broker.regional.national import NationalResult
    from broker.regional.total import RegionalTotal

PERMISSION_NEEDED: Final = frozenset({HandlingCode.H2.value, HandlingCode.H3.value})
"""Not passed on without the originator's permission, or under conditions of its own."""


def total(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE")],
    stated: Annotated[list[str] | None, typer.Option("--stated", metavar="FILE|ID")] = None,
    countries: Annotated[list[Country] | None, typer.Option("--country", metavar="CC")] = None,
    operation: Annotated[str | None, typer.Option("--operation", metavar="NAME")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
) -> None:
    """Add national results of one operation up to a regional one."""
    from broker.cli.operation_files import read_results  # noqa: PLC0415 - with files in hand
    from broker.cli.operation_words import Wording  # noqa: PLC0415
    from broker.regional.body import LimitError, write_body  # noqa: PLC0415
    from broker.regional.retraction import known_wrong  # noqa: PLC0415
    from broker.regional.total import add_up  # noqa: PLC0415
    from schemas.loader import SchemaSet  # noqa: PLC0415 - half a second

    terminal, schemas = terminal_of(context), SchemaSet.load()
    read = _sound(read_results(files, schemas, terminal), terminal)
    ids = {each.id for each in read.results} & set(stated or ())
    named = [file for file in stated or () if file not in ids]
    beside = _sound(read_results(named, schemas, terminal), terminal)
    retractions = (*read.retractions, *beside.retractions)
    national = [each for each in read.results if each.id not in ids]
    theirs = [*(each for each in read.results if each.id in ids), *beside.results]
    name = operation or _only_name([*national, *theirs], terminal)
    chosen = [each for each in national if name_of(each) == name]
    if not chosen:
        raise RefusalError(terminal.text("operation.none"))
    regional = add_up(
        chosen,
        stated=[each for each in theirs if name_of(each) == name],
        retractions=retractions,
        countries=countries or (),
    )
    if not regional.results:
        raise RefusalError(terminal.text("operation.none"))
    wording = Wording(terminal=terminal, lists=schemas.code_lists())
    try:
        body = write_body(regional, wording.words())
    except LimitError as error:
        said = terminal.text("operation.too_much", member=error.member, limit=error.limit)
        raise RefusalError(said) from None
    if output is not None:
        write_new(output, [json_line(body)])
    if terminal.json:
        terminal.line(body)
    else:
        terminal.rows(wording.rows(regional), wording.columns(regional))
    _warn(regional, terminal)
    _warn_of_messages("operation.wider", [each for each in chosen if each.is_wider], terminal)
    _warn_of_messages("operation.wrong", known_wrong(regional.results, retractions), terminal)


def name_of(result: "NationalResult") -> str:
    """Name the operation: ``Turquesa II``; nothing where the message names none."""
    said = result.operation
    return f"{said.get('name', '')} {said.get('edition', '')}".strip()


def _sound(read: "Results", terminal: Terminal) -> "Results":
    """Go on only if every message is one: a total without the faulty one would be too low."""
    for verdict in read.verdicts:
        tell(verdict, terminal)
    finish(worst(verdict.exit_code for verdict in read.verdicts))
    return read


def _only_name(results: "Sequence[NationalResult]", terminal: Terminal) -> str:
    names = sorted({name_of(each) for each in results})
    if len(names) > 1:
        shown = ", ".join(name or terminal.text("operation.nameless") for name in names)
        raise CommandError(terminal.text("operation.several", names=shown))
    return names[0] if names else ""


def _warn(regional: "RegionalTotal", terminal: Terminal) -> None:
    """Tell what a reader of the numbers must know, and nobody reads out of them."""
    if regional.missing:
        terminal.warn("operation.missing", countries=", ".join(regional.missing))
    if regional.preliminary:
        terminal.warn("operation.preliminary")
    bound = [str(each.sender) for each in regional.results if each.handling in PERMISSION_NEEDED]
    if bound:
        terminal.warn("operation.permission", senders=", ".join(dict.fromkeys(bound)))


def _warn_of_messages(key: str, found: "Sequence[NationalResult]", terminal: Terminal) -> None:
    if found:
        named = dict.fromkeys(f"{each.sender} {each.id}" for each in found)
        terminal.warn(key, messages=", ".join(named))

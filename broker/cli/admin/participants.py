"""`enlace admin country|agency|desk|client add`: who takes part."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from broker.cli.admin.ledger import on_ledger
from broker.cli.options import LedgerOption, SubjectArgument, read_agency, read_client_id, read_desk
from broker.cli.terminal import Record, Terminal, terminal_of
from broker.model.names import AgencyRef, DeskRef, Scope
from schemas.vocabulary import AgencyFunction, Country

if TYPE_CHECKING:
    from broker.ports.directory import DirectoryStore
    from broker.storage.ledger import Ledger

Change: TypeAlias = "Callable[[DirectoryStore], Awaitable[None]]"
"""One administrator's decision; repeating it changes nothing."""


def add_country(
    context: typer.Context,
    country: Annotated[Country, typer.Argument(case_sensitive=False, metavar="COUNTRY")],
    ledger_url: LedgerOption = None,
) -> None:
    """Let a country take part."""
    decide(
        terminal_of(context),
        ledger_url,
        lambda store: store.add_country(country),
        {"country": country.value},
    )


def add_agency(
    context: typer.Context,
    agency: Annotated[AgencyRef, typer.Argument(parser=read_agency, metavar="COUNTRY/AGENCY")],
    function: Annotated[AgencyFunction, typer.Option("--function")],
    name: Annotated[str, typer.Option("--name", metavar="NAME")],
    ledger_url: LedgerOption = None,
) -> None:
    """Add or change an agency."""
    from broker.directory import AgencyRecord  # noqa: PLC0415 - a tenth of a second

    record = AgencyRecord(ref=agency, function=function, name=name)
    decide(
        terminal_of(context),
        ledger_url,
        lambda store: store.put_agency(record),
        {"agency": str(agency), "function": function.value, "name": name},
    )


def add_desk(
    context: typer.Context,
    desk: Annotated[DeskRef, typer.Argument(parser=read_desk, metavar="COUNTRY.COMPARTMENT")],
    ledger_url: LedgerOption = None,
) -> None:
    """Add a desk."""
    decide(
        terminal_of(context),
        ledger_url,
        lambda store: store.add_desk(desk),
        {"desk": str(desk)},
    )


def add_client(
    context: typer.Context,
    client_id: Annotated[str, typer.Argument(parser=read_client_id, metavar="CLIENT_ID")],
    named: SubjectArgument,
    scope: Annotated[list[Scope] | None, typer.Option("--scope")] = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Add or change an OAuth client; without scopes it gets those of its kind."""
    from broker.directory import ClientRecord  # noqa: PLC0415 - a tenth of a second

    subject = named.subject
    scopes = frozenset(scope or scopes_of(subject))
    record = ClientRecord(client_id=client_id, subject=subject, scopes=scopes)
    decide(
        terminal_of(context),
        ledger_url,
        lambda store: store.put_client(record),
        {"client": client_id, "subject": str(subject), "scopes": [*sorted(scopes)]},
    )


def scopes_of(subject: AgencyRef | DeskRef) -> tuple[Scope, ...]:
    """What a system of an agency or of a desk needs, and no more."""
    use = Scope.MESSAGES_SEND if isinstance(subject, AgencyRef) else Scope.MESSAGES_RECEIVE
    return use, Scope.DIRECTORY_READ


def decide(terminal: Terminal, url: str | None, change: Change, record: Record) -> None:
    """Write a decision to the ledger, and tell which version of the directory holds it."""

    async def work(ledger: "Ledger") -> int:
        await change(ledger.directory)
        return await ledger.directory.version()

    version = on_ledger(url, terminal, work)
    terminal.record({**record, "version": version}, (*record, "version"))

"""`enlace admin list`: what have the administrators set up?"""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins, roots_file
from broker.cli.exit_codes import ExitCode
from broker.cli.options import LedgerOption, RootsOption
from broker.cli.terminal import Record, finish, terminal_of

if TYPE_CHECKING:
    from broker.directory import Directory, DirectoryRecord
    from broker.storage.ledger import Ledger

COLUMNS: Final = ("what", "name", "detail")


class What(StrEnum):
    """A part of the directory."""

    COUNTRY = "country"
    AGENCY = "agency"
    DESK = "desk"
    CLIENT = "client"
    PAIR = "pair"
    CHANNEL = "channel"
    ROOT = "root"
    STATEMENT = "statement"
    ACT = "act"


def list_directory(
    context: typer.Context,
    what: Annotated[What | None, typer.Argument(metavar="|".join(What))] = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """List the directory, or one part of it; says which documents no root vouches for."""
    from broker.directory import Directory  # noqa: PLC0415 - a tenth of a second

    async def work(ledger: "Ledger") -> "DirectoryRecord":
        return await ledger.directory.load()

    terminal = terminal_of(context)
    record = on_ledger(ledger_url, terminal, work)
    file = roots_file(roots, terminal)
    pinned = read_pins(file, terminal).roots if file.exists() else {}
    directory, _ = Directory.verify(record, roots=pinned, now=datetime.now(UTC))
    rows = [row for row in _rows(directory) if what is None or row["what"] == what]
    terminal.rows(rows, COLUMNS)
    if any(row["detail"] == "not-vouched-for" for row in rows):
        terminal.warn("admin.not_vouched_for", file=file)
        finish(ExitCode.ACTION_NEEDED)


def _rows(directory: "Directory") -> Iterator[Record]:
    from broker.channel_view import channel_view  # noqa: PLC0415 - loaded already
    from broker.cli.admin.admit import document_rows  # noqa: PLC0415

    record = directory.record
    for country in sorted(record.countries):
        yield _row(What.COUNTRY, country.value, None)
    for agency in record.agencies:
        yield _row(What.AGENCY, str(agency.ref), f"{agency.function}: {agency.name}")
    for desk in sorted(record.desks):
        yield _row(What.DESK, str(desk), None)
    for client in record.clients:
        scopes = " ".join(sorted(client.scopes))
        yield _row(What.CLIENT, client.client_id, f"{client.subject}: {scopes}")
    for pair in directory.open_pairs:
        yield _row(What.PAIR, pair.queue, "open")
    for channel in directory.channels:
        view = channel_view(channel, directory.at)
        if view is not None:
            countries = ", ".join(map(str, channel.members(directory.at)))
            detail = f"{view['state']} {view['version']}, {view['compartment']}: {countries}"
            yield _row(What.CHANNEL, channel.name, detail)
    yield from document_rows(directory)


def _row(what: What, name: str, detail: str | None) -> Record:
    return {"what": what.value, "name": name, "detail": detail}

"""`enlace admin list`: what have the administrators set up?"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.ledger import on_ledger, read_settings
from broker.cli.exit_codes import ExitCode
from broker.cli.options import LedgerOption
from broker.cli.terminal import Record, finish, moment, terminal_of

if TYPE_CHECKING:
    from broker.directory import DirectoryRecord
    from broker.storage.ledger import Ledger
    from keys.statement import Roots

COLUMNS: Final = ("what", "name", "detail")


class What(StrEnum):
    """A part of the directory."""

    COUNTRY = "country"
    AGENCY = "agency"
    DESK = "desk"
    CLIENT = "client"
    PAIR = "pair"
    STATEMENT = "statement"


def list_directory(
    context: typer.Context,
    what: Annotated[What | None, typer.Argument(metavar="|".join(What))] = None,
    roots: Annotated[Path | None, typer.Option("--roots", metavar="FILE")] = None,
    ledger_url: LedgerOption = None,
) -> None:
    """List the directory, or one part of it; says which statements no root vouches for."""
    from broker.desk.pins import Pins  # noqa: PLC0415 - half a second

    async def work(ledger: "Ledger") -> "DirectoryRecord":
        return await ledger.directory.load()

    terminal = terminal_of(context)
    record = on_ledger(ledger_url, terminal, work)
    settings = read_settings(None, terminal)
    file = roots or settings.at_home(settings.roots)
    pinned = Pins.load(file).roots if file.exists() else {}
    rows = [row for row in _rows(record, pinned) if what is None or row["what"] == what]
    terminal.rows(rows, COLUMNS)
    if any(row["detail"] == "not-vouched-for" for row in rows):
        terminal.warn("admin.not_vouched_for", file=file)
        finish(ExitCode.ACTION_NEEDED)


def _rows(record: "DirectoryRecord", roots: "Roots") -> Iterator[Record]:
    for country in sorted(record.countries):
        yield _row(What.COUNTRY, country.value, None)
    for agency in record.agencies:
        yield _row(What.AGENCY, str(agency.ref), f"{agency.function}: {agency.name}")
    for desk in sorted(record.desks):
        yield _row(What.DESK, str(desk), None)
    for client in record.clients:
        scopes = " ".join(sorted(client.scopes))
        yield _row(What.CLIENT, client.client_id, f"{client.subject}: {scopes}")
    for pair in sorted(record.open_pairs):
        yield _row(What.PAIR, pair.queue, "open")
    for token in record.statements:
        yield _statement(token, roots)


def _statement(token: str, roots: "Roots") -> Record:
    from keys.errors import KeysError  # noqa: PLC0415 - loaded already
    from keys.statement import verify  # noqa: PLC0415

    try:
        stated = verify(token, roots=roots)
    except KeysError:
        return _row(What.STATEMENT, f"{token[:12]}...", "not-vouched-for")
    detail = f"{stated.use.value}, {moment(stated.not_before)} / {moment(stated.not_after)}"
    return _row(What.STATEMENT, stated.kid, detail)


def _row(what: What, name: str, detail: str | None) -> Record:
    return {"what": what.value, "name": name, "detail": detail}

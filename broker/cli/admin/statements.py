"""`enlace admin statement add`: let in signed key statements, once their roots vouch for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.ledger import on_ledger, read_settings
from broker.cli.documents import read_lines
from broker.cli.options import LedgerOption
from broker.cli.public_keys import member_of
from broker.cli.terminal import Record, moment, terminal_of

if TYPE_CHECKING:
    from broker.storage.ledger import Ledger
    from keys.statement import KeyStatement

COLUMNS: Final = ("kid", "holder", "use", "not_before", "not_after", "signed_with")


def add(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE")],
    roots: Annotated[Path | None, typer.Option("--roots", metavar="FILE")] = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Verify statements against the pinned roots, all of them first, then add them."""
    from broker.desk.pins import Pins  # noqa: PLC0415 - half a second
    from keys.statement import verify  # noqa: PLC0415

    terminal = terminal_of(context)
    settings = read_settings(None, terminal)
    pins = Pins.load(roots or settings.at_home(settings.roots))
    tokens = [member_of(line, "statement") for file in files for line in read_lines(file)]
    stated = [verify(token, roots=pins.roots) for token in tokens]

    async def work(ledger: "Ledger") -> None:
        for each in stated:
            await ledger.directory.add_statement(each.token)

    on_ledger(ledger_url, terminal, work)
    terminal.rows([statement_row(each) for each in stated], COLUMNS)


def statement_row(stated: "KeyStatement") -> Record:
    """Show what a statement says, without the key."""
    return {
        "kid": stated.kid,
        "holder": f"{stated.owner.value}/{stated.holder.kind.value}/{stated.holder.name}",
        "use": stated.use.value,
        "not_before": moment(stated.not_before),
        "not_after": moment(stated.not_after),
        "serial": stated.serial,
        "fingerprint": stated.key.fingerprint,
        "signed_with": stated.signed_with,
    }

"""`enlace admin statement add`: let in signed documents, once it is sure that all will count."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.documents import read_lines
from broker.cli.options import LedgerOption, RootsOption
from broker.cli.terminal import Record, terminal_of

if TYPE_CHECKING:
    from broker.storage.ledger import Ledger


def add(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE")],
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Verify roots, statements and acts, all of them first, then add them in one go."""
    from broker.cli.admin.admit import COLUMNS, Admission, admit_all  # noqa: PLC0415
    from broker.cli.admin.clock import require_clock  # noqa: PLC0415

    terminal, now = terminal_of(context), datetime.now(UTC)
    pins = read_pins(roots, terminal)
    tokens = [line for file in files for line in read_lines(file)]

    async def work(ledger: "Ledger") -> list[Record]:
        await require_clock(ledger, terminal, now)
        record = await ledger.directory.load()
        admission = Admission(record, pins.roots, terminal, now=now)
        rows = admit_all(admission, tokens)
        if admission.added:
            await ledger.directory.add_statements(admission.added, at=now)
        return rows

    terminal.rows(on_ledger(ledger_url, terminal, work), COLUMNS)

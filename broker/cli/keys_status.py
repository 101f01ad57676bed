"""`enlace keys status|forecast|needs-rotation`: where keys stand, and what is due."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.exit_codes import ExitCode
from broker.cli.options import LedgerOption, RootsOption
from broker.cli.terminal import Terminal, finish, terminal_of

if TYPE_CHECKING:
    from broker.cli.admin.key_state import KeySurvey
    from broker.storage.ledger import Ledger

KEYS: Final = (
    *("kid", "holder", "use", "state", "since", "age_days", "expires"),
    *("in_flight", "last_use", "behind"),
)
OUTAGES: Final = ("at", "until", "holder", "use", "why", "kid", "pairs", "channels")
DUE: Final = ("kid", "holder", "use", "step", "expires", "days_before")


def status(
    context: typer.Context, roots: RootsOption = None, ledger_url: LedgerOption = None
) -> None:
    """Show each key: its state, its age, what is sealed to it, who does not know the next."""
    from broker.cli.admin.key_state import key_rows  # noqa: PLC0415 - half a second

    terminal = terminal_of(context)
    terminal.rows([*key_rows(_survey(terminal, roots, ledger_url))], KEYS)


def forecast(
    context: typer.Context,
    days: Annotated[int, typer.Option("--days", min=0, max=3660, metavar="N")] = 30,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Say which roads go dark if nobody does anything, when and why; status 7 if any."""
    from broker.cli.admin.key_state import outage_row  # noqa: PLC0415
    from keys.forecast import forecast as look_ahead  # noqa: PLC0415

    terminal = terminal_of(context)
    found = _survey(terminal, roots, ledger_url)
    outages = look_ahead(
        found.ring,
        found.directory.purposes(),
        found.roots,
        now=found.now,
        span=timedelta(days=days),
    )
    terminal.rows([outage_row(each, found.directory) for each in outages], OUTAGES)
    if outages:
        terminal.warn("forecast.dark", number=len(outages), days=days)
        finish(ExitCode.ACTION_NEEDED)


def needs_rotation(
    context: typer.Context, roots: RootsOption = None, ledger_url: LedgerOption = None
) -> None:
    """List what is due; status 7 if anything is."""
    from broker.cli.admin.key_state import due_row  # noqa: PLC0415 - half a second
    from keys.forecast import warnings  # noqa: PLC0415

    terminal = terminal_of(context)
    found = _survey(terminal, roots, ledger_url)
    due = warnings(found.ring, found.now, found.roots, found.directory.purposes())
    terminal.rows([due_row(each) for each in due], DUE)
    if due:
        terminal.warn("forecast.due", number=len(due))
        finish(ExitCode.ACTION_NEEDED)


def _survey(terminal: Terminal, roots: Path | None, ledger_url: str | None) -> "KeySurvey":
    from broker.cli.admin.key_state import survey  # noqa: PLC0415 - half a second

    pins, now = read_pins(roots, terminal), datetime.now(UTC)

    async def work(ledger: "Ledger") -> "KeySurvey":
        return await survey(ledger, pins.roots, now)

    return on_ledger(ledger_url, terminal, work)

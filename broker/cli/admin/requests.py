"""`enlace admin requests`: on which roads do requests wait for an answer?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import typer

from broker.cli.admin.ledger import on_ledger
from broker.cli.exit_codes import ExitCode
from broker.cli.options import LedgerOption
from broker.cli.terminal import finish, moment, terminal_of

if TYPE_CHECKING:
    from broker.ports.requests import RoadRequests
    from broker.storage.ledger import Ledger

COLUMNS: Final = ("road", "not_due", "overdue", "first_due")


def requests(context: typer.Context, ledger_url: LedgerOption = None) -> None:
    """Count what is not answered on each pair and channel; status 7 if any is overdue."""

    async def work(ledger: "Ledger") -> "Sequence[RoadRequests]":
        return await ledger.requests.waiting_by_road(now=datetime.now(UTC))

    terminal = terminal_of(context)
    found = on_ledger(ledger_url, terminal, work)
    terminal.rows(
        [
            {
                "road": one.road,
                "channel": one.channel,
                "not_due": one.open,
                "overdue": one.overdue,
                "first_due": moment(one.first_due),
            }
            for one in found
        ],
        COLUMNS,
    )
    finish(ExitCode.ACTION_NEEDED if any(one.overdue for one in found) else ExitCode.OK)

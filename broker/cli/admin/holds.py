"""`enlace admin hold`: what the law wants kept is not destroyed, for a reason and until a day."""

import getpass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.ledger import on_ledger
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import CommandError
from broker.cli.options import LedgerOption, read_agency, read_day
from broker.cli.status import read_message_id
from broker.cli.terminal import Record, finish, moment, terminal_of
from broker.model.names import AgencyRef, MessageId
from broker.ports.retention import BEHIND_UTC
from schemas.vocabulary import LegalHoldReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.ports.retention import Hold
    from broker.storage.ledger import Ledger

COLUMNS: Final = ("id", "origin", "reason", "by", "at", "until", "state")
LONGEST: Final = timedelta(days=366)
"""A hold that nobody renews within a year has been forgotten, and holds nobody's data for ever."""
DAY: Final = timedelta(days=1)

IdArgument = Annotated[MessageId, typer.Argument(parser=read_message_id, metavar="ID")]
OriginOption = Annotated[
    AgencyRef, typer.Option("--origin", parser=read_agency, metavar="MX/AGENCY")
]
HoldReasonOption = Annotated[LegalHoldReason, typer.Option("--reason", metavar="CODE")]
UntilOption = Annotated[datetime, typer.Option("--until", parser=read_day, metavar="DAY")]


def add(
    context: typer.Context,
    message: IdArgument,
    origin: OriginOption,
    reason: HoldReasonOption,
    until: UntilOption,
    ledger_url: LedgerOption = None,
) -> None:
    """Keep a message from being destroyed, to the end of a day at most a year ahead."""
    terminal = terminal_of(context)
    now = datetime.now(UTC)
    if not (now - BEHIND_UTC).date() <= until.date() <= (now + LONGEST).date():
        raise CommandError(terminal.text("hold.until"))

    async def work(ledger: "Ledger") -> "Hold | None":
        return await ledger.retention.hold(
            origin,
            message,
            reason=reason,
            by=getpass.getuser(),
            until=until + DAY + BEHIND_UTC,
            now=now,
        )

    held = on_ledger(ledger_url, terminal, work)
    if held is None:
        terminal.warn("hold.none", id=message)
        finish(ExitCode.NOT_FOUND)
        return
    terminal.rows([_row(held, now)], COLUMNS)


def lift(
    context: typer.Context,
    message: IdArgument,
    origin: OriginOption,
    ledger_url: LedgerOption = None,
) -> None:
    """End the holds on a message before their day."""
    terminal = terminal_of(context)

    async def work(ledger: "Ledger") -> int:
        return await ledger.retention.lift(origin, message, now=datetime.now(UTC))

    lifted = on_ledger(ledger_url, terminal, work)
    if not lifted:
        terminal.warn("hold.none", id=message)
        finish(ExitCode.NOT_FOUND)
    terminal.rows([{"id": message, "origin": str(origin), "lifted": lifted}], ("id", "lifted"))


def list_holds(context: typer.Context, ledger_url: LedgerOption = None) -> None:
    """List all holds, those that ended among them."""

    async def work(ledger: "Ledger") -> "Sequence[Hold]":
        return await ledger.retention.holds()

    terminal, now = terminal_of(context), datetime.now(UTC)
    found = on_ledger(ledger_url, terminal, work)
    terminal.rows([_row(each, now) for each in found], COLUMNS)


def _row(hold: "Hold", now: datetime) -> Record:
    ended = "ended" if hold.lifted_at is None else "lifted"
    return {
        "id": hold.id,
        "origin": str(hold.origin),
        "reason": hold.reason.value,
        "by": hold.by,
        "at": moment(hold.at),
        "until": moment(hold.until),
        "state": "runs" if hold.runs(now) else ended,
        "lifted_at": None if hold.lifted_at is None else moment(hold.lifted_at),
    }

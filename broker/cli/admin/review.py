"""`enlace admin review`: what is past its review is kept by a person's word, or goes (SG-08)."""

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from broker.cli.admin.holds import (
    DAY,
    LONGEST,
    HoldReasonOption,
    IdArgument,
    OriginOption,
    UntilOption,
)
from broker.cli.admin.ledger import on_ledger, run_on
from broker.cli.admin.signing import gateway_signer
from broker.cli.confirm import confirm
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import CommandError, RefusalError
from broker.cli.options import LedgerOption, YesOption
from broker.cli.terminal import Record, Terminal, finish, moment, terminal_of
from broker.ports.retention import NotReviewed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.model.names import MessageId
    from broker.ports.retention import Review
    from broker.storage.ledger import Ledger

COLUMNS: Final = ("id", "origin", "what", "reason", "until", "by", "at")


def keep(
    context: typer.Context,
    message: IdArgument,
    origin: OriginOption,
    reason: HoldReasonOption,
    until: UntilOption,
    ledger_url: LedgerOption = None,
) -> None:
    """Record that a message is still needed, to the end of a day."""
    terminal, now = terminal_of(context), datetime.now(UTC)
    if not now.date() <= until.date() <= (now + LONGEST).date():
        raise CommandError(terminal.text("review.until"))

    async def work(ledger: "Ledger") -> "Review | NotReviewed":
        return await ledger.retention.keep(
            origin, message, reason=reason, by=getpass.getuser(), until=until + DAY, now=now
        )

    _show(terminal, message, on_ledger(ledger_url, terminal, work))


def destroy(
    context: typer.Context,
    message: IdArgument,
    origin: OriginOption,
    yes: YesOption = False,
    ledger_url: LedgerOption = None,
) -> None:
    """Destroy the sealed content of a message that is past its review and not needed."""
    terminal, now = terminal_of(context), datetime.now(UTC)
    url, signer = gateway_signer(ledger_url, terminal)
    terminal.say("retention.destroying", number=1)
    confirm(terminal, yes=yes, ask="retention")

    async def work(ledger: "Ledger") -> "Review | NotReviewed":
        sign = await signer(ledger, now)
        return await ledger.retention.destroy_reviewed(
            origin, message, by=getpass.getuser(), now=now, sign=sign
        )

    _show(terminal, message, run_on(url, work))


def list_all(context: typer.Context, ledger_url: LedgerOption = None) -> None:
    """List every review: what was kept, and what was destroyed."""

    async def work(ledger: "Ledger") -> "Sequence[Review]":
        return await ledger.retention.reviews()

    terminal = terminal_of(context)
    found = on_ledger(ledger_url, terminal, work)
    terminal.rows([_row(each) for each in found], COLUMNS)


def _show(terminal: Terminal, message: "MessageId", done: "Review | NotReviewed") -> None:
    if isinstance(done, NotReviewed):
        _refuse(terminal, message, done)
    terminal.rows([_row(done)], COLUMNS)


def _refuse(terminal: Terminal, message: "MessageId", why: NotReviewed) -> NoReturn:
    if why is NotReviewed.NOT_DUE:
        terminal.warn("review.none", id=message)
        finish(ExitCode.NOT_FOUND)
    if why is NotReviewed.TOO_LONG:
        raise CommandError(terminal.text("review.until"))
    raise RefusalError(terminal.text(f"review.{why.value}", id=message))


def _row(review: "Review") -> Record:
    return {
        "id": review.id,
        "origin": str(review.origin),
        "what": "destroyed" if review.until is None else "kept",
        "reason": None if review.reason is None else review.reason.value,
        "until": None if review.until is None else moment(review.until),
        "by": review.by,
        "at": moment(review.at),
    }

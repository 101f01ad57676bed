"""`enlace retention` and `enlace hold`: what a desk must destroy, and what it must keep (SG-08)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.holds import (
    LONGEST,
    HoldReasonOption,
    IdArgument,
    OriginOption,
    UntilOption,
)
from broker.cli.confirm import confirm
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import CommandError
from broker.cli.options import YesOption
from broker.cli.terminal import Record, finish, moment, terminal_of

if TYPE_CHECKING:
    from broker.desk.holds import DeskHold
    from broker.desk.retention import DueMessage

COLUMNS: Final = ("id", "origin", "expires", "review_by", "what", "until", "content_hash")
HOLD_COLUMNS: Final = ("id", "origin", "reason", "until", "state")

InboxOption = Annotated[Path, typer.Option("--inbox", metavar="FILE")]


def retention(
    context: typer.Context,
    inbox: InboxOption,
    destroy: Annotated[bool, typer.Option("--destroy")] = False,
    yes: YesOption = False,
) -> None:
    """List what would go from an inbox, or destroy it; status 7 while anything is due."""
    from broker.desk.inbox import inbox_file  # noqa: PLC0415 - loads the client
    from broker.desk.retention import Due, destroy_expired, look  # noqa: PLC0415

    terminal, now, inbox = terminal_of(context), datetime.now(UTC), inbox_file(inbox)
    found = look(inbox, now=now)
    terminal.rows([_row(each) for each in found], COLUMNS)
    due = [each for each in found if each.due is Due.GOES]
    left = any(each.due is not Due.HELD for each in found)
    if destroy:
        if due:
            terminal.say("retention.destroying", number=len(due))
            confirm(terminal, yes=yes, ask="retention")
        terminal.say("retention.destroyed", number=destroy_expired(inbox, now=now))
        left = any(each.due is Due.REVIEW for each in found)
    finish(ExitCode.ACTION_NEEDED if left else ExitCode.OK)


def add(
    context: typer.Context,
    message: IdArgument,
    origin: OriginOption,
    reason: HoldReasonOption,
    until: UntilOption,
    inbox: InboxOption,
) -> None:
    """Keep a message of this inbox, to the end of a day at most a year ahead."""
    from broker.desk.holds import DeskHold, locked  # noqa: PLC0415
    from broker.desk.inbox import inbox_file  # noqa: PLC0415
    from broker.desk.rewriting import find, is_tombstone  # noqa: PLC0415

    terminal, now, inbox = terminal_of(context), datetime.now(UTC), inbox_file(inbox)
    hold = DeskHold(origin=origin, message_id=message, reason=reason, until=until.date())
    if not hold.runs(now) or hold.until > (now + LONGEST).date():
        raise CommandError(terminal.text("hold.until"))
    with locked(inbox) as holds:
        # Asked under the lock: what is destroyed a moment before is not said to be held.
        line = find(inbox, message, origin)
        if line is None or is_tombstone(line):
            terminal.warn("hold.none", id=message)
            finish(ExitCode.NOT_FOUND)
            return
        holds.write(hold, at=now)
    terminal.rows([_hold(hold, now)], HOLD_COLUMNS)


def lift(
    context: typer.Context, message: IdArgument, origin: OriginOption, inbox: InboxOption
) -> None:
    """End the hold on a message of this inbox before its day."""
    from dataclasses import replace  # noqa: PLC0415

    from broker.desk.holds import locked  # noqa: PLC0415
    from broker.desk.inbox import inbox_file  # noqa: PLC0415

    terminal, now, inbox = terminal_of(context), datetime.now(UTC), inbox_file(inbox)
    with locked(inbox) as holds:
        hold = holds.read().get((origin, message))
        if hold is None or not hold.runs(now):
            terminal.warn("hold.none", id=message)
            finish(ExitCode.NOT_FOUND)
            return
        lifted = replace(hold, lifted=True)
        holds.write(lifted, at=now)
    terminal.rows([_hold(lifted, now)], HOLD_COLUMNS)


def list_holds(context: typer.Context, inbox: InboxOption) -> None:
    """List the holds of an inbox, those that ended among them."""
    from broker.desk.holds import read_holds  # noqa: PLC0415
    from broker.desk.inbox import inbox_file  # noqa: PLC0415

    terminal, now = terminal_of(context), datetime.now(UTC)
    held = read_holds(inbox_file(inbox))
    terminal.rows([_hold(each, now) for each in held.values()], HOLD_COLUMNS)


def _row(one: "DueMessage") -> Record:
    return {
        "id": one.id,
        "origin": str(one.origin),
        "expires": moment(one.expires),
        "review_by": None if one.review_by is None else moment(one.review_by),
        "what": one.due.value,
        "until": None if one.held is None else one.held.until.isoformat(),
        "content_hash": one.content_hash,
    }


def _hold(hold: "DeskHold", now: datetime) -> Record:
    ended = "lifted" if hold.lifted else "ended"
    return {
        "id": hold.message_id,
        "origin": str(hold.origin),
        "reason": hold.reason.value,
        "until": hold.until.isoformat(),
        "state": "runs" if hold.runs(now) else ended,
    }

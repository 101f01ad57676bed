"""`enlace review`: a person looks at what is past its review, and keeps or destroys it (SG-08)."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from broker.cli.admin.holds import LONGEST, HoldReasonOption, IdArgument, OriginOption, UntilOption
from broker.cli.confirm import confirm
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import CommandError, RefusalError
from broker.cli.options import YesOption
from broker.cli.retention import InboxOption
from broker.cli.terminal import Record, Terminal, terminal_of

if TYPE_CHECKING:
    from broker.desk.reviews import DeskReview
    from broker.desk.rewriting import Line
    from broker.model.names import AgencyRef, MessageId

COLUMNS: Final = ("id", "origin", "what", "reason", "until", "by")


def keep(
    context: typer.Context,
    message: IdArgument,
    origin: OriginOption,
    reason: HoldReasonOption,
    until: UntilOption,
    inbox: InboxOption,
) -> None:
    """Record that a message is still needed, to the end of a day."""
    from broker.desk.inbox import inbox_file  # noqa: PLC0415 - loads the client
    from broker.desk.reviews import DeskReview, write_review  # noqa: PLC0415

    terminal, now, inbox = terminal_of(context), datetime.now(UTC), inbox_file(inbox)
    line = _find(terminal, inbox, message, origin, now)
    expires = datetime.fromisoformat(line["message"]["expires"]).astimezone(UTC)
    if not now.date() <= until.date() <= min((now + LONGEST).date(), expires.date()):
        raise CommandError(terminal.text("review.until"))
    review = DeskReview(
        origin=origin,
        message_id=message,
        reason=reason,
        by=getpass.getuser(),
        until=until.date(),
    )
    write_review(inbox, review, at=now)
    terminal.rows([_kept(review)], COLUMNS)


def destroy(
    context: typer.Context,
    message: IdArgument,
    origin: OriginOption,
    inbox: InboxOption,
    yes: YesOption = False,
) -> None:
    """Destroy a message that is past its review and not needed."""
    from broker.desk.inbox import inbox_file  # noqa: PLC0415 - loads the client
    from broker.desk.reviews import destroy_reviewed  # noqa: PLC0415
    from broker.desk.rewriting import is_unfinished  # noqa: PLC0415

    terminal, now, inbox = terminal_of(context), datetime.now(UTC), inbox_file(inbox)
    if is_unfinished(inbox):
        # It was interrupted when the line was changed already: what is left goes first.
        destroy_reviewed(inbox, message, origin, by=getpass.getuser(), now=now)
    _find(terminal, inbox, message, origin, now)
    terminal.say("retention.destroying", number=1)
    confirm(terminal, yes=yes, ask="retention")
    by = getpass.getuser()
    if not destroy_reviewed(inbox, message, origin, by=by, now=now):
        raise RefusalError(terminal.text("review.held", id=message))
    terminal.rows([_destroyed(message, origin, by)], COLUMNS)


def list_all(context: typer.Context, inbox: InboxOption) -> None:
    """List every review of an inbox: what was kept, and what was destroyed."""
    from broker.desk.inbox import inbox_file  # noqa: PLC0415 - loads the client
    from broker.desk.reviews import REASON, list_reviews  # noqa: PLC0415
    from broker.desk.rewriting import read_lines  # noqa: PLC0415

    terminal, inbox = terminal_of(context), inbox_file(inbox)
    gone = [line for line in read_lines(inbox) if line.get("reason") == REASON]
    rows = [_kept(each) for each in list_reviews(inbox)]
    rows += [_destroyed(each["id"], _origin(each), each.get("by")) for each in gone]
    terminal.rows(rows, COLUMNS)


def _find(
    terminal: Terminal, inbox: Path, message: "MessageId", origin: "AgencyRef", now: datetime
) -> "Line":
    from broker.desk.reviews import is_reviewable  # noqa: PLC0415
    from broker.desk.rewriting import find  # noqa: PLC0415

    line = find(inbox, message, origin)
    if line is None or not is_reviewable(line, now):
        terminal.warn("review.none", id=message)
        raise typer.Exit(int(ExitCode.NOT_FOUND))
    return line


def _kept(review: "DeskReview") -> Record:
    return {
        "id": review.message_id,
        "origin": str(review.origin),
        "what": "kept",
        "reason": review.reason.value,
        "until": review.until.isoformat(),
        "by": review.by,
    }


def _origin(line: "Line") -> str:
    return f"{line['origin']['country']}/{line['origin']['agency']}"


def _destroyed(message: str, origin: object, by: object) -> Record:
    return {
        "id": message,
        "origin": str(origin),
        "what": "destroyed",
        "reason": None,
        "until": None,
        "by": str(by),
    }

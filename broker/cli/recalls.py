"""`enlace recalls`: who has still to say what became of a message, and the desk's own word."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.exit_codes import ExitCode
from broker.cli.explain import CommandError, RefusalError
from broker.cli.help_page import HelpCommand, HelpGroup
from broker.cli.options import ProfileOption, read_day
from broker.cli.session import open_client
from broker.cli.status import read_message_id
from broker.cli.terminal import Record, Terminal, finish, moment, terminal_of
from broker.model.events import DeliveryState
from broker.model.names import DeskRef, MessageId
from schemas.vocabulary import Disposition, KeptReason

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient
    from broker.ports.recalls import Order

COLUMNS: Final = (
    *("id", "kind", "of", "recipient", "delivery"),
    *("state", "disposition", "reason", "answered_at"),
)
InboxOption = Annotated[Path | None, typer.Option("--inbox", metavar="FILE")]


def make() -> typer.Typer:
    """Make the group; `enlace recalls` alone lists."""
    group = typer.Typer(
        cls=HelpGroup,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    group.callback(cls=HelpGroup, invoke_without_command=True)(recalls)
    group.command("answer", cls=HelpCommand)(answer)
    return group


def recalls(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all")] = False,
    profile: ProfileOption = Path(),
) -> None:
    """List recalls and rectifications that wait for an answer; status 7 while one does."""
    if context.invoked_subcommand is not None:
        return
    terminal = terminal_of(context)
    found = asyncio.run(_ask(open_client(profile, terminal), only_open=not every))
    terminal.rows([_row(each) for each in found], COLUMNS)
    is_open = any(each.status.answered_at is None for each in found)
    finish(ExitCode.ACTION_NEEDED if is_open else ExitCode.OK)


def answer(  # noqa: PLR0917 - each is an option that a person gives by name
    context: typer.Context,
    recall: Annotated[MessageId, typer.Argument(parser=read_message_id, metavar="ID")],
    destroyed: Annotated[bool, typer.Option("--destroyed")] = False,
    corrected: Annotated[bool, typer.Option("--corrected")] = False,
    kept: Annotated[KeptReason | None, typer.Option("--kept", metavar="REASON")] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", parser=read_day, metavar="DAY")
    ] = None,
    inbox: InboxOption = None,
    elsewhere: Annotated[bool, typer.Option("--elsewhere")] = False,
    profile: ProfileOption = Path(),
) -> None:
    """Do what is said in the desk's inbox, then sign it and send it."""
    terminal = terminal_of(context)
    disposition = _one_of(terminal, destroyed=destroyed, corrected=corrected, kept=kept)
    changes = disposition is not Disposition.KEPT
    if until is not None and changes:
        raise CommandError(terminal.text("recalls.until"))
    if changes and (inbox is None) != elsewhere:
        raise CommandError(terminal.text("recalls.where"))
    client = open_client(profile, terminal)
    if not isinstance(client.profile.subject, DeskRef):
        raise CommandError(terminal.text("recalls.desk"))
    end = None if until is None else until.date()

    def act(order: "Order") -> None:
        if inbox is not None and changes:
            _change(inbox, order, disposition, terminal)

    done = asyncio.run(_answer(client, recall, disposition, kept, end, act, terminal))
    terminal.rows(done, ("id", "of", "recipient", "disposition"))


async def _ask(client: "EnlaceClient", *, only_open: bool) -> "Sequence[Order]":
    async with client:
        return await client.orders(only_open=only_open)


async def _answer(  # noqa: PLR0917 - what the command was given
    client: "EnlaceClient",
    recall: MessageId,
    disposition: Disposition,
    because: KeptReason | None,
    until: date | None,
    act: "Callable[[Order], None]",
    terminal: Terminal,
) -> list[Record]:
    from broker.desk.recalls import Answer, Answered  # noqa: PLC0415 - loads the client

    async with client:
        # Several agencies may use one id; what was kept may be answered once more.
        orders = [
            each
            for each in await client.orders(only_open=False)
            if each.id == recall and _may_answer(each, disposition)
        ]
        if not orders:
            raise RefusalError(terminal.text("recalls.none", id=recall))
        for each in orders:
            act(each)
        # A crash here, or in the call, loses nothing: the order stays open, and the command
        # is given again.
        answers = [
            Answer(order=each, disposition=disposition, because=because, until=until)
            for each in orders
        ]
        results = await client.dispose(answers)
    for result in results:
        if not isinstance(result, Answered):
            raise RefusalError(terminal.text("recalls.refused", id=recall, code=result.code))
    return [
        {
            "id": each.id,
            "of": each.subject,
            "recipient": str(each.desk),
            "disposition": disposition.value,
            "receipt": result.receipt,
        }
        for each, result in zip(orders, results, strict=True)
        if isinstance(result, Answered)
    ]


def _may_answer(order: "Order", disposition: Disposition) -> bool:
    said = order.status.disposition
    return said is None or said is disposition or said is Disposition.KEPT


def _change(inbox: Path, order: "Order", disposition: Disposition, terminal: Terminal) -> None:
    from broker.desk.inbox import inbox_file  # noqa: PLC0415 - loads the client
    from broker.desk.taking_back import (  # noqa: PLC0415
        HeldError,
        NotHeldError,
        NotProvenError,
        correct,
        destroy,
    )

    now = datetime.now(UTC)
    try:
        if disposition is Disposition.DESTROYED:
            destroy(inbox_file(inbox), order, now=now)
        else:
            correct(inbox_file(inbox), order, now=now)
    except HeldError as error:
        raise RefusalError(terminal.text("recalls.held", cause=str(error))) from None
    except NotHeldError as error:
        raise RefusalError(terminal.text("recalls.not_held", cause=str(error))) from None
    except NotProvenError as error:
        # Of what was sealed without this desk nothing will ever come to its inbox.
        sealed = order.state is not DeliveryState.NOT_SEALED
        text = "recalls.not_proven" if sealed else "recalls.not_sealed"
        raise RefusalError(
            terminal.text(text, cause=str(error), origin=str(order.origin))
        ) from None


def _one_of(
    terminal: Terminal, *, destroyed: bool, corrected: bool, kept: KeptReason | None
) -> Disposition:
    if destroyed + corrected + (kept is not None) != 1:
        raise CommandError(terminal.text("recalls.one"))
    if kept is not None:
        return Disposition.KEPT
    return Disposition.DESTROYED if destroyed else Disposition.CORRECTED


def _row(order: "Order") -> Record:
    status = order.status
    return {
        "id": order.id,
        "kind": order.kind.value,
        "origin": str(order.origin),
        "of": order.subject,
        "recipient": str(order.desk),
        "delivery": order.state.value,
        "state": "open" if status.answered_at is None else "answered",
        "disposition": None if status.disposition is None else status.disposition.value,
        "reason": None if status.because is None else status.because.value,
        "until": None if status.until is None else status.until.isoformat(),
        "accepted_at": moment(order.accepted_at),
        "answered_at": None if status.answered_at is None else moment(status.answered_at),
        "desk_evidence": status.desk_evidence,
        "receipt": status.receipt,
    }

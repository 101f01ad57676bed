"""`enlace requests`: which requests wait for an answer, and which are overdue?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.exit_codes import ExitCode
from broker.cli.explain import CommandError
from broker.cli.options import ProfileOption
from broker.cli.session import open_client
from broker.cli.terminal import Record, finish, moment, terminal_of
from broker.model.names import DeskRef, Json

if TYPE_CHECKING:
    from broker.desk.asked import AskedRequest, ConvenedAsked
    from broker.desk.client import EnlaceClient

COLUMNS: Final = (
    "road",
    "state",
    "due",
    "urgency",
    "kind",
    "id",
    "origin",
    "recipient",
    "outcome",
    "escalated_at",
)


CONVENED: Final = (
    "road",
    "state",
    "due",
    "urgency",
    "kind",
    "id",
    "origin",
    "waiting",
    "recipient",
)
SUMS: Final = ("road", "not_due", "overdue", "first_due")


def requests(
    context: typer.Context,
    sent: Annotated[bool | None, typer.Option("--sent/--received")] = None,
    convened: Annotated[bool, typer.Option("--convened")] = False,
    overdue: Annotated[bool, typer.Option("--overdue")] = False,
    sums: Annotated[bool, typer.Option("--sums")] = False,
    profile: ProfileOption = Path(),
) -> None:
    """List what is not answered, a table for each pair and channel; status 7 if overdue."""
    terminal = terminal_of(context)
    if convened and sent is not None:
        raise CommandError(terminal.text("requests.one"))
    client = open_client(profile, terminal)
    if convened:
        found = [_convened(each) for each in asyncio.run(_ask_convened(client, overdue))]
    else:
        found = [_asked(each) for each in asyncio.run(_ask(client, sent, overdue))]
    columns = CONVENED if convened else COLUMNS
    by_road = groupby(sorted(found, key=_place), key=_road)
    if sums:
        terminal.rows([_sum(road, list(of_road)) for road, of_road in by_road], SUMS)
    else:
        for _, of_road in by_road:
            terminal.rows([each.row for each in of_road], columns)
    late = any(each.is_late for each in found)
    finish(ExitCode.ACTION_NEEDED if late else ExitCode.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One line of the list."""

    road: str
    """Of a channel all members are in one table."""
    due: datetime
    is_late: bool
    waiting: int
    """Recipients who have not answered."""
    row: Record


async def _ask(client: "EnlaceClient", sent: bool | None, overdue: bool) -> "list[AskedRequest]":
    from broker.ports.requests import RequestState  # noqa: PLC0415 - half a second

    states = [RequestState.OVERDUE] if overdue else [RequestState.OVERDUE, RequestState.OPEN]
    async with client:
        # Without a word an agency is asked for what it sent, a desk for what it received.
        received = isinstance(client.profile.subject, DeskRef) if sent is None else not sent
        return [
            each
            for state in states
            for each in await client.requests(received=received, state=state)
        ]


async def _ask_convened(client: "EnlaceClient", overdue: bool) -> "Sequence[ConvenedAsked]":
    async with client:
        return await client.convened(only_overdue=overdue)


def _road(one: Waiting) -> str:
    return one.road


def _place(one: Waiting) -> tuple[str, datetime, str]:
    return one.road, one.due, str(one.row["id"])


def _sum(road: str, waiting: Sequence[Waiting]) -> Record:
    late = sum(each.waiting for each in waiting if each.is_late)
    return {
        "road": road,
        "not_due": sum(each.waiting for each in waiting) - late,
        "overdue": late,
        "first_due": moment(min(each.due for each in waiting)),
    }


def _asked(one: "AskedRequest") -> Waiting:
    row = _row(one, road=one.road, recipient=str(one.desk))
    row |= {"outcome": one.outcome, "ground": one.ground}
    late = one.state.value == "overdue"
    return Waiting(road=one.channel or one.road, due=one.due, is_late=late, waiting=1, row=row)


def _convened(one: "ConvenedAsked") -> Waiting:
    names = ", ".join(str(desk) for desk in one.desks) or None
    row = _row(one, road=one.channel, recipient=names) | {"waiting": one.waiting}
    late = one.state.value == "overdue"
    return Waiting(road=one.channel, due=one.due, is_late=late, waiting=one.waiting, row=row)


def _row(
    one: "AskedRequest | ConvenedAsked", *, road: str, recipient: str | None
) -> dict[str, Json]:
    return {
        "road": road,
        "state": one.state.value,
        "due": moment(one.due),
        "urgency": one.urgency.value,
        "kind": one.kind.value,
        "id": one.id,
        "origin": str(one.origin),
        "recipient": recipient,
        "channel": one.channel,
        "asked_at": moment(one.asked_at),
        "escalated_at": None if one.escalated_at is None else moment(one.escalated_at),
    }

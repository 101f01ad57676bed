"""`enlace requests`: which requests wait for an answer, and which are overdue?"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.exit_codes import ExitCode
from broker.cli.options import ProfileOption
from broker.cli.session import open_client
from broker.cli.terminal import Record, finish, moment, terminal_of
from broker.model.names import DeskRef

if TYPE_CHECKING:
    from broker.desk.asked import AskedRequest
    from broker.desk.client import EnlaceClient
    from broker.ports.requests import RequestState

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


def requests(
    context: typer.Context,
    sent: Annotated[bool | None, typer.Option("--sent/--received")] = None,
    overdue: Annotated[bool, typer.Option("--overdue")] = False,
    profile: ProfileOption = Path(),
) -> None:
    """List what is not answered, a table for each pair and channel; status 7 if overdue."""
    from broker.ports.requests import RequestState  # noqa: PLC0415 - half a second

    terminal = terminal_of(context)
    states = [RequestState.OVERDUE] if overdue else [RequestState.OVERDUE, RequestState.OPEN]
    found = asyncio.run(_ask(open_client(profile, terminal), sent, states))
    for _, of_road in groupby(sorted(found, key=_place), key=_road):
        terminal.rows([_row(each) for each in of_road], COLUMNS)
    late = any(each.state is RequestState.OVERDUE for each in found)
    finish(ExitCode.ACTION_NEEDED if late else ExitCode.OK)


async def _ask(
    client: "EnlaceClient", sent: bool | None, states: "Sequence[RequestState]"
) -> "list[AskedRequest]":
    async with client:
        # Without a word an agency is asked for what it sent, a desk for what it received.
        received = isinstance(client.profile.subject, DeskRef) if sent is None else not sent
        return [
            each
            for state in states
            for each in await client.requests(received=received, state=state)
        ]


def _road(one: "AskedRequest") -> str:
    """Of a channel all members are in one table."""
    return one.channel or one.road


def _place(one: "AskedRequest") -> tuple[str, datetime, str]:
    return _road(one), one.due, one.id


def _row(one: "AskedRequest") -> Record:
    return {
        "road": one.road,
        "state": one.state.value,
        "due": moment(one.due),
        "urgency": one.urgency.value,
        "kind": one.kind.value,
        "id": one.id,
        "origin": str(one.origin),
        "recipient": str(one.desk),
        "channel": one.channel,
        "asked_at": moment(one.asked_at),
        "outcome": one.outcome,
        "ground": one.ground,
        "escalated_at": None if one.escalated_at is None else moment(one.escalated_at),
    }

"""`enlace notices`: what has the exchange told this country, of keys, requests and messages?"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.exit_codes import ExitCode
from broker.cli.options import ProfileOption
from broker.cli.session import open_client
from broker.cli.terminal import Record, finish, moment, terminal_of

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient
    from broker.desk.notices import Noticed

COLUMNS: Final = (
    "number",
    "event",
    "kid",
    "since",
    "channel",
    "due",
    "reason",
    "id",
    "origin",
    "recipient",
    "late",
)


def notices(
    context: typer.Context,
    after: Annotated[int, typer.Option("--after", min=0, metavar="N")] = 0,
    profile: ProfileOption = Path(),
) -> None:
    """List the messages that a notice concerns; status 7 if there are any."""
    terminal = terminal_of(context)
    found = asyncio.run(_ask(open_client(profile, terminal), after))
    rows = [row for each in found for row in _rows(each)]
    if not terminal.json:
        # A program gets the code, a person the words.
        rows = [{**row, "event": terminal.text(f"notice.{row['event']}")} for row in rows]
    terminal.rows(rows, COLUMNS)
    finish(ExitCode.ACTION_NEEDED if found else ExitCode.OK)


async def _ask(client: "EnlaceClient", after: int) -> "Sequence[Noticed]":
    async with client:
        return await client.notices(after=after)


def _rows(noticed: "Noticed") -> list[Record]:
    return [
        {
            "number": noticed.number,
            "event": noticed.event,
            "kid": noticed.kid,
            "since": _moment(noticed.since),
            "channel": noticed.channel,
            "due": _moment(noticed.due),
            "reason": noticed.reason,
            "at": moment(noticed.at),
            "id": message_id,
            "origin": origin,
            "recipient": desk,
            "late": noticed.late,
        }
        for message_id, origin, desk in noticed.deliveries
    ]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else moment(at)

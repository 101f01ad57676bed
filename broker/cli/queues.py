"""`enlace queues`: what waits for this desk?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from broker.cli.options import ProfileOption
from broker.cli.session import open_client
from broker.cli.terminal import Record, moment, terminal_of
from broker.model.delivery import QueueDepth

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient

COLUMNS: Final = ("queue", "waiting", "leased", "oldest_accepted_at")


def queues(context: typer.Context, profile: ProfileOption = Path()) -> None:
    """Count what waits in each queue of the desk."""
    terminal = terminal_of(context)
    depths = asyncio.run(_ask(open_client(profile, terminal)))
    terminal.rows([_row(each) for each in depths], COLUMNS)


async def _ask(client: "EnlaceClient") -> Sequence[QueueDepth]:
    async with client:
        return await client.queues()


def _row(depth: QueueDepth) -> Record:
    oldest = depth.oldest_accepted_at
    return {
        "queue": depth.queue,
        "waiting": depth.waiting,
        "leased": depth.leased,
        "oldest_accepted_at": None if oldest is None else moment(oldest),
    }

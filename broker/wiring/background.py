"""What does a gateway do without being asked?"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final

from broker.attempt import attempt
from broker.directory_watch import DirectoryWatch
from broker.escalation import Escalations
from broker.file_watch import FileWatch
from broker.gateway.context import Gateway
from broker.key_watch import KeyWatch
from broker.notices import UnreadNotices
from broker.policy_watch import PolicyWatch
from broker.ports.transport import Transport
from broker.roads_watch import RoadsWatch
from broker.storage.ledger import Ledger
from broker.sweep import Sweep
from broker.wiring.clock import utc_now

DECLARE_AGAIN: Final = timedelta(seconds=2)
DECLARE_LATEST: Final = timedelta(minutes=1)
"""Each further attempt comes later: one queue may wait for an operator for hours, and the
others are declared with it each time. Who publishes or consumes declares what he needs."""


@asynccontextmanager
async def background(
    gateway: Gateway,
    transport: Transport,
    ledger: Ledger,
    watches: Sequence[FileWatch[Any] | KeyWatch | Escalations],
    tell: UnreadNotices,
) -> AsyncIterator[None]:
    """Do what a gateway does without being asked, for as long as the context lasts."""
    sweep = Sweep(
        ledger=ledger.deliveries,
        transport=transport,
        clock=utc_now,
        sign_receipt=gateway.hand_overs.sign_receipt,
        tell=tell,
    )
    queues = asyncio.Event()
    gateway.directory.on_change(lambda _: queues.set())
    queues.set()
    for watch in (PolicyWatch(), RoadsWatch()):
        gateway.directory.on_change(watch)
        watch(gateway.directory.current)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(work)
            for work in (
                gateway.directory.run(),
                gateway.relay.run(),
                gateway.hand_overs.run(),
                gateway.polls.run(),
                sweep.run(),
                _keep_declared(transport, gateway.directory, queues),
                *(watch.run() for watch in watches),
            )
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _keep_declared(
    transport: Transport, watch: DirectoryWatch, changed: asyncio.Event
) -> None:
    """Declare the queues of every open pair and channel, now and as the directory changes."""
    pause = DECLARE_AGAIN
    while True:
        await changed.wait()
        changed.clear()
        queues = watch.current.queues()
        if await attempt("declare", partial(transport.declare, queues)):
            pause = DECLARE_AGAIN
            continue
        changed.set()
        await asyncio.sleep(pause.total_seconds())
        pause = min(2 * pause, DECLARE_LATEST)

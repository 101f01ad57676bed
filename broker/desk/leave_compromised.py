"""Somebody else may hold a key of this desk: what waits for it moves to the next key, by itself.

Whoever holds the lost key and gets hold of the ledger could read what still waits there. So a
desk that receives looks now and then whether one of its keys was declared compromised, and
re-wraps what is left for it as soon as a successor is active.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from broker.attempt import attempt
from broker.desk.client import EnlaceClient
from broker.desk.rewrap import Rewrapper
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import KeyUse
from keys.ring import KeyState

INTERVAL: Final = timedelta(seconds=60)
"""As old as the directory may be by which a desk opens."""

log = structlog.get_logger()


@asynccontextmanager
async def moving_away(client: EnlaceClient) -> AsyncIterator[None]:
    """Look after compromised keys for as long as the context lasts."""
    task = asyncio.create_task(_look_forever(client))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def leave_compromised(client: EnlaceClient) -> int:
    """Re-wrap what waits for compromised keys that are held here; say how much was moved.

    Raises:
        BrokerError, DeskError: What was done until then stays done.
    """
    directory = await client.directory()
    desk = client.profile.desk
    entries = directory.ring.of(Holder.desk(desk.country, desk.compartment), KeyUse.DESK_ENCRYPTION)
    has_successor = any(entry.state is KeyState.ACTIVE for entry in entries)
    lost = [
        entry.kid
        for entry in entries
        if entry.state is KeyState.COMPROMISED and entry.kid in client.keys.decryption
    ]
    return sum([await _leave(client, kid) for kid in lost]) if has_successor else 0


async def _leave(client: EnlaceClient, kid: KeyId) -> int:
    totals = await Rewrapper(client).run(kid)
    if totals.rewrapped or totals.left:
        log.warning("key:left", rewrapped=totals.rewrapped, left=len(totals.left))
    return totals.rewrapped


async def _look_forever(client: EnlaceClient) -> None:
    while True:
        await asyncio.sleep(INTERVAL.total_seconds())
        # Receiving goes on, whatever happens here; it is tried again.
        if not await attempt("leaving", partial(leave_compromised, client)):
            log.warning("key:leaving-postponed")

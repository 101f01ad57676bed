"""The relay: what is recorded is published, however often something dies on the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from broker.attempt import attempt
from broker.errors import TransportUnavailableError
from broker.model.delivery import Outgoing
from broker.ports.clock import Clock
from broker.ports.deliveries import DeliveryLedger
from broker.ports.transport import Transport

WINDOW: Final = 256
"""Deliveries published together: enough that confirms cost little, at most 100 MiB of bodies."""
CLAIM: Final = timedelta(seconds=15)
"""How long a window is this relay's, from before it is claimed; a dead relay delays it so long."""
PUBLISH_TIMEOUT: Final = timedelta(seconds=10)
"""Inside the claim, so that two relays that both live seldom publish one window; where the
ledger was slow to claim it, they may, and it drops the second copies at hand-over."""
IDLE: Final = timedelta(milliseconds=500)
"""How soon a relay finds what another process recorded; its own are found at once."""
PAUSE: Final = timedelta(milliseconds=250)
"""After deliveries that have no queue: their road may need an operator, others go on."""
RETRY: Final = timedelta(seconds=2)
"""How soon it tries again when the ledger or the transport is away."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Relay:
    """Publishes recorded deliveries in windows; any number of them may run."""

    ledger: DeliveryLedger
    transport: Transport
    clock: Clock
    name: str = field(default_factory=lambda: f"relay-{uuid4()}")
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Say that something was recorded; never waits."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled. Start-up and the normal path are the same code."""
        while True:
            if not await attempt("relay", self._publish_or_rest):
                await asyncio.sleep(RETRY.total_seconds())

    async def _publish_or_rest(self) -> None:
        if not await self.publish_window():
            await self._rest()

    async def publish_window(self) -> int:
        """Publish the oldest unpublished deliveries; say how many are safe now.

        Raises:
            UnavailableError: The window stays unpublished and is claimed again later.
        """
        self._wake.clear()
        window = await self._claim()
        if not window:
            return 0
        try:
            confirmed = await self.transport.publish(window, timeout=PUBLISH_TIMEOUT)
        except TransportUnavailableError:
            await self._give_back(window)
            raise
        # A crash here publishes the window a second time after its claim has ended. The
        # ledger drops second copies at hand-over; the reverse order could lose the first.
        await self.ledger.mark_dispatched(confirmed, at=self.clock())
        safe = frozenset(confirmed)
        await self._give_back([each for each in window if each.number not in safe])
        return len(confirmed)

    async def _claim(self) -> Sequence[Outgoing]:
        now = self.clock()
        return await self.ledger.claim_unpublished(
            limit=WINDOW, claimant=self.name, now=now, until=now + CLAIM
        )

    async def _give_back(self, missing: Sequence[Outgoing]) -> None:
        """Let what was not confirmed be claimed again at once, by whoever is faster.

        Not confirmed may mean arrived, and leased by a desk: that one keeps it.
        """
        if missing:
            log.warning("relay:unconfirmed", deliveries=len(missing))
            await self.ledger.unclaim([each.number for each in missing], claimant=self.name)
            await asyncio.sleep(PAUSE.total_seconds())

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(IDLE.total_seconds()):
                await self._wake.wait()
        except TimeoutError:
            return

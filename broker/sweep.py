"""What time does to messages: they expire, and the transport gives some up."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from broker.attempt import attempt
from broker.errors import Code, TransportUnavailableError
from broker.model.delivery import Outgoing
from broker.model.names import DeliveryNumber
from broker.ports.clock import Clock
from broker.ports.deliveries import DeliveryLedger, TellUnread, tell_nobody
from broker.ports.receipts import SignReceipt
from broker.ports.transport import Transport

INTERVAL: Final = timedelta(seconds=15)
"""How late a sender may learn that a message ran out unread."""
BATCH: Final = 200
"""Expired in one transaction, so that accepting never waits long for the sweep."""
RETRY: Final = timedelta(seconds=5)
PUBLISH_TIMEOUT: Final = timedelta(seconds=10)
"""As patient as the relay."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Sweep:
    """Ends what is past its time, and takes back what the transport dropped."""

    ledger: DeliveryLedger
    transport: Transport
    clock: Clock
    sign_receipt: SignReceipt
    tell: TellUnread = tell_nobody
    """Tells the country of who wrote a message that it ran out unread."""

    async def run(self) -> None:
        """Sweep until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._expire_forever())
            tasks.create_task(self._take_back_forever())

    async def expire(self) -> int:
        """End every delivery whose message has expired; say how many."""
        total = 0
        while True:
            ended = await self.ledger.expire(
                now=self.clock(), limit=BATCH, sign=self.sign_receipt, tell=self.tell
            )
            total += ended
            if ended < BATCH:
                return total

    async def take_back(self, number: DeliveryNumber) -> None:
        """Publish again what the transport gave up, unless the ledger has ended it.

        A transport counts its own returns, also those of a desk whose line is bad. Only
        the ledger knows how often a message was really handed over.

        Raises:
            UnavailableError: The transport must not forget it yet, and brings it again.
        """
        republished = await self.ledger.republish([number], now=self.clock())
        if not (republished.returned or republished.held):
            return
        if republished.held:
            # Left to its desk, whose lease may end unanswered. It goes out at once, not by the
            # relay: its dead letter is let go only when another copy is confirmed.
            await self._publish_copies(republished.held)
        log.warning("delivery:taken-back", delivery=number)

    async def _publish_copies(self, held: Sequence[Outgoing]) -> None:
        confirmed = await self.transport.publish(held, timeout=PUBLISH_TIMEOUT)
        if len(confirmed) < len(held):
            raise TransportUnavailableError(Code.TRANSPORT_UNAVAILABLE)

    async def _expire_forever(self) -> None:
        while True:
            await attempt("expiry", self._expire_and_tell)
            await asyncio.sleep(INTERVAL.total_seconds())

    async def _expire_and_tell(self) -> None:
        ended = await self.expire()
        if ended:
            log.warning("delivery:expired", deliveries=ended)

    async def _take_back_forever(self) -> None:
        while True:
            await attempt("dead letters", self._take_back_all)
            await asyncio.sleep(RETRY.total_seconds())

    async def _take_back_all(self) -> None:
        async with aclosing(self.transport.dead_letters()) as numbers:
            async for number in numbers:
                await self.take_back(number)

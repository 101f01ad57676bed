"""What carries deliveries to where desks take them."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from broker.model.delivery import Outgoing
from broker.model.names import DeliveryNumber, QueueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A delivery as the transport brings it; the ledger decides what it is worth."""

    number: DeliveryNumber
    queue: QueueName
    tag: int
    """The transport's own handle, unique in its feed."""


class Feed(Protocol):
    """One consumer on some queues. What it takes is its own until settled, or until it leaves."""

    async def take(self, *, limit: int, wait: timedelta) -> Sequence[Arrival]:
        """Bring up to ``limit`` arrivals, in queue order; empty when none came in ``wait``.

        Raises ``TransportUnavailableError`` when the transport is away all that time.
        """

    async def settle(self, arrivals: Collection[Arrival]) -> None:
        """Forget these for good. Called only after the ledger knows their answer."""

    async def dead_letter(self, arrivals: Collection[Arrival]) -> None:
        """Move these to the dead letters."""


class Transport(Protocol):
    """Carries recorded deliveries to where desks take them."""

    name: str
    """``rabbitmq`` or ``local``, for people."""

    async def declare(self, queues: Collection[QueueName]) -> None:
        """Make sure that these queues exist; repeating it, from any process, changes nothing."""

    async def publish(
        self, window: Sequence[Outgoing], *, timeout: timedelta
    ) -> Sequence[DeliveryNumber]:
        """Publish a window at once; return the deliveries that are confirmed as safe.

        Confirmed means: stored by a majority of the queue's replicas. What is missing from
        the answer may or may not have arrived; it is published again, and the ledger drops
        the second copy at hand-over. Within one queue the order of the window is kept.
        Returns within ``timeout``, lost connection or not.
        """

    def feed(
        self, queues: Collection[QueueName], *, prefetch: int
    ) -> AbstractAsyncContextManager[Feed]:
        """Consume from these queues; on leaving, everything not settled is given back.

        ``prefetch`` bounds what is under way, in each queue or in the feed as a whole.
        """

    def dead_letters(self) -> AsyncGenerator[DeliveryNumber, None]:
        """Bring what the transport itself has given up; never ends, so close it.

        Each leaves the transport when the next is asked for: by then the ledger has noted it.
        """

    async def ping(self, *, timeout: timedelta) -> None:
        """Return when the transport answers; else raise ``TransportUnavailableError``."""

"""The transport of a single machine: hands over straight from the ledger, in its order.

Nothing is stored here. The ledger's ``waiting`` is the queue, and its leases keep several
processes apart; feeds of this process also leave alone what another one of them holds. A
crash forgets what feeds held, and the ledger lists it again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from broker.model.delivery import Outgoing
from broker.model.names import DeliveryNumber, QueueName
from broker.ports.clock import Clock
from broker.ports.deliveries import DeliveryLedger
from broker.ports.transport import Arrival

FIRST_LOOK_SECONDS = 0.005
"""After a wake-up: the publisher's mark in the ledger follows within milliseconds."""
LAST_LOOK_SECONDS = 1.0
"""The longest a delivery waits that another process published: one cheap query a second."""


class LocalTransport:
    """Everything that the feeds of this process have in common."""

    name = "local"

    def __init__(self, ledger: DeliveryLedger, *, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.feeds: set[LocalFeed] = set()
        self.dead: deque[DeliveryNumber] = deque()
        """Dead letters that the ledger has not noted; never handed out meanwhile."""
        self.died = asyncio.Event()

    async def declare(self, queues: Collection[QueueName]) -> None:
        """Nothing to do: a queue is a column of the ledger."""

    async def publish(
        self,
        window: Sequence[Outgoing],
        *,
        timeout: timedelta,  # noqa: ARG002 - the port's; nothing here can last
    ) -> Sequence[DeliveryNumber]:
        """Confirm everything, for the ledger has it, and wake the feeds that wait for it."""
        self.wake({outgoing.queue for outgoing in window})
        return [outgoing.number for outgoing in window]

    @asynccontextmanager
    async def feed(
        self, queues: Collection[QueueName], *, prefetch: int
    ) -> AsyncIterator["LocalFeed"]:
        """Take from these queues; on leaving, everything not settled is free again."""
        feed = LocalFeed(self, frozenset(queues), prefetch=prefetch)
        self.feeds.add(feed)
        try:
            yield feed
        finally:
            self.feeds.remove(feed)
            self.wake(feed.queues)

    async def dead_letters(self) -> AsyncGenerator[DeliveryNumber, None]:
        """Bring what feeds have given up; each leaves when the next one is asked for."""
        while True:
            while self.dead:
                yield self.dead[0]
                self.dead.popleft()
            self.died.clear()
            await self.died.wait()

    async def ping(self, *, timeout: timedelta) -> None:
        """Return at once: the ledger is asked by its own ping."""

    def wake(self, queues: Collection[QueueName]) -> None:
        """Let the feeds of these queues look again."""
        for feed in self.feeds:
            if not feed.queues.isdisjoint(queues):
                feed.woken.set()

    def held(self) -> set[DeliveryNumber]:
        """What nobody else in this process may take."""
        taken = {arrival.number for feed in self.feeds for arrival in feed.arrivals.values()}
        return taken | set(self.dead)


class LocalFeed:
    """One consumer, asking the ledger: when woken soon and often, else once a second."""

    def __init__(
        self, transport: LocalTransport, queues: frozenset[QueueName], *, prefetch: int
    ) -> None:
        self.transport = transport
        self.queues = queues
        self.prefetch = prefetch
        self.arrivals: dict[int, Arrival] = {}
        """What this feed holds, by tag."""
        self.last_tag = 0
        self.woken = asyncio.Event()

    async def take(self, *, limit: int, wait: timedelta) -> Sequence[Arrival]:
        """Bring up to ``limit`` arrivals in the ledger's order; empty when none came."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait.total_seconds()
        pause = FIRST_LOOK_SECONDS
        while True:
            self.woken.clear()
            if arrivals := await self.look(min(limit, self.prefetch - len(self.arrivals))):
                return arrivals
            remaining = end - loop.time()
            if remaining <= 0:
                return ()
            try:
                async with asyncio.timeout(min(pause, remaining)):
                    await self.woken.wait()
                pause = FIRST_LOOK_SECONDS
            except TimeoutError:
                pause = min(2 * pause, LAST_LOOK_SECONDS)

    async def look(self, room: int) -> Sequence[Arrival]:
        """Ask the ledger once, and hold what is free."""
        if room <= 0:
            return ()
        # Ask for as many more as are held, or they could hide all that is free.
        listed = await self.transport.ledger.waiting(
            self.queues,
            limit=room + len(self.transport.held()),
            now=self.transport.clock(),
        )
        # No await from here on: two feeds cannot both see a delivery as free.
        held = self.transport.held()
        free = [(number, queue) for number, queue in listed if number not in held][:room]
        return [self.hold(number, queue) for number, queue in free]

    def hold(self, number: DeliveryNumber, queue: QueueName) -> Arrival:
        """Keep a delivery from the other feeds."""
        self.last_tag += 1
        arrival = Arrival(number=number, queue=queue, tag=self.last_tag)
        self.arrivals[arrival.tag] = arrival
        return arrival

    async def settle(self, arrivals: Collection[Arrival]) -> None:
        """Stop holding these: their answer is in the ledger, so it does not list them."""
        self.release(arrivals)

    async def dead_letter(self, arrivals: Collection[Arrival]) -> None:
        """Move these to the dead letters, until the ledger has noted them."""
        for arrival in self.release(arrivals):
            self.transport.dead.append(arrival.number)
        self.transport.died.set()

    def release(self, arrivals: Collection[Arrival]) -> Sequence[Arrival]:
        """Stop holding these; return those that were held."""
        found = (self.arrivals.pop(arrival.tag, None) for arrival in arrivals)
        return [arrival for arrival in found if arrival is not None]

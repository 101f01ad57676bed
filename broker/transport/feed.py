"""Consume from RabbitMQ queues: take, settle, dead-letter; and again after a lost connection."""

import asyncio
import itertools
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from broker.errors import BrokerError, TransportUnavailableError
from broker.model.names import DeliveryNumber, QueueName
from broker.ports.transport import Arrival
from broker.transport.connection import Link, close_channel, unavailable, within
from broker.transport.topology import Topology, declare_each

log = structlog.get_logger("transport")

SUBSCRIBE_DEADLINE = timedelta(seconds=15)
SETTLE_DEADLINE = timedelta(seconds=10)
"""For writing to the socket; there is no answer to wait for."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.2, 5.0
"""Before subscribing again; doubled each time, and repeated for as long as it takes."""
LOOK_AGAIN = timedelta(seconds=30)
"""How soon a feed takes from a queue that an operator has mended."""
DELIVERY_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
LARGEST_NUMBER = 2**63 - 1
"""What the publisher writes as message id: a number that the ledger can hold."""


class RabbitFeed:
    """One channel with one consumer per queue.

    What RabbitMQ has sent and not seen settled is in ``held``. A lost channel empties it:
    RabbitMQ brings all of that again, to any consumer, so an arrival from before is ignored
    when it comes back to us. The ledger drops what was already answered.
    """

    def __init__(
        self, link: Link, topology: Topology, queues: Collection[QueueName], *, prefetch: int
    ) -> None:
        self.link = link
        self.topology = topology
        self.queues = queues
        self.prefetch = prefetch
        """Per queue, because quorum queues count per consumer; it also bounds ``buffer``."""
        self.missing: frozenset[QueueName] = frozenset()
        """Those that need an operator, and are not consumed from until he has been there."""
        self.channel: AbstractChannel | None = None
        self.held: dict[int, AbstractIncomingMessage] = {}
        """Each unsettled delivery by our tag, which no later channel uses again."""
        self.tags = itertools.count(1)
        self.buffer: deque[Arrival] = deque()
        self.arrived = asyncio.Event()
        self.lost = asyncio.Event()

    # --- the port ---

    async def take(self, *, limit: int, wait: timedelta) -> Sequence[Arrival]:
        """Bring up to ``limit`` arrivals; empty when none came in ``wait``.

        Raises:
            TransportUnavailableError: None came, and RabbitMQ was away at the end.
        """
        try:
            async with asyncio.timeout(wait.total_seconds()):
                while not self.buffer:
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            if self.channel is None:
                raise unavailable() from None
            return ()
        return [self.buffer.popleft() for _ in range(min(limit, len(self.buffer)))]

    async def settle(self, arrivals: Collection[Arrival]) -> None:
        """Acknowledge. An acknowledgement that is lost costs a redelivery, nothing else."""
        await self.tell(arrivals, lambda message: message.ack())

    async def dead_letter(self, arrivals: Collection[Arrival]) -> None:
        """Reject, so that RabbitMQ moves them to the dead letters."""
        await self.tell(arrivals, lambda message: message.reject(requeue=False))

    # --- what is held ---

    async def tell(
        self,
        arrivals: Collection[Arrival],
        say: Callable[[AbstractIncomingMessage], Awaitable[None]],
    ) -> None:
        """Say one thing of each that is held; if that fails, RabbitMQ brings them again."""
        try:
            async with within(SETTLE_DEADLINE):
                for tag in sorted(arrival.tag for arrival in arrivals):
                    message = self.held.pop(tag, None)
                    if message is not None:
                        await say(message)
        except TransportUnavailableError:
            self.lost.set()

    async def receive(
        self, channel: AbstractChannel, queue: QueueName, message: AbstractIncomingMessage
    ) -> None:
        """Buffer what came; a message that no gateway wrote goes to the dead letters."""
        if channel is not self.channel:
            return
        text = message.message_id or ""
        if not DELIVERY_NUMBER.fullmatch(text) or int(text) > LARGEST_NUMBER:
            log.warning("transport:foreign-message", queue=queue)
            with suppress(TransportUnavailableError):
                async with within(SETTLE_DEADLINE):
                    await message.reject(requeue=False)
            return
        # The ledger has the body, and a feed may hold thousands of them.
        message.body = b""  # type: ignore[misc]  # a slot of the class behind the abstract one
        tag = next(self.tags)
        self.held[tag] = message
        self.buffer.append(Arrival(number=DeliveryNumber(int(text)), queue=queue, tag=tag))
        self.arrived.set()

    def forget(self) -> None:
        """Hold nothing any more: the channel is lost, and RabbitMQ has taken it all back."""
        self.channel = None
        self.held.clear()
        self.buffer.clear()
        self.lost.set()

    # --- the subscription ---

    async def subscribe(self) -> None:
        """Open a channel and consume from every queue, which is made if it does not exist.

        One that needs an operator is left out, and looked for again, as long as there are others.
        """
        missing = await declare_each(self.link, self.topology, self.queues)
        if missing and missing.keys() >= set(self.queues):
            raise next(iter(missing.values()))
        self.missing = frozenset(missing)
        async with within(SUBSCRIBE_DEADLINE):
            self.channel = channel = await self.link.channel()
            self.lost.clear()
            channel.close_callbacks.add(self.on_closed)
            # A queue that is deleted under us is told to the channel below, and nowhere else.
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda _: self.lost.set())
            await channel.set_qos(prefetch_count=self.prefetch)
            for name in self.queues:
                if name not in self.missing:
                    await self.consume(channel, name)

    async def consume(self, channel: AbstractChannel, name: QueueName) -> None:
        """Have what comes to one queue buffered."""
        queue = await channel.get_queue(self.topology.queue(name), ensure=False)
        await queue.consume(partial(self.receive, channel, name))

    async def consume_from_mended(self) -> None:
        """Consume also from what an operator has mended since; the others go on meanwhile."""
        channel = self.channel
        missing = frozenset(await declare_each(self.link, self.topology, self.missing))
        if channel is None or channel is not self.channel:
            return
        async with within(SUBSCRIBE_DEADLINE):
            for name in sorted(self.missing - missing):
                await self.consume(channel, name)
        self.missing = missing

    def on_closed(self, channel: AbstractChannel | None, _: BaseException | None) -> None:
        """Notice a closed channel, if it is still ours."""
        if self.channel is not None and channel is self.channel:
            self.forget()

    async def stay_subscribed(self) -> None:
        """Subscribe again whenever the channel is lost; runs until it is cancelled."""
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                if not await self.is_lost():
                    await self.consume_from_mended()
                    continue
                await self.leave()
                await asyncio.sleep(pause)
                await self.subscribe()
            except BrokerError as error:
                log.warning("transport:unavailable", code=error.code)
                self.lost.set()
                pause = min(2 * pause, LAST_RETRY_SECONDS)
            else:
                log.info("transport:restored")
                pause = FIRST_RETRY_SECONDS

    async def is_lost(self) -> bool:
        """Wait for the loss of the channel; while a queue is missing, not for ever."""
        seconds = LOOK_AGAIN.total_seconds() if self.missing else None
        try:
            async with asyncio.timeout(seconds):
                return await self.lost.wait()
        except TimeoutError:
            return False

    async def leave(self) -> None:
        """Close the channel: RabbitMQ takes back everything that was not settled."""
        channel = self.channel
        self.forget()
        if channel is not None and not await close_channel(channel):
            # A channel that does not close keeps its messages; a lost connection does not.
            self.link.drop()


@asynccontextmanager
async def consume(
    link: Link, topology: Topology, queues: Collection[QueueName], *, prefetch: int
) -> AsyncIterator[RabbitFeed]:
    """Consume from queues; on leaving, everything not settled is given back.

    Raises:
        TransportUnavailableError: RabbitMQ is away now. Later losses are recovered from.
    """
    feed = RabbitFeed(link, topology, queues, prefetch=prefetch)
    keeper: asyncio.Task[None] | None = None
    try:
        await feed.subscribe()
        keeper = asyncio.create_task(feed.stay_subscribed())
        yield feed
    finally:
        try:
            if keeper is not None:
                keeper.cancel()
                await asyncio.wait([keeper])
        finally:
            await feed.leave()

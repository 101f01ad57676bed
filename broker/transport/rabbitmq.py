"""The transport over RabbitMQ: everything behind one port, on two connections."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import structlog
from yarl import URL

from broker.errors import BrokerError, ConfigurationError
from broker.model.delivery import Outgoing
from broker.model.names import DeliveryNumber, QueueName
from broker.ports.clock import Clock
from broker.transport.connection import Link, close_channel, within
from broker.transport.feed import RabbitFeed, consume
from broker.transport.publish import Publisher
from broker.transport.topology import DEAD_LETTERS, Topology, declare

log = structlog.get_logger("transport")

DEAD_LETTERS_WAIT = timedelta(seconds=30)
"""How long one look at the dead letters waits; then it looks again."""
DEAD_LETTERS_PREFETCH = 16
DEAD_LETTERS_RETRY = timedelta(seconds=5)
"""Between attempts while RabbitMQ is away: nobody waits for a dead letter."""


class RabbitTransport:
    """Publishes on one connection and consumes on another.

    RabbitMQ stops reading from a connection that publishes too much; acknowledgements must
    not stand in that line.
    """

    name = "rabbitmq"

    def __init__(self, url: URL, *, clock: Clock, topology: Topology) -> None:
        self.publishing = Link(url, purpose="publish")
        self.consuming = Link(url, purpose="consume")
        self.topology = topology
        self.publisher = Publisher(self.publishing, topology, clock=clock)

    async def declare(self, queues: Collection[QueueName]) -> None:
        """Make sure that these queues exist, with their exchanges and the dead queue.

        Raises:
            ConfigurationError: A queue exists with other arguments; the text says what to do.
            TransportUnavailableError: RabbitMQ did not answer.
        """
        await declare(self.consuming, self.topology, queues)

    async def publish(
        self, window: Sequence[Outgoing], *, timeout: timedelta
    ) -> Sequence[DeliveryNumber]:
        """Publish a window at once; return the deliveries that are confirmed as safe.

        What has no queue, or is refused, is left out; its queue is declared again before the
        next window. Raises ``TransportUnavailableError`` if nothing could be confirmed.
        """
        return await self.publisher.publish(window, timeout=timeout)

    def feed(
        self, queues: Collection[QueueName], *, prefetch: int
    ) -> AbstractAsyncContextManager[RabbitFeed]:
        """Consume from these queues, at most ``prefetch`` unsettled ones from each."""
        return consume(self.consuming, self.topology, queues, prefetch=prefetch)

    async def dead_letters(self) -> AsyncGenerator[DeliveryNumber, None]:
        """Bring each dead letter; it leaves RabbitMQ when the next one is asked for.

        So a crash before the ledger has noted it brings it again. Rides out any absence of
        RabbitMQ. Close it (``aclosing``) to stop consuming at once.
        """
        while True:
            try:
                async with self.feed([DEAD_LETTERS], prefetch=DEAD_LETTERS_PREFETCH) as feed:
                    while True:
                        for arrival in await feed.take(limit=1, wait=DEAD_LETTERS_WAIT):
                            yield arrival.number
                            # The caller is back, so the ledger knows.
                            await feed.settle([arrival])
            except BrokerError as error:
                log.warning("transport:unavailable", code=error.code)
                await asyncio.sleep(DEAD_LETTERS_RETRY.total_seconds())

    async def ping(self, *, timeout: timedelta) -> None:
        """Return when RabbitMQ has opened a channel for us, else raise."""
        async with within(timeout):
            channel = await self.publishing.channel()
        self.publishing.finish(close_channel(channel))

    async def close(self) -> None:
        """Close both connections."""
        await asyncio.gather(self.publishing.close(), self.consuming.close())


@asynccontextmanager
async def open_rabbitmq(
    url: str, *, clock: Clock, topology: Topology | None = None
) -> AsyncIterator[RabbitTransport]:
    """Prepare the transport; RabbitMQ itself is contacted by the first call that needs it.

    So gateways and RabbitMQ may start in any order. Call ``ping`` or ``declare`` to insist.

    Raises:
        ConfigurationError: The URL is none that we accept.
    """
    transport = RabbitTransport(accept_url(url), clock=clock, topology=topology or Topology())
    try:
        yield transport
    finally:
        await transport.close()


def accept_url(text: str) -> URL:
    """Take ``amqp://`` or ``amqps://user:password@host[:port]/[vhost]``; never echo it."""
    try:
        url = URL(text)
    except ValueError as error:
        raise ConfigurationError("ENLACE_AMQP_URL is not a URL") from error
    if url.scheme not in {"amqp", "amqps"} or not url.host:
        raise ConfigurationError("ENLACE_AMQP_URL must be amqp://… or amqps://… with a host")
    if url.query.get("no_verify_ssl", "0") != "0":
        raise ConfigurationError(
            "ENLACE_AMQP_URL must not switch certificate checks off (no_verify_ssl): "
            "name your authority with ?cafile=/path/to/ca.pem"
        )
    return url

"""What exists in RabbitMQ: which exchanges and queues, with which arguments, and why.

::

    enlace.pairs (direct)    ── MX.GT.intelligence ──▶ queue MX.GT.intelligence ──▶ a desk
    enlace.channels (direct) ── hlsg-mx-gt.GT ───────▶ queue hlsg-mx-gt.GT ───────▶ a desk
                                                           │ handed out too often, or rejected
    enlace.dead (fanout)  ◀────────────────────────────────┘
         └──▶ queue enlace.dead ──▶ the ledger notes it

The same arguments work on RabbitMQ 3.10 and 4.x, and every one whose default differs
between them is given. Changing one here changes every queue: RabbitMQ refuses to declare an
existing queue with other arguments, and :func:`declare` then says what to do.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from aio_pika.abc import AbstractChannel, ExchangeType, HeadersType
from aio_pika.exceptions import ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused  # aio-pika does not export it

from broker.errors import ConfigurationError
from broker.model.names import QueueName
from broker.transport.connection import Link, close_channel, within
from keys.charter import NAME

log = structlog.get_logger("transport")

DELIVERY_LIMIT = 1000
"""How often RabbitMQ hands one message out. The ledger counts a desk's attempts and judges
them; this only ends a loop that never reaches the ledger. Each closed stream gives back its
whole prefetch and counts, so the default of RabbitMQ 4, 20, would punish a shaky line."""
DEAD_DELIVERY_LIMIT = 1_000_000
"""As good as never: what RabbitMQ drops from the dead letters, nobody would hear of."""
DECLARE_DEADLINE = timedelta(seconds=15)
"""For one queue. It takes 6 ms, and seconds while a cluster elects a leader."""
DEAD_LETTERS = QueueName("enlace.dead")
"""The queue of all dead letters, by a name like that of a pair."""
PAIR_QUEUE = re.compile(r"[A-Z]{2}\.[A-Z]{2}\.[a-z]{1,32}", re.ASCII)
"""What ``pair_queue`` makes."""
CHANNEL_QUEUE = re.compile(rf"(?:{NAME.pattern})\.[A-Z]{{2}}", re.ASCII)
"""What ``channel_queue`` makes. Nothing else is declared, whoever asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The names and arguments of everything that Enlace has in a virtual host."""

    namespace: str = ""
    """Stands before every name, so that a training exchange can share a virtual host."""
    delivery_limit: int = DELIVERY_LIMIT

    @property
    def pairs_exchange(self) -> str:
        """Where messages to a pair are published; direct: ``*`` and ``#`` mean nothing in a key."""
        return f"{self.namespace}enlace.pairs"

    @property
    def channels_exchange(self) -> str:
        """Where a channel's messages are published, once for each member; direct as well."""
        return f"{self.namespace}enlace.channels"

    @property
    def dead_exchange(self) -> str:
        """Where RabbitMQ moves what it has given up; the original routing key is kept."""
        return f"{self.namespace}enlace.dead"

    @property
    def dead_queue(self) -> str:
        """The one queue of the dead letters of all pairs and channels."""
        return f"{self.namespace}{DEAD_LETTERS}"

    def queue(self, name: QueueName) -> str:
        """Name the queue of a pair, or of a channel's member; it is its routing key as well."""
        if name == DEAD_LETTERS:
            return self.dead_queue
        if not (PAIR_QUEUE.fullmatch(name) or CHANNEL_QUEUE.fullmatch(name)):
            raise RuntimeError("a queue name that nothing in the directory has")
        return f"{self.namespace}{name}"

    def exchange(self, name: QueueName) -> str:
        """Name the exchange that routes to a queue."""
        return self.channels_exchange if CHANNEL_QUEUE.fullmatch(name) else self.pairs_exchange


async def declare(link: Link, topology: Topology, queues: Collection[QueueName]) -> None:
    """Make sure that the exchanges, the dead queue and these queues exist.

    Any number of processes may do this at the same time, and again.

    Raises:
        ConfigurationError: Something of that name exists and is different, or our user may
            not create it. All other queues exist now.
        TransportUnavailableError: The broker did not answer in time.
    """
    for refusal in (await declare_each(link, topology, queues)).values():
        raise refusal


async def declare_each(
    link: Link, topology: Topology, queues: Collection[QueueName]
) -> Mapping[QueueName, ConfigurationError]:
    """Declare all that can be; tell the operator which queues he must mend, and return them.

    Raises:
        ConfigurationError: What all queues share was refused.
        TransportUnavailableError: The broker did not answer in time.
    """
    wanted = sorted(set(queues) - {DEAD_LETTERS})
    names = {queue: (topology.queue(queue), topology.exchange(queue)) for queue in wanted}
    refused: dict[QueueName, ConfigurationError] = {}
    async with within(DECLARE_DEADLINE):
        channel = await link.channel()
    try:
        async with within(DECLARE_DEADLINE):
            await declare_shared(channel, topology)
        # One after the other: aio-pika asks one thing at a time on a channel in any case.
        for queue, (name, exchange) in names.items():
            try:
                async with within(DECLARE_DEADLINE):
                    await declare_queue(channel, topology, name, exchange=exchange)
            except ConfigurationError as error:
                # One queue that needs an operator must not hold up the others.
                log.error("transport:declaration-refused", detail=str(error))  # noqa: TRY400
                refused[queue] = error
                link.finish(close_channel(channel))  # RabbitMQ has closed it over this
                async with within(DECLARE_DEADLINE):
                    channel = await link.channel()
    finally:
        link.finish(close_channel(channel))
    return refused


async def declare_shared(channel: AbstractChannel, topology: Topology) -> None:
    """Declare what all queues share. The dead queue has no dead letters of its own."""
    pairs, channels = topology.pairs_exchange, topology.channels_exchange
    dead = topology.dead_exchange
    arguments: HeadersType = {"x-queue-type": "quorum", "x-delivery-limit": DEAD_DELIVERY_LIMIT}
    with explaining_refusal(f"{pairs}, {channels} or {dead}"):
        await channel.declare_exchange(pairs, ExchangeType.DIRECT, durable=True)
        await channel.declare_exchange(channels, ExchangeType.DIRECT, durable=True)
        await channel.declare_exchange(dead, ExchangeType.FANOUT, durable=True)
        queue = await channel.declare_queue(topology.dead_queue, durable=True, arguments=arguments)
        await queue.bind(dead, routing_key="")


async def declare_queue(
    channel: AbstractChannel, topology: Topology, name: str, *, exchange: str
) -> None:
    """Declare the queue of a pair, or of a channel's member, and bind it."""
    arguments: HeadersType = {
        "x-queue-type": "quorum",
        "x-delivery-limit": topology.delivery_limit,
        "x-dead-letter-exchange": topology.dead_exchange,
        # The queue keeps a dead letter until the dead queue has confirmed it. Without
        # this, one that dies during an election of the dead queue's leader is lost.
        # From 3.10 on, with feature flag stream_queue, on by default in new clusters;
        # where it is off, RabbitMQ warns and moves dead letters at most once, and the
        # ledger's own limit and expiry still end them.
        "x-dead-letter-strategy": "at-least-once",
        # At-least-once asks for it. No length limit is set, so nothing overflows.
        "x-overflow": "reject-publish",
    }
    with explaining_refusal(name):
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        await queue.bind(exchange, routing_key=name)


@contextmanager
def explaining_refusal(what: str) -> Iterator[None]:
    """Say what an operator must do about a refused declaration."""
    try:
        yield
    except ChannelAccessRefused as error:
        raise ConfigurationError(
            f"RabbitMQ does not let our user declare {what}: give it the configure, write and "
            "read permissions for these names"
        ) from error
    except ChannelPreconditionFailed as error:
        raise ConfigurationError(
            f"{what} exists in RabbitMQ with other arguments: delete it there "
            "(rabbitmqctl delete_queue NAME) and start again; the ledger holds everything that "
            "waits, and requeueing fills the new queue"
        ) from error

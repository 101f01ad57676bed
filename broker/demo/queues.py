"""What lies in RabbitMQ's queues: made, counted, looked at, removed."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel

from broker.demo.words import Words
from broker.errors import ConfigurationError
from broker.model.names import QueueName
from broker.transport.connection import within
from broker.transport.rabbitmq import accept_url, open_rabbitmq
from broker.transport.topology import Topology
from broker.wiring.clock import utc_now

DEADLINE: Final = timedelta(seconds=60)
"""For all 330 queues; a free machine takes 2 s, a busy one 9 s."""
NAMES: Final = Topology()


async def declare_queues(url: str, queues: Collection[QueueName], words: Words) -> None:
    """Make the queues before the gateway does, so that no message waits for that."""
    words.say("transport.queues", count=len(queues))
    async with open_rabbitmq(url, clock=utc_now) as transport:
        await transport.declare(queues)


@asynccontextmanager
async def shared_queues(
    url: str, queues: Collection[QueueName], words: Words
) -> AsyncIterator[None]:
    """Make queues in somebody's RabbitMQ: insist that they are empty; remove them at the end.

    Raises:
        ConfigurationError: Another exchange has messages or readers in them.
        TransportUnavailableError: RabbitMQ went away.
    """
    await declare_queues(url, queues, words)
    names = [*(NAMES.queue(queue) for queue in sorted(queues)), NAMES.dead_queue]
    async with within(DEADLINE), _channel(url) as channel:
        used = [name for name in names if await _is_used(channel, name)]
    if used:
        raise ConfigurationError(
            f"ENLACE_AMQP_URL: an exchange uses this virtual host ({', '.join(used[:3])} has "
            "messages or readers): make another one for the demonstration"
        )
    try:
        yield
    finally:
        words.say("transport.removing", count=len(queues))
        async with within(DEADLINE), _channel(url) as channel:
            await _remove(channel, names)


async def look_into(url: str, queues: Sequence[QueueName]) -> list[bytes]:
    """Take one message out of each queue that has one, and put it back by closing the channel.

    Raises:
        TransportUnavailableError: RabbitMQ went away.
    """
    async with within(DEADLINE), _channel(url) as channel:
        found = []
        for name in queues:
            queue = await channel.get_queue(NAMES.queue(name))
            found.append(await queue.get(no_ack=False, fail=False))
        return [message.body for message in found if message is not None]


@asynccontextmanager
async def _channel(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(accept_url(url))
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def _is_used(channel: AbstractChannel, name: str) -> bool:
    found = await channel.declare_queue(name, passive=True)
    counts = found.declaration_result
    return bool(counts.message_count or counts.consumer_count)


async def _remove(channel: AbstractChannel, names: Collection[str]) -> None:
    # Looked at again: RabbitMQ has no "delete if empty" for quorum queues, and what somebody
    # put there meanwhile is not ours.
    unused = [name for name in names if not await _is_used(channel, name)]
    for name in unused:
        await channel.queue_delete(name)
    if len(unused) == len(names):
        for exchange in (NAMES.pairs_exchange, NAMES.channels_exchange, NAMES.dead_exchange):
            await channel.exchange_delete(exchange)

"""The other side: aio-pika publishing the same sealed bytes, confirmed, to a quorum queue.

Nothing is authenticated, checked, sealed or recorded; RabbitMQ alone keeps the message.
"""

import asyncio
import gc
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractQueue

QUEUE: Final = "enlace.bench.raw"
DEADLINE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPublisher:
    """One connection, one channel with publisher confirms."""

    exchange: AbstractExchange
    queue: AbstractQueue
    version: str

    async def send(self, body: bytes, number: int, outstanding: int) -> Sequence[float]:
        """Publish so many, never more than this many unconfirmed; say how long each took."""
        waiting = deque(range(number))
        latencies: list[float] = []

        async def publish() -> None:
            while waiting:
                message = aio_pika.Message(
                    body,
                    content_type="application/jose+json",
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    message_id=str(waiting.popleft()),
                )
                start = time.perf_counter()
                await self.exchange.publish(
                    message, routing_key=QUEUE, mandatory=True, timeout=DEADLINE_SECONDS
                )
                latencies.append(time.perf_counter() - start)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(outstanding):
                tasks.create_task(publish())
        return latencies

    async def clear(self) -> None:
        """Forget what was published; not part of any round."""
        await self.queue.purge()
        gc.collect()


@asynccontextmanager
async def raw_publisher(url: str) -> AsyncIterator[RawPublisher]:
    """Connect, and have a quorum queue for as long as the context lasts."""
    connection = await aio_pika.connect(url, timeout=DEADLINE_SECONDS)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await channel.declare_queue(
            QUEUE, durable=True, arguments={"x-queue-type": "quorum"}
        )
        properties = getattr(connection.transport, "connection", None)
        known = getattr(properties, "server_properties", {})
        version = known.get("version", b"") if isinstance(known, dict) else b""
        try:
            yield RawPublisher(
                exchange=channel.default_exchange,
                queue=queue,
                version=version.decode() if isinstance(version, bytes) else str(version),
            )
        finally:
            await queue.delete(if_unused=False, if_empty=False)

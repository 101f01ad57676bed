"""The two worlds that one suite runs against: the ledger alone, and RabbitMQ."""

import os
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import aio_pika
import pytest

from broker.model.delivery import Outgoing
from broker.model.names import (
    ContentHash,
    DeliveryNumber,
    DeskRef,
    MessageId,
    Pair,
    QueueName,
    channel_queue,
)
from broker.ports.deliveries import DeliveryLedger
from broker.ports.transport import Arrival, Feed, Transport
from broker.transport.local import LocalTransport
from broker.transport.rabbitmq import open_rabbitmq
from broker.transport.topology import DEAD_LETTERS, Topology
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, Urgency
from tests.services.rabbitmq import amqp_url

__all__ = ["amqp_url"]

PATIENCE = timedelta(seconds=20)
"""For what must come; a loaded machine is not a failure."""
MOMENT = timedelta(milliseconds=400)
"""For what must not come."""


def queue_from(origin: Country) -> QueueName:
    """Name the queue from a country to Guatemala's intelligence desk."""
    desk = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
    return Pair(origin=origin, desk=desk).queue


FROM_MEXICO = queue_from(Country.MEXICO)
FROM_HONDURAS = queue_from(Country.HONDURAS)
FROM_PANAMA = queue_from(Country.PANAMA)
TO_GUATEMALA = channel_queue(ChannelName("hlsg-mx-gt"), Country.GUATEMALA)
TO_MEXICO = channel_queue(ChannelName("hlsg-mx-gt"), Country.MEXICO)


def outgoing(number: int, queue: QueueName = FROM_MEXICO, *, size: int = 2048) -> Outgoing:
    """Make a delivery; nothing but number, queue and bytes matters to a transport."""
    return Outgoing(
        number=DeliveryNumber(number),
        queue=queue,
        message_id=MessageId(str(uuid.UUID(int=number))),
        content_hash=ContentHash("h" * 43),
        urgency=Urgency.ROUTINE,
        expires=now() + timedelta(days=1),
        sealed=b'{"ciphertext":"%b","recipients":[]}' % os.urandom(size // 2).hex().encode(),
    )


def now() -> datetime:
    """Tell the time, as the port's clock does."""
    return datetime.now(UTC)


class FakeLedger:
    """Lists what was posted and has no answer yet: as much of the ledger as `local` asks."""

    def __init__(self) -> None:
        self.posted: dict[DeliveryNumber, QueueName] = {}
        self.final: set[DeliveryNumber] = set()

    async def waiting(
        self, queues: Collection[QueueName], *, limit: int, now: datetime
    ) -> Sequence[tuple[DeliveryNumber, QueueName]]:
        """List, oldest first, what is neither answered nor in another queue."""
        assert now.tzinfo is not None
        rows = [
            (number, queue)
            for number, queue in sorted(self.posted.items())
            if queue in queues and number not in self.final
        ]
        return rows[:limit]


class World:
    """A transport with the ledger beside it."""

    def __init__(self, transport: Transport, ledger: FakeLedger) -> None:
        self.transport = transport
        self.ledger = ledger

    async def post(self, *deliveries: Outgoing) -> Sequence[DeliveryNumber]:
        """Publish, and note in the ledger what was confirmed, as the relay does."""
        confirmed = await self.transport.publish(deliveries, timeout=PATIENCE)
        self.ledger.posted |= {d.number: d.queue for d in deliveries if d.number in confirmed}
        return confirmed

    def note(self, arrivals: Collection[Arrival]) -> None:
        """Let the ledger know the answer, as it must before `settle` or `dead_letter`."""
        self.ledger.final |= {arrival.number for arrival in arrivals}


@pytest.fixture(params=["local", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def world(request: pytest.FixtureRequest) -> World:
    """One of the two; RabbitMQ is started only if a test runs against it."""
    fixture: World = request.getfixturevalue(f"{request.param}_world")
    return fixture


@pytest.fixture
async def local_world() -> World:
    """Feeds straight from a ledger."""
    ledger = FakeLedger()
    return World(LocalTransport(cast("DeliveryLedger", ledger), clock=now), ledger)


@pytest.fixture
async def rabbitmq_world(amqp_url: str, topology: Topology) -> AsyncIterator[World]:
    """RabbitMQ, with the queues from Mexico and Honduras and those of a channel declared."""
    async with open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit:
        await rabbit.declare([FROM_MEXICO, FROM_HONDURAS, TO_GUATEMALA, TO_MEXICO])
        yield World(rabbit, FakeLedger())


@pytest.fixture
async def topology(amqp_url: str) -> AsyncIterator[Topology]:
    """Names of this test alone; whatever exists under them is deleted afterwards."""
    topology = Topology(namespace=f"test-{uuid.uuid4().hex[:12]}.")
    yield topology
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        pairs, members = (FROM_MEXICO, FROM_HONDURAS, FROM_PANAMA), (TO_GUATEMALA, TO_MEXICO)
        for queue in (*pairs, *members, DEAD_LETTERS):
            await channel.queue_delete(topology.queue(queue))
        await channel.exchange_delete(topology.pairs_exchange)
        await channel.exchange_delete(topology.channels_exchange)
        await channel.exchange_delete(topology.dead_exchange)


async def take(feed: Feed, count: int) -> list[Arrival]:
    """Take until `count` have come; fail when they do not."""
    arrivals: list[Arrival] = []
    while len(arrivals) < count:
        more = await feed.take(limit=count - len(arrivals), wait=PATIENCE)
        assert more, f"{len(arrivals)} of {count} came"
        arrivals += more
    return arrivals


def numbers(arrivals: Collection[Arrival]) -> list[int]:
    """Return the delivery numbers, in the order of arrival."""
    return [arrival.number for arrival in arrivals]

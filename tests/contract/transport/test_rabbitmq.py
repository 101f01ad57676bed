"""What only RabbitMQ can do, or do to us: routing, limits, foreign messages, settings."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from datetime import timedelta

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from yarl import URL

from broker.errors import Code, ConfigurationError, TransportUnavailableError
from broker.model.names import DeskRef, Pair, QueueName, channel_queue
from broker.transport import feed as feeding
from broker.transport.publish import CONTENT_TYPE
from broker.transport.rabbitmq import RabbitTransport, open_rabbitmq
from broker.transport.topology import CHANNEL_QUEUE, PAIR_QUEUE, Topology
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country
from tests.contract.transport.conftest import (
    FROM_HONDURAS,
    FROM_MEXICO,
    FROM_PANAMA,
    MOMENT,
    PATIENCE,
    TO_GUATEMALA,
    World,
    now,
    numbers,
    outgoing,
    take,
)

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def rabbit(rabbitmq_world: World) -> RabbitTransport:
    """The transport with two queues declared."""
    assert isinstance(rabbitmq_world.transport, RabbitTransport)
    return rabbitmq_world.transport


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """Somebody else's channel to the same RabbitMQ."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        yield channel


async def next_dead_letter(rabbit: RabbitTransport) -> int:
    """Wait for one dead letter and note it."""
    async with (
        asyncio.timeout(PATIENCE.total_seconds()),
        aclosing(rabbit.dead_letters()) as dead_letters,
    ):
        return await anext(dead_letters)


# --- publishing ---


async def test_publish_leaves_out_what_has_no_queue_and_makes_it_for_the_next_time(
    rabbit: RabbitTransport,
) -> None:
    """An unroutable message is never confirmed; a queue that was deleted heals by itself."""
    window = [outgoing(1), outgoing(2, FROM_PANAMA), outgoing(3)]

    first = await rabbit.publish(window, timeout=PATIENCE)
    second = await rabbit.publish(window[1:2], timeout=PATIENCE)

    assert (list(first), list(second)) == ([1, 3], [2])


async def test_publish_leaves_out_what_the_queue_refuses(
    rabbit: RabbitTransport, topology: Topology, channel: AbstractChannel
) -> None:
    """A full queue refuses; what it has no room for is not confirmed, the rest is."""
    full = await channel.declare_queue(
        topology.queue(FROM_PANAMA), arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )
    await full.bind(topology.pairs_exchange)
    window = [outgoing(1, FROM_PANAMA), outgoing(2, FROM_PANAMA), outgoing(3)]

    assert list(await rabbit.publish(window, timeout=PATIENCE)) == [1, 3]


async def test_publish_keeps_the_order_when_sizes_differ(rabbit: RabbitTransport) -> None:
    """A large message is not overtaken by the small ones behind it."""
    sizes = [1, 200_000, 0, 131_064, 50, 131_072]
    window = [outgoing(n, size=sizes[n % len(sizes)]) for n in range(1, 61)]

    await rabbit.publish(window, timeout=PATIENCE)

    async with rabbit.feed([FROM_MEXICO], prefetch=60) as feed:
        assert numbers(await take(feed, 60)) == list(range(1, 61))


async def test_logs_hold_no_body_and_no_password(
    rabbit: RabbitTransport, amqp_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Even an operator who logs everything sees no sealed bytes and no login."""
    caplog.set_level(logging.DEBUG)
    await rabbit.publish([outgoing(1), outgoing(2, FROM_PANAMA)], timeout=PATIENCE)
    async with rabbit.feed([FROM_MEXICO], prefetch=5) as feed:
        await feed.dead_letter(await take(feed, 1))

    chatter = {
        record.name
        for record in caplog.records
        if record.name.startswith(("aio_pika", "aiormq")) and record.levelno < logging.WARNING
    }
    assert chatter == set()
    assert str(URL(amqp_url).password) not in caplog.text


async def test_publish_makes_everything_when_nothing_was_declared(
    amqp_url: str, topology: Topology
) -> None:
    """Even a RabbitMQ that lost all its definitions is set up again by the next window."""
    async with open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit:
        with pytest.raises(TransportUnavailableError):
            await rabbit.publish([outgoing(1)], timeout=PATIENCE)

        assert list(await rabbit.publish([outgoing(1)], timeout=PATIENCE)) == [1]


async def test_publish_adds_a_second_copy_when_repeated(rabbit: RabbitTransport) -> None:
    """RabbitMQ does not know what it had before; dropping the copy is the ledger's part."""
    for _ in range(2):
        await rabbit.publish([outgoing(1)], timeout=PATIENCE)

    async with rabbit.feed([FROM_MEXICO], prefetch=5) as feed:
        assert numbers(await take(feed, 2)) == [1, 1]


async def test_publish_takes_concurrent_windows_when_numbers_overlap(
    rabbit: RabbitTransport,
) -> None:
    """Confirms and returns of one window never count for another."""
    windows = [[outgoing(1, FROM_PANAMA), outgoing(2)], [outgoing(1), outgoing(3)]]

    answers = await asyncio.gather(*(rabbit.publish(w, timeout=PATIENCE) for w in windows))

    assert [list(answer) for answer in answers] == [[2], [1, 3]]


async def test_publish_leaves_out_every_recipients_entry(
    rabbit: RabbitTransport, topology: Topology, channel: AbstractChannel
) -> None:
    """No key opens what lies in a queue; what is damaged goes without a body, and holds up none."""
    entries = replace(outgoing(1), sealed=b'{"iv":"i","recipients":[{"encrypted_key":"k"}]}')
    damaged = replace(outgoing(2), sealed=b"not JSON")

    confirmed = await rabbit.publish([entries, damaged], timeout=PATIENCE)
    queue = await channel.get_queue(topology.queue(FROM_MEXICO))
    got = [await queue.get(no_ack=True) for _ in range(2)]

    assert list(confirmed) == [1, 2]
    assert [message.body for message in got] == [b'{"iv":"i","recipients":[]}', b""]


async def test_publish_sends_the_sealed_bytes_and_nothing_personal(
    rabbit: RabbitTransport, topology: Topology, channel: AbstractChannel, amqp_url: str
) -> None:
    """A message is its sealed bytes, its number, and who published it; bodies of any size."""
    small, large, empty = outgoing(7), outgoing(8, size=400_000), outgoing(9, size=0)

    await rabbit.publish([small, large, empty], timeout=PATIENCE)
    queue = await channel.get_queue(topology.queue(FROM_MEXICO))
    got = [await queue.get(no_ack=True) for _ in range(3)]

    assert [message.body for message in got] == [small.sealed, large.sealed, empty.sealed]
    stated = {name: value for name, value in dict(got[0].properties).items() if value}
    assert abs((stated.pop("timestamp") - now()).total_seconds()) < 60
    assert stated == {
        "content_type": CONTENT_TYPE,
        "delivery_mode": 2,
        "message_id": "7",
        "message_type": "enlace.delivery",
        "user_id": URL(amqp_url).user,
        "headers": {"x-delivery-count": 0},  # RabbitMQ's own
    }


# --- topology ---


async def test_declare_agrees_when_many_processes_declare_at_once(
    amqp_url: str, topology: Topology
) -> None:
    """Gateways that start together all find, or make, the same queues."""
    async with AsyncExitStack() as stack:
        gateways = [
            await stack.enter_async_context(open_rabbitmq(amqp_url, clock=now, topology=topology))
            for _ in range(4)
        ]
        queues = [FROM_MEXICO, FROM_HONDURAS, FROM_PANAMA]

        await asyncio.gather(*(gateway.declare(queues) for gateway in gateways))

        confirmed = await gateways[0].publish(
            [outgoing(n, queue) for n, queue in enumerate(queues, start=1)], timeout=PATIENCE
        )
    assert list(confirmed) == [1, 2, 3]


async def test_declare_refuses_a_queue_that_exists_with_other_arguments(
    amqp_url: str, topology: Topology
) -> None:
    """An operator is told which queue and what to do; other queues go on working."""
    other = Topology(namespace=topology.namespace, delivery_limit=3)
    async with open_rabbitmq(amqp_url, clock=now, topology=other) as earlier:
        await earlier.declare([FROM_PANAMA])

    async with open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit:
        with pytest.raises(ConfigurationError) as refused:
            await rabbit.declare([FROM_MEXICO, FROM_PANAMA])
        confirmed = await rabbit.publish([outgoing(1, FROM_MEXICO)], timeout=PATIENCE)

    assert topology.queue(FROM_PANAMA) in str(refused.value)
    assert "delete" in str(refused.value)
    assert list(confirmed) == [1]


async def test_declare_makes_the_other_queues_when_some_need_an_operator(
    amqp_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    """Whichever stand first: all others exist afterwards, and take what is published."""
    for needy in (FROM_HONDURAS, FROM_MEXICO):
        await channel.declare_queue(topology.queue(needy), durable=True)  # a classic queue
    queues = [FROM_HONDURAS, FROM_MEXICO, FROM_PANAMA, TO_GUATEMALA]

    async with open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit:
        with pytest.raises(ConfigurationError):
            await rabbit.declare(queues)
        window = [outgoing(n, queue) for n, queue in enumerate(queues, start=1)]
        confirmed = await rabbit.publish(window, timeout=PATIENCE)

    assert list(confirmed) == [3, 4]


async def test_feed_serves_the_other_queues_while_one_needs_an_operator(
    amqp_url: str, topology: Topology, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk reads on, and the mended queue as well once an operator was there."""
    monkeypatch.setattr(feeding, "LOOK_AGAIN", timedelta(seconds=0.5))
    await channel.declare_queue(topology.queue(FROM_MEXICO), durable=True)  # a classic queue
    async with (
        open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit,
        rabbit.feed([FROM_MEXICO, FROM_PANAMA], prefetch=5) as feed,
    ):
        await rabbit.publish([outgoing(1, FROM_PANAMA)], timeout=PATIENCE)
        held = await take(feed, 1)

        await channel.queue_delete(topology.queue(FROM_MEXICO))
        await rabbit.declare([FROM_MEXICO])
        await rabbit.publish([outgoing(2)], timeout=PATIENCE)
        mended = await take(feed, 1)
        await feed.settle([*held, *mended])

        assert (numbers(held), numbers(mended)) == ([1], [2])
        # Nothing was given back meanwhile: the channel is the same.
        assert list(await feed.take(limit=5, wait=MOMENT)) == []


async def test_feed_says_so_when_all_its_queues_need_an_operator(
    amqp_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    """There is nothing to read, and the text says what to do."""
    await channel.declare_queue(topology.queue(FROM_MEXICO), durable=True)  # a classic queue
    async with open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit:
        with pytest.raises(ConfigurationError, match="delete it there"):
            async with rabbit.feed([FROM_MEXICO], prefetch=5):
                pytest.fail("there is nothing to consume from")


async def test_publish_serves_the_other_queues_when_one_cannot_be_declared(
    amqp_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    """One queue that needs an operator does not hold up ten countries."""
    await channel.declare_queue(topology.queue(FROM_MEXICO), durable=True)  # a classic queue
    window = [outgoing(1, FROM_HONDURAS), outgoing(2, FROM_MEXICO), outgoing(3, FROM_PANAMA)]

    async with open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit:
        with pytest.raises(TransportUnavailableError):  # there is no exchange yet
            await rabbit.publish(window, timeout=PATIENCE)
        answers = [list(await rabbit.publish(window, timeout=PATIENCE)) for _ in range(3)]

    assert answers == [[1, 3], [1, 3], [1, 3]]


def test_queue_names_are_plain_for_every_pair() -> None:
    """No pair of countries and compartments has a wildcard, or a name that we refuse."""
    names = [
        Pair(origin=origin, desk=DeskRef(country=country, compartment=compartment)).queue
        for origin, country, compartment in itertools.product(Country, Country, Compartment)
    ]

    assert len(set(names)) == len(names)
    assert all(PAIR_QUEUE.fullmatch(name) for name in names)
    assert not any(CHANNEL_QUEUE.fullmatch(name) for name in names)
    assert Topology().queue(names[0]) == names[0]


@pytest.mark.parametrize("channel", ["hlsg-mx-gt", "x1", "a" * 28, "mx"])
def test_queue_names_are_plain_for_every_member(channel: str) -> None:
    """No channel's queue is one of a pair, however it is called."""
    names = [channel_queue(ChannelName(channel), country) for country in Country]

    assert all(CHANNEL_QUEUE.fullmatch(name) for name in names)
    assert not any(PAIR_QUEUE.fullmatch(name) for name in names)
    assert {Topology(namespace="t.").exchange(name) for name in names} == {"t.enlace.channels"}
    assert Topology(namespace="t.").queue(names[0]) == f"t.{names[0]}"


@pytest.mark.parametrize(
    "name",
    [
        "#",
        "*.GT.intelligence",
        "MX.GT.intelligence\n",
        "amq.x",
        "",
        "#.GT",
        "hlsg-mx-gt.*",
        "hlsg-mx-gt.GT\n",
        "hlsg-mx-gt",
        "hlsg.mx.GT",
        "-hlsg.GT",
        "a.GT",
        "enlace.channels",
        f"{'a' * 29}.GT",
    ],
)
async def test_declare_refuses_a_name_that_the_directory_does_not_make(
    rabbit: RabbitTransport, name: str
) -> None:
    """Names come from the directory alone; anything else is a defect of ours, found here."""
    with pytest.raises(RuntimeError):
        await rabbit.declare([QueueName(name)])


# --- dead letters and strangers ---


async def test_feed_that_is_left_too_often_ends_in_the_dead_letters(
    amqp_url: str, topology: Topology
) -> None:
    """A message that nobody can take does not circle for ever."""
    limited = Topology(namespace=topology.namespace, delivery_limit=2)
    async with open_rabbitmq(amqp_url, clock=now, topology=limited) as rabbit:
        await rabbit.declare([FROM_MEXICO])
        await rabbit.publish([outgoing(5)], timeout=PATIENCE)
        rounds, came = 0, True
        while came:
            async with rabbit.feed([FROM_MEXICO], prefetch=1) as feed:
                came = bool(await feed.take(limit=1, wait=timedelta(seconds=2)))
            rounds += 1
            assert rounds < 20

        assert await next_dead_letter(rabbit) == 5


@pytest.mark.parametrize(
    "message_id", ["", "0", "-1", "01", "1" * 20, "1\n", "\N{ARABIC-INDIC DIGIT FIVE}"]
)
async def test_feed_dead_letters_a_message_that_no_gateway_wrote(
    rabbit: RabbitTransport, topology: Topology, channel: AbstractChannel, message_id: str
) -> None:
    """A stranger's message is put aside; ours behind it arrive."""
    for exchange, key in (
        (topology.pairs_exchange, topology.queue(FROM_MEXICO)),
        (topology.channels_exchange, topology.queue(TO_GUATEMALA)),
        (topology.dead_exchange, "anything"),
    ):
        target = await channel.get_exchange(exchange)
        await target.publish(aio_pika.Message(b"\x00garbage", message_id=message_id), key)
    await rabbit.publish([outgoing(1)], timeout=PATIENCE)

    async with rabbit.feed([FROM_MEXICO, TO_GUATEMALA], prefetch=1) as feed:
        arrivals = await take(feed, 1)
        await feed.dead_letter(arrivals)

    # All strangers' messages stood in front of it there, and are gone.
    assert numbers(arrivals) == [1]
    assert await next_dead_letter(rabbit) == 1


async def test_feed_resumes_when_its_queue_was_deleted(
    rabbit: RabbitTransport, topology: Topology, channel: AbstractChannel
) -> None:
    """An operator who deletes a queue under a desk's session does not end it."""
    async with rabbit.feed([FROM_MEXICO], prefetch=5) as feed:
        await channel.queue_delete(topology.queue(FROM_MEXICO))
        assert list(await feed.take(limit=1, wait=MOMENT)) == []
        confirmed = list(await rabbit.publish([outgoing(1)], timeout=PATIENCE))
        if not confirmed:  # the feed has not made it again yet
            await rabbit.publish([outgoing(1)], timeout=PATIENCE)

        assert numbers(await take(feed, 1)) == [1]


# --- settings ---


async def test_ping_names_the_setting_when_the_login_is_refused(amqp_url: str) -> None:
    """A wrong password is a configuration error, and is not repeated in it."""
    url = str(URL(amqp_url).with_password("wrong-password"))
    async with open_rabbitmq(url, clock=now) as rabbit:
        with pytest.raises(ConfigurationError) as refused:
            await rabbit.ping(timeout=PATIENCE)

    assert refused.value.code == Code.CONFIGURATION_INVALID
    assert "ENLACE_AMQP_URL" in str(refused.value)
    assert "wrong-password" not in str(refused.value)


async def test_ping_names_the_setting_when_the_virtual_host_is_unknown(amqp_url: str) -> None:
    """A virtual host that does not open may be starting; a note says what else it may be."""
    async with open_rabbitmq(str(URL(amqp_url).with_path("/nowhere")), clock=now) as rabbit:
        with pytest.raises(TransportUnavailableError) as absent:
            await rabbit.ping(timeout=PATIENCE)

    assert "virtual host of ENLACE_AMQP_URL" in absent.value.__notes__[0]


@pytest.mark.parametrize(
    "url",
    ["", "rabbit", "http://u:secret@host/", "amqp:///", "amqps://u:secret@host/?no_verify_ssl=1"],
)
async def test_open_refuses_a_url_that_is_none_or_not_safe(url: str) -> None:
    """The URL is judged before anything connects, and its password is not repeated."""
    with pytest.raises(ConfigurationError) as refused:
        async with open_rabbitmq(url, clock=now):
            pass

    assert "secret" not in str(refused.value)

"""RabbitMQ goes away, falls silent, comes back: nothing hangs, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from broker.errors import TransportUnavailableError
from broker.sandbox.rabbitmq_node import private_rabbitmq_node
from broker.transport.rabbitmq import RabbitTransport, open_rabbitmq
from broker.transport.topology import Topology
from tests.contract.transport.conftest import FROM_MEXICO, PATIENCE, now, numbers, outgoing, take
from tests.contract.transport.proxy import Proxy, proxy_to
from tests.services.rabbitmq import private_folder

pytestmark = pytest.mark.rabbitmq

SHORT = timedelta(seconds=1)
GRACE_SECONDS = 2.0
"""What a loaded machine may add to a deadline."""


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    """The network between us and RabbitMQ."""
    async with proxy_to(amqp_url) as proxy:
        yield proxy


@pytest.fixture
async def rabbit(proxy: Proxy, topology: Topology) -> AsyncIterator[RabbitTransport]:
    """A transport over that network, with one queue declared."""
    async with open_rabbitmq(proxy.url, clock=now, topology=topology) as rabbit:
        await rabbit.declare([FROM_MEXICO])
        yield rabbit


async def publish_until_confirmed(rabbit: RabbitTransport, number: int) -> None:
    """Publish as the relay does: again and again, until it is confirmed."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while True:
            try:
                if await rabbit.publish([outgoing(number)], timeout=timedelta(seconds=5)):
                    return
            except TransportUnavailableError:
                await asyncio.sleep(0.1)


async def test_publish_raises_in_time_and_recovers_when_rabbitmq_was_away(
    rabbit: RabbitTransport, proxy: Proxy
) -> None:
    """An absence is an error at once, and its end needs nobody to restart us."""
    await rabbit.publish([outgoing(1)], timeout=PATIENCE)
    await proxy.go_away()
    started = asyncio.get_running_loop().time()

    with pytest.raises(TransportUnavailableError):
        await rabbit.publish([outgoing(2)], timeout=SHORT)
    with pytest.raises(TransportUnavailableError):
        await rabbit.ping(timeout=SHORT)
    took = asyncio.get_running_loop().time() - started
    await proxy.listen()
    confirmed = await rabbit.publish([outgoing(3)], timeout=PATIENCE)

    assert took < 2 * SHORT.total_seconds() + GRACE_SECONDS
    assert list(confirmed) == [3]


async def test_publish_raises_in_time_and_recovers_when_rabbitmq_was_silent(
    rabbit: RabbitTransport, proxy: Proxy
) -> None:
    """A peer that neither answers nor closes costs the timeout, and not more."""
    await rabbit.publish([outgoing(1)], timeout=PATIENCE)
    proxy.flowing.clear()
    started = asyncio.get_running_loop().time()

    with pytest.raises(TransportUnavailableError):
        await rabbit.publish([outgoing(2)], timeout=SHORT)
    took = asyncio.get_running_loop().time() - started
    proxy.flowing.set()
    confirmed = await rabbit.publish([outgoing(3)], timeout=PATIENCE)

    assert took < SHORT.total_seconds() + GRACE_SECONDS
    assert list(confirmed) == [3]


async def test_publish_raises_when_the_connection_is_cut_under_it(
    rabbit: RabbitTransport, proxy: Proxy
) -> None:
    """Waiting for confirms ends with the connection, not with the timeout."""
    await rabbit.publish([outgoing(1)], timeout=PATIENCE)
    proxy.flowing.clear()
    publishing = asyncio.create_task(rabbit.publish([outgoing(2)], timeout=PATIENCE))
    await asyncio.sleep(0.2)
    proxy.cut()
    proxy.flowing.set()

    done, _ = await asyncio.wait([publishing], timeout=GRACE_SECONDS)
    assert done
    with pytest.raises(TransportUnavailableError):
        await publishing
    await publish_until_confirmed(rabbit, 2)


async def test_calls_under_way_end_in_our_own_words_when_the_connection_is_given_up(
    amqp_url: str, topology: Topology
) -> None:
    """Whatever the moment, a caller sees success or an absence, and nothing foreign."""
    foreign: list[object] = []
    async with open_rabbitmq(amqp_url, clock=now, topology=topology) as rabbit:
        await rabbit.declare([FROM_MEXICO])
        for milliseconds in [0, 1, 2, 3, 4, 5, 6, 8, 10, 12] * 5:
            calls = asyncio.gather(
                rabbit.publish([outgoing(n) for n in range(1, 65)], timeout=PATIENCE),
                rabbit.ping(timeout=PATIENCE),
                rabbit.declare([FROM_MEXICO]),
                return_exceptions=True,
            )
            await asyncio.sleep(milliseconds / 1000)
            rabbit.publishing.drop()
            rabbit.consuming.drop()
            foreign += [o for o in await calls if isinstance(o, BaseException)]

    assert [o for o in foreign if not isinstance(o, TransportUnavailableError)] == []


async def test_publish_can_be_cancelled_and_used_again(
    rabbit: RabbitTransport, proxy: Proxy
) -> None:
    """Cancellation is passed on, and the next window is counted from the start."""
    await rabbit.publish([outgoing(1)], timeout=PATIENCE)
    proxy.flowing.clear()
    publishing = asyncio.create_task(rabbit.publish([outgoing(2)], timeout=PATIENCE))
    await asyncio.sleep(0.2)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    proxy.flowing.set()

    assert list(await rabbit.publish([outgoing(3)], timeout=PATIENCE)) == [3]


async def test_feed_brings_again_what_was_held_when_the_connection_is_lost(
    rabbit: RabbitTransport, proxy: Proxy
) -> None:
    """The old arrivals are void: settling them does nothing, and they come again."""
    await rabbit.publish([outgoing(1), outgoing(2)], timeout=PATIENCE)
    async with rabbit.feed([FROM_MEXICO], prefetch=5) as feed:
        old = await take(feed, 2)
        proxy.cut()
        await feed.settle(old[:1])
        new = await take(feed, 2)
        await feed.settle(old)
        await feed.dead_letter(old)
        await feed.settle(new)

    assert numbers(new) == [1, 2]
    assert {arrival.tag for arrival in old}.isdisjoint(arrival.tag for arrival in new)
    async with rabbit.feed([FROM_MEXICO], prefetch=5) as feed:
        assert list(await feed.take(limit=1, wait=SHORT)) == []


async def test_take_raises_while_rabbitmq_is_away_and_resumes_after(
    rabbit: RabbitTransport, proxy: Proxy
) -> None:
    """A desk is told that nothing can come, which is not the same as nothing came."""
    async with rabbit.feed([FROM_MEXICO], prefetch=5) as feed:
        await proxy.go_away()
        with pytest.raises(TransportUnavailableError):
            await feed.take(limit=1, wait=SHORT)
        await proxy.listen()
        await publish_until_confirmed(rabbit, 1)

        assert numbers(await take(feed, 1)) == [1]


async def test_feed_raises_on_entering_when_rabbitmq_is_away(
    rabbit: RabbitTransport, proxy: Proxy
) -> None:
    """A session that cannot begin says so."""
    await proxy.go_away()

    with pytest.raises(TransportUnavailableError):
        async with rabbit.feed([FROM_MEXICO], prefetch=5):
            pytest.fail("entered")


async def test_dead_letters_ride_out_an_absence(
    rabbit: RabbitTransport, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop that notes dead letters never ends, and loses none."""
    monkeypatch.setattr("broker.transport.rabbitmq.DEAD_LETTERS_RETRY", timedelta(seconds=0.2))
    await rabbit.publish([outgoing(1)], timeout=PATIENCE)
    async with aclosing(rabbit.dead_letters()) as dead_letters:
        waiting = asyncio.ensure_future(anext(dead_letters))
        await proxy.go_away()
        await asyncio.sleep(0.5)
        await proxy.listen()
        async with rabbit.feed([FROM_MEXICO], prefetch=5) as feed:
            await feed.dead_letter(await take(feed, 1))

            async with asyncio.timeout(PATIENCE.total_seconds()):
                assert await waiting == 1


async def test_messages_survive_when_rabbitmq_itself_restarts(tmp_path: Path) -> None:
    """What was confirmed is on disk: the restarted node has it, and the feed resumes."""
    async with (
        private_rabbitmq_node(private_folder(tmp_path)) as node,
        open_rabbitmq(node.url, clock=now) as rabbit,
    ):
        await rabbit.declare([FROM_MEXICO])
        async with rabbit.feed([FROM_MEXICO], prefetch=1) as feed:
            await rabbit.publish([outgoing(1), outgoing(2)], timeout=PATIENCE)
            held = await take(feed, 1)
            await node.stop()
            with pytest.raises(TransportUnavailableError):
                await rabbit.publish([outgoing(3)], timeout=SHORT)
            await node.start()
            await publish_until_confirmed(rabbit, 3)

            came: list[int] = []
            while len(came) < 3:
                arrivals = await take(feed, 1)
                came += numbers(arrivals)
                await feed.settle(arrivals)

    assert numbers(held) == [1]
    assert came == [1, 2, 3]

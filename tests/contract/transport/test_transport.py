"""Every sentence of the ports ``Transport`` and ``Feed``, against both adapters."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta

import pytest

from tests.contract.transport.conftest import (
    FROM_HONDURAS,
    FROM_MEXICO,
    MOMENT,
    PATIENCE,
    TO_GUATEMALA,
    TO_MEXICO,
    World,
    numbers,
    outgoing,
    take,
)


async def test_declare_changes_nothing_when_repeated(world: World) -> None:
    """Any process may declare the same queues at any time; what waits in them stays."""
    await world.post(outgoing(1))

    await asyncio.gather(*(world.transport.declare([FROM_MEXICO, FROM_HONDURAS]) for _ in "1234"))

    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        assert numbers(await take(feed, 1)) == [1]


async def test_publish_confirms_every_delivery_of_a_window(world: World) -> None:
    """What is confirmed is named by its number, in the order of the window."""
    window = [outgoing(n, FROM_MEXICO if n % 2 else FROM_HONDURAS) for n in range(1, 65)]

    confirmed = await world.post(*window)

    assert list(confirmed) == list(range(1, 65))


async def test_publish_confirms_nothing_when_the_window_is_empty(world: World) -> None:
    """An empty window is no error."""
    assert list(await world.post()) == []


async def test_publish_keeps_the_order_of_the_window_within_one_queue(world: World) -> None:
    """A desk gets what was accepted first, first."""
    await world.post(*(outgoing(n) for n in range(1, 101)))

    async with world.transport.feed([FROM_MEXICO], prefetch=100) as feed:
        assert numbers(await take(feed, 100)) == list(range(1, 101))


async def test_take_brings_only_the_queues_of_the_feed(world: World) -> None:
    """An arrival says which queue it came from, and comes from no other."""
    await world.post(outgoing(1, FROM_HONDURAS), outgoing(2, FROM_MEXICO))

    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        (arrival,) = await take(feed, 1)
        nothing_else = await feed.take(limit=5, wait=MOMENT)

    assert (arrival.number, arrival.queue) == (2, FROM_MEXICO)
    assert list(nothing_else) == []


async def test_publish_brings_a_channel_message_to_the_queue_of_each_member(world: World) -> None:
    """One queue for each member, in one window with a pair's; each is read by itself."""
    window = [outgoing(1, TO_MEXICO), outgoing(2, FROM_MEXICO), outgoing(3, TO_GUATEMALA)]

    assert list(await world.post(*window)) == [1, 2, 3]

    for queue, number in ((TO_GUATEMALA, 3), (TO_MEXICO, 1), (FROM_MEXICO, 2)):
        async with world.transport.feed([queue], prefetch=5) as feed:
            (arrival,) = await take(feed, 1)
            assert list(await feed.take(limit=5, wait=timedelta(milliseconds=100))) == []
            assert (arrival.number, arrival.queue) == (number, queue)
            world.note([arrival])
            await feed.settle([arrival])


async def test_dead_letter_takes_one_members_copy_only(world: World) -> None:
    """What one member cannot take is not taken from the others."""
    await world.post(outgoing(1, TO_MEXICO), outgoing(2, TO_GUATEMALA))

    async with world.transport.feed([TO_GUATEMALA], prefetch=5) as feed:
        arrivals = await take(feed, 1)
        world.note(arrivals)
        await feed.dead_letter(arrivals)
    async with asyncio.timeout(PATIENCE.total_seconds()):
        async with aclosing(world.transport.dead_letters()) as dead_letters:
            assert await anext(dead_letters) == 2

    async with world.transport.feed([TO_MEXICO], prefetch=5) as feed:
        assert numbers(await take(feed, 1)) == [1]


async def test_take_brings_no_more_than_the_limit(world: World) -> None:
    """The rest stays for the next call."""
    await world.post(*(outgoing(n) for n in range(1, 6)))

    async with world.transport.feed([FROM_MEXICO], prefetch=10) as feed:
        await asyncio.sleep(0.2)
        first = await feed.take(limit=2, wait=PATIENCE)

        assert len(first) <= 2
        assert numbers(first) + numbers(await take(feed, 5 - len(first))) == [1, 2, 3, 4, 5]


async def test_take_returns_empty_when_nothing_came_in_time(world: World) -> None:
    """The wait is as long as asked, not longer."""
    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        started = asyncio.get_running_loop().time()
        arrivals = await feed.take(limit=5, wait=timedelta(milliseconds=200))

    assert list(arrivals) == []
    assert 0.15 < asyncio.get_running_loop().time() - started < 5


async def test_take_wakes_up_when_something_is_published(world: World) -> None:
    """A waiting desk gets a new message at once, not at the end of its wait."""
    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        taking = asyncio.create_task(feed.take(limit=5, wait=PATIENCE))
        await asyncio.sleep(0.1)
        await world.post(outgoing(1))
        published = asyncio.get_running_loop().time()

        assert numbers(await taking) == [1]
    assert asyncio.get_running_loop().time() - published < 1


async def test_take_gives_each_arrival_its_own_tag(world: World) -> None:
    """A tag names one arrival in its feed."""
    await world.post(*(outgoing(n) for n in range(1, 4)), outgoing(4, FROM_HONDURAS))

    async with world.transport.feed([FROM_MEXICO, FROM_HONDURAS], prefetch=5) as feed:
        arrivals = await take(feed, 4)

    assert len({arrival.tag for arrival in arrivals}) == 4


async def test_take_stops_at_the_prefetch_until_something_is_settled(world: World) -> None:
    """A desk that does not answer holds no more than its prefetch from a queue."""
    await world.post(*(outgoing(n) for n in range(1, 6)))

    async with world.transport.feed([FROM_MEXICO], prefetch=2) as feed:
        held = await take(feed, 2)
        assert list(await feed.take(limit=5, wait=MOMENT)) == []
        world.note(held)
        await feed.settle(held)

        assert numbers(await take(feed, 2)) == [3, 4]


async def test_settle_is_final(world: World) -> None:
    """What was settled comes to nobody again, whichever of the held ones it was."""
    await world.post(*(outgoing(n) for n in range(1, 7)))
    async with world.transport.feed([FROM_MEXICO], prefetch=10) as feed:
        arrivals = await take(feed, 6)
        settled = [arrivals[0], arrivals[1], arrivals[4]]
        world.note(settled)
        await feed.settle(settled)

    async with world.transport.feed([FROM_MEXICO], prefetch=10) as feed:
        assert numbers(await take(feed, 3)) == [3, 4, 6]
        assert list(await feed.take(limit=5, wait=MOMENT)) == []


async def test_settle_ignores_what_is_not_held_when_repeated(world: World) -> None:
    """Settling and dead-lettering what was settled before does nothing."""
    await world.post(outgoing(1), outgoing(2))

    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        first, second = await take(feed, 2)
        world.note([first])
        for _ in range(2):
            await feed.settle([first])
        await feed.dead_letter([first])

    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        assert numbers(await take(feed, 1)) == [second.number]


async def test_feed_that_is_left_lets_another_take_at_once(world: World) -> None:
    """What one desk session held when it ended, the one that waits beside it gets."""
    await world.post(outgoing(1))

    async with AsyncExitStack() as leaving:
        feed = await leaving.enter_async_context(world.transport.feed([FROM_MEXICO], prefetch=5))
        await take(feed, 1)
        async with world.transport.feed([FROM_MEXICO], prefetch=5) as other:
            taking = asyncio.create_task(take(other, 1))
            await asyncio.sleep(MOMENT.total_seconds())
            assert not taking.done()
            await leaving.aclose()

            assert numbers(await taking) == [1]


async def test_feed_gives_back_on_leaving(world: World) -> None:
    """A desk session that ends, ends holding nothing, taken or not yet taken."""
    await world.post(*(outgoing(n) for n in range(1, 4)))
    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        await take(feed, 1)

    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        assert sorted(numbers(await take(feed, 3))) == [1, 2, 3]


async def test_feed_gives_back_when_its_holder_fails(world: World) -> None:
    """An exception in the desk's session is no acknowledgement."""
    await world.post(outgoing(1))

    async def fail_in_a_session() -> None:
        async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
            await take(feed, 1)
            raise LookupError

    with pytest.raises(LookupError):
        await fail_in_a_session()

    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        assert numbers(await take(feed, 1)) == [1]


async def test_feeds_share_a_queue_without_sharing_a_delivery(world: World) -> None:
    """Two sessions of one desk get each delivery once between them."""
    taken: list[int] = []

    async def consume() -> None:
        async with world.transport.feed([FROM_MEXICO], prefetch=3) as feed:
            while len(taken) < 60:
                arrivals = await feed.take(limit=3, wait=MOMENT)
                taken.extend(numbers(arrivals))
                world.note(arrivals)
                await feed.settle(arrivals)

    await world.post(*(outgoing(n) for n in range(1, 61)))
    async with asyncio.timeout(PATIENCE.total_seconds()):
        await asyncio.gather(consume(), consume())

    assert sorted(taken) == list(range(1, 61))


async def test_dead_letter_reaches_the_dead_letters_and_no_desk(world: World) -> None:
    """What is dead-lettered is brought to the ledger, and handed to nobody meanwhile."""
    await world.post(outgoing(1), outgoing(2))
    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        first, _ = await take(feed, 2)
        await feed.dead_letter([first])

    async with (
        aclosing(world.transport.dead_letters()) as dead_letters,
        asyncio.timeout(PATIENCE.total_seconds()),
    ):
        assert await anext(dead_letters) == 1

    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        assert numbers(await take(feed, 1)) == [2]
        assert list(await feed.take(limit=5, wait=MOMENT)) == []


async def test_dead_letters_come_again_when_the_ledger_has_not_noted_them(world: World) -> None:
    """Only asking for the next one lets go of the last: a crash before that loses nothing."""
    await world.post(outgoing(1), outgoing(2))
    async with world.transport.feed([FROM_MEXICO], prefetch=5) as feed:
        await feed.dead_letter(await take(feed, 2))

    async with asyncio.timeout(PATIENCE.total_seconds()):
        async with aclosing(world.transport.dead_letters()) as dead_letters:
            first = await anext(dead_letters)
        async with aclosing(world.transport.dead_letters()) as dead_letters:
            again = await anext(dead_letters)
            second = await anext(dead_letters)
            waiting = asyncio.ensure_future(anext(dead_letters))
            done, _ = await asyncio.wait([waiting], timeout=MOMENT.total_seconds())
            waiting.cancel()
            await asyncio.wait([waiting])

    assert (first, {again, second}, done) == (again, {1, 2}, set())


async def test_ping_returns_when_the_transport_answers(world: World) -> None:
    """Readiness may ask as often as it likes."""
    for _ in range(3):
        await world.transport.ping(timeout=PATIENCE)

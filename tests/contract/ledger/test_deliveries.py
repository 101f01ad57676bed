"""The contract of ``DeliveryLedger`` up to the desk: claimed, dispatched, leased, released."""

import asyncio
from datetime import timedelta

from broker.model.events import DeliveryState
from broker.model.names import DeskRef
from broker.storage.ledger import Ledger
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.world import QUEUES, Maker, World

PANAMA = DeskRef(country=Country.PANAMA, compartment=Compartment.PROTECTION)
MINUTE = timedelta(minutes=1)


async def test_claim_takes_the_oldest_with_all_that_the_transport_needs(
    ledger: Ledger, make: Maker
) -> None:
    """In the order of acceptance, one for each recipient, up to the limit."""
    first = make.acceptance(desks=(make.desk, PANAMA))
    for acceptance in (first, make.acceptance(), make.acceptance()):
        await ledger.messages.record(acceptance, sign=make.sign)

    claimed = await ledger.deliveries.claim_unpublished(
        limit=3, claimant="a", now=make.now, until=make.now + MINUTE
    )

    assert [one.number for one in claimed] == [1, 2, 3]
    assert [one.queue for one in claimed] == [
        "MX.GT.intelligence",
        "MX.PA.protection",
        "MX.GT.intelligence",
    ]
    assert claimed[0].message_id == claimed[1].message_id == first.message_id
    assert claimed[0].content_hash == first.content_hash
    assert (claimed[0].sealed, claimed[0].urgency) == (first.sealed, first.urgency)
    assert claimed[0].expires == first.expires


async def test_claim_leaves_out_what_somebody_claims_until_the_claim_ends(
    ledger: Ledger, make: Maker
) -> None:
    """A claim keeps everybody off; a claimant that died loses it when its time is over."""
    await ledger.messages.record(make.acceptance(), sign=make.sign)
    until = make.now + MINUTE
    claim = ledger.deliveries.claim_unpublished
    first = await claim(limit=9, claimant="a", now=make.now, until=until)

    early = await claim(limit=9, claimant="b", now=until - MINUTE / 60, until=until + MINUTE)
    late = await claim(limit=9, claimant="b", now=until, until=until + MINUTE)

    assert (len(first), early) == (1, [])
    assert late == first


async def test_claim_gives_each_to_one_when_two_processes_ask(world: World, make: Maker) -> None:
    """Two relays with two connections share the work; none gets what the other has."""
    async with world.open() as one, world.open() as two:
        for _ in range(40):
            await one.messages.record(make.acceptance(), sign=make.sign)

        claims = await asyncio.gather(
            *(
                ledger.deliveries.claim_unpublished(
                    limit=5, claimant=name, now=make.now, until=make.now + MINUTE
                )
                for _ in range(6)
                for name, ledger in (("one", one), ("two", two))
            )
        )

    numbers = [delivery.number for claim in claims for delivery in claim]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(range(1, 41))


async def test_mark_dispatched_ends_the_relays_work_however_often(
    ledger: Ledger, make: Maker
) -> None:
    """Marked once or twice, and beside an unknown number, it is dispatched."""
    await ledger.messages.record(make.acceptance(), sign=make.sign)
    before = await ledger.deliveries.unpublished_count()

    await ledger.deliveries.mark_dispatched([1, 99], at=make.now)
    await ledger.deliveries.mark_dispatched([1], at=make.now + MINUTE)

    assert (before, await ledger.deliveries.unpublished_count()) == (1, 0)
    assert await ledger.deliveries.states([1, 99]) == {1: DeliveryState.DISPATCHED}
    status = await ledger.messages.status(make.sender, make.sign.events[0][1].message_id)
    assert status is not None
    assert status.recipients[0].changed_at == make.now


async def test_mark_dispatched_does_not_take_back_a_hand_over(ledger: Ledger, make: Maker) -> None:
    """The transport may be faster than the mark: an accepted delivery is leased, and stays so."""
    await ledger.messages.record(make.acceptance(), sign=make.sign)
    leased = await ledger.deliveries.lease(
        [1], queues=QUEUES, holder="a", now=make.now, until=make.now + MINUTE
    )

    await ledger.deliveries.mark_dispatched([1], at=make.now)

    assert len(leased) == 1
    assert await ledger.deliveries.states([1]) == {1: DeliveryState.DELIVERED}


async def test_waiting_lists_what_was_dispatched_oldest_first(ledger: Ledger, make: Maker) -> None:
    """Over several queues, in the order of acceptance, without the unpublished and the leased."""
    both = (make.desk, PANAMA)
    await make.dispatched(ledger, make.acceptance(desks=both), make.acceptance(desks=both))
    await ledger.messages.record(make.acceptance(), sign=make.sign)
    await ledger.deliveries.lease(
        [3], queues=QUEUES, holder="a", now=make.now, until=make.now + MINUTE
    )
    queues = ["MX.PA.protection", "MX.GT.intelligence", "MX.US.judicial"]

    waiting = await ledger.deliveries.waiting(queues, limit=9, now=make.now)
    two = await ledger.deliveries.waiting(queues, limit=2, now=make.now)
    after = await ledger.deliveries.waiting(queues, limit=9, now=make.now + MINUTE)

    assert waiting == [
        (1, "MX.GT.intelligence"),
        (2, "MX.PA.protection"),
        (4, "MX.PA.protection"),
    ]
    assert two == waiting[:2]
    assert [number for number, _ in after] == [1, 2, 3, 4]
    assert await ledger.deliveries.waiting([], limit=9, now=make.now) == []


async def test_lease_hands_over_all_that_the_desk_needs(ledger: Ledger, make: Maker) -> None:
    """The sealed message, the acceptance's receipt, the attempt, and when the lease ends."""
    acceptance = make.acceptance()
    await make.dispatched(ledger, acceptance)

    [handed] = await ledger.deliveries.lease(
        [1, 99], queues=QUEUES, holder="a", now=make.now, until=make.now + MINUTE
    )

    assert (handed.number, handed.hand_over, handed.attempt) == (1, 1, 1)
    assert handed.queue == "MX.GT.intelligence"
    assert handed.origin == acceptance.sender
    assert (handed.message_id, handed.sealed) == (acceptance.message_id, acceptance.sealed)
    assert (handed.content_hash, handed.urgency) == (acceptance.content_hash, acceptance.urgency)
    assert handed.receipt == f"1:accepted:{acceptance.message_id}"
    assert handed.lease_until == make.now + MINUTE
    assert await ledger.deliveries.states([1]) == {1: DeliveryState.DELIVERED}


async def test_lease_leaves_out_what_is_leased_by_anybody(ledger: Ledger, make: Maker) -> None:
    """Neither another holder nor the same one gets it twice before the lease ends."""
    await make.dispatched(ledger, make.acceptance())
    lease, until = ledger.deliveries.lease, make.now + MINUTE
    await lease([1], queues=QUEUES, holder="a", now=make.now, until=until)

    by_other = await lease([1], queues=QUEUES, holder="b", now=make.now, until=until)
    by_same = await lease([1], queues=QUEUES, holder="a", now=make.now, until=until)
    [again] = await lease([1], queues=QUEUES, holder="b", now=until, until=until + MINUTE)

    assert (by_other, by_same) == ([], [])
    assert (again.hand_over, again.attempt) == (2, 2)


async def test_lease_leaves_out_what_is_final(ledger: Ledger, make: Maker) -> None:
    """An acknowledged delivery is handed over to nobody, whatever the transport brings."""
    [handed] = await make.handed(ledger, make.acceptance())
    await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)

    late = make.now + 2 * MINUTE
    assert not await ledger.deliveries.lease(
        [1], queues=QUEUES, holder="a", now=late, until=late + MINUTE
    )


async def test_lease_leaves_out_what_has_expired_whether_or_not_it_was_swept(
    ledger: Ledger, make: Maker
) -> None:
    """What is past its time is neither listed nor handed over, though nobody has ended it yet."""
    ends = make.now + MINUTE
    await make.dispatched(ledger, make.acceptance(expires=ends), make.acceptance())
    queue, just_before = ["MX.GT.intelligence"], ends - timedelta(microseconds=1)

    before = await ledger.deliveries.waiting(queue, limit=9, now=just_before)
    after = await ledger.deliveries.waiting(queue, limit=9, now=ends)
    leased = await ledger.deliveries.lease(
        [1, 2], queues=QUEUES, holder="a", now=ends, until=ends + MINUTE
    )

    assert [number for number, _ in before] == [1, 2]
    assert [number for number, _ in after] == [2]
    assert [one.number for one in leased] == [2]


async def test_lease_numbers_every_hand_over_when_two_processes_lease(
    world: World, make: Maker
) -> None:
    """Each delivery goes to one of two processes; numbers rise by one over both."""
    async with world.open() as one, world.open() as two:
        await make.dispatched(one, *(make.acceptance() for _ in range(30)))
        leases = await asyncio.gather(
            *(
                ledger.deliveries.lease(
                    range(start, start + 10),
                    queues=QUEUES,
                    holder=name,
                    now=make.now,
                    until=make.now + MINUTE,
                )
                for start in (1, 11, 21)
                for name, ledger in (("one", one), ("two", two))
            )
        )

    handed = [hand_over for lease in leases for hand_over in lease]
    assert sorted(one.number for one in handed) == list(range(1, 31))
    assert sorted(one.hand_over for one in handed) == list(range(1, 31))


async def test_release_ends_a_holders_leases_and_says_which(ledger: Ledger, make: Maker) -> None:
    """They are dispatched and free again; what others hold stays."""
    await make.handed(ledger, make.acceptance(), make.acceptance(), holder="a")
    await make.dispatched(ledger, make.acceptance())
    await ledger.deliveries.lease(
        [3], queues=QUEUES, holder="b", now=make.now, until=make.now + MINUTE
    )

    released = await ledger.deliveries.release(queues=QUEUES, holder="a", now=make.now)

    assert released == [1, 2]
    assert await ledger.deliveries.states([1, 2, 3]) == {
        1: DeliveryState.DISPATCHED,
        2: DeliveryState.DISPATCHED,
        3: DeliveryState.DELIVERED,
    }
    waiting = await ledger.deliveries.waiting(["MX.GT.intelligence"], limit=9, now=make.now)
    assert [number for number, _ in waiting] == [1, 2]
    assert await ledger.deliveries.release(queues=QUEUES, holder="a", now=make.now) == []


async def test_release_ends_only_later_hand_overs_when_told_after_which(
    ledger: Ledger, make: Maker
) -> None:
    """A desk that saw up to a hand-over gets only the later ones again."""
    handed = await make.handed(ledger, *(make.acceptance() for _ in range(3)), holder="a")

    released = await ledger.deliveries.release(
        queues=QUEUES, holder="a", after=handed[1].hand_over, now=make.now
    )

    assert released == [handed[2].number]


async def test_release_says_nothing_of_a_lease_that_ended_by_itself(
    ledger: Ledger, make: Maker
) -> None:
    """What may be another's already is not the holder's to end."""
    await make.handed(ledger, make.acceptance(), holder="a")

    assert (
        await ledger.deliveries.release(queues=QUEUES, holder="a", now=make.now + 2 * MINUTE) == []
    )


async def test_republish_returns_to_the_relay_what_is_not_final(
    ledger: Ledger, make: Maker
) -> None:
    """Dispatched ones and those whose lease has ended are free and claimable; final ones stay."""
    handed = await make.handed(ledger, *(make.acceptance() for _ in range(2)))
    await make.dispatched(ledger, make.acceptance())
    await ledger.deliveries.answer(make.answer(handed[0]), now=make.now, sign=make.sign)
    late = make.now + MINUTE

    republished = await ledger.deliveries.republish([1, 2, 3, 99], now=late)

    claimed = await ledger.deliveries.claim_unpublished(
        limit=9, claimant="a", now=late, until=late + MINUTE
    )
    leased = await ledger.deliveries.lease(
        [2], queues=QUEUES, holder="b", now=late, until=late + MINUTE
    )
    assert (republished.returned, republished.held) == ([2, 3], [])
    assert [one.number for one in claimed] == [2, 3]
    assert [one.attempt for one in leased] == [2]
    assert await ledger.deliveries.states([1]) == {1: DeliveryState.ACKNOWLEDGED}


async def test_republish_leaves_alone_what_a_desk_has_leased(ledger: Ledger, make: Maker) -> None:
    """Its lease runs on, and all that another copy needs is told instead."""
    acceptance = make.acceptance()
    [handed] = await make.handed(ledger, acceptance)

    republished = await ledger.deliveries.republish([handed.number], now=make.now)

    [held] = republished.held
    assert list(republished.returned) == []
    assert (held.number, held.queue, held.sealed) == (1, handed.queue, acceptance.sealed)
    assert await ledger.deliveries.states([1]) == {1: DeliveryState.DELIVERED}
    assert await ledger.deliveries.unpublished_count() == 0


async def test_lease_leaves_out_what_lies_in_another_queue(ledger: Ledger, make: Maker) -> None:
    """A number that comes from a foreign queue, or another exchange's, opens no door."""
    await make.dispatched(ledger, make.acceptance())

    leased = await ledger.deliveries.lease(
        [1], queues=["MX.PA.protection"], holder="a", now=make.now, until=make.now + MINUTE
    )

    assert not leased


async def test_depths_count_in_the_order_asked_with_zeros(ledger: Ledger, make: Maker) -> None:
    """Waiting, leased and the oldest's time, for every queue that was asked for."""
    await make.dispatched(ledger, *(make.acceptance() for _ in range(3)))
    await ledger.messages.record(make.acceptance(), sign=make.sign)
    await ledger.deliveries.lease(
        [1], queues=QUEUES, holder="a", now=make.now, until=make.now + MINUTE
    )

    empty, full = await ledger.deliveries.depths(
        ["MX.PA.protection", "MX.GT.intelligence"], now=make.now
    )
    (later,) = await ledger.deliveries.depths(["MX.GT.intelligence"], now=make.now + MINUTE)

    assert (empty.queue, empty.waiting, empty.leased) == ("MX.PA.protection", 0, 0)
    assert empty.oldest_accepted_at is None
    assert (full.queue, full.waiting, full.leased) == ("MX.GT.intelligence", 2, 1)
    assert (later.waiting, later.leased) == (3, 0)
    assert full.oldest_accepted_at == make.now

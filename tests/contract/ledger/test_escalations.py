"""The contract of ``RequestLedger``: who is told what is overdue, and how often?"""

import asyncio

import pytest

from broker.errors import LedgerUnavailableError
from broker.model.events import Notice
from broker.model.names import DeliveryNumber
from broker.storage.ledger import Ledger
from schemas.vocabulary import Country
from tests.contract.ledger.asked import DAY, HOUR, LATER, listed, record, reply, request
from tests.contract.ledger.test_failures import FAULTS, faulty
from tests.contract.ledger.world import NOW, Maker, World


def notice(country: Country, subject: int) -> Notice:
    """Make a notice about an overdue request."""
    return Notice(
        country=country,
        at=LATER,
        event="request-overdue",
        subject=bytes([subject]) * 32,
        token=f"signed for {country}",
    )


BOTH = (notice(Country.MEXICO, 1), notice(Country.GUATEMALA, 2))


async def told(ledger: Ledger) -> list[Notice]:
    """What both countries were told."""
    return [
        one.notice
        for country in (Country.MEXICO, Country.GUATEMALA)
        for one in await ledger.keys.notices(country, limit=9)
    ]


@pytest.mark.parametrize("fault", FAULTS)
async def test_escalate_tells_once_when_an_attempt_failed(
    world: World, make: Maker, fault: str
) -> None:
    """Note and notices are one transaction: both are there, or neither, and never twice."""
    async with faulty(world) as (ledger, database):
        await record(ledger, make, request(make, reply_by=LATER))
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await ledger.requests.escalate(DeliveryNumber(1), BOTH, at=LATER)
        after_the_fault = await told(ledger)
        waits = await ledger.requests.to_escalate(now=LATER, limit=9)

        is_new = await ledger.requests.escalate(DeliveryNumber(1), BOTH, at=LATER)

        assert is_new is (fault == FAULTS[0])
        assert after_the_fault == ([] if is_new else [*BOTH])
        assert len(waits) == is_new
        assert await told(ledger) == [*BOTH]
        assert await ledger.requests.to_escalate(now=LATER, limit=9) == []
        [one] = await listed(ledger)
        assert one.escalated_at == LATER


async def test_escalate_is_done_by_one_of_two_processes(world: World, make: Maker) -> None:
    """Whoever comes second writes nothing."""
    async with world.open() as one, world.open() as two:
        await record(one, make, request(make, reply_by=LATER))

        done = await asyncio.gather(
            *(
                ledger.requests.escalate(DeliveryNumber(1), BOTH, at=LATER)
                for ledger in (one, two) * 3
            )
        )

        assert sorted(done) == [False] * 5 + [True]
        assert await told(two) == [*BOTH]


async def test_escalate_does_nothing_when_it_was_answered_or_is_not_due(
    ledger: Ledger, make: Maker
) -> None:
    """An answer that came in between is not complained of."""
    asked = request(make, reply_by=LATER)
    await record(ledger, make, asked, request(make))
    early = await ledger.requests.escalate(DeliveryNumber(2), BOTH, at=LATER)
    waiting = await ledger.requests.to_escalate(now=LATER, limit=9)
    await record(ledger, make, reply(make, asked))

    late = await ledger.requests.escalate(DeliveryNumber(1), BOTH, at=LATER)

    assert (early, late) == (False, False)
    assert [one.delivery for one in waiting] == [1]
    assert await told(ledger) == []


async def test_reply_closes_the_clock_when_it_was_escalated(ledger: Ledger, make: Maker) -> None:
    """It stays on record that it was late."""
    asked = request(make, reply_by=LATER)
    await record(ledger, make, asked)
    await ledger.requests.escalate(DeliveryNumber(1), BOTH, at=LATER)

    await record(ledger, make, reply(make, asked, at=NOW + DAY))

    [one] = await listed(ledger)
    assert (one.outcome, one.closed_at, one.escalated_at) == ("answered", NOW + DAY, LATER)


async def test_to_escalate_lists_the_longest_overdue_first(ledger: Ledger, make: Maker) -> None:
    """A few at a time, and at its very moment what is due."""
    asked = [request(make, reply_by=NOW + hours * HOUR) for hours in (3, 1, 2, 4)]
    await record(ledger, make, *asked)

    found = await ledger.requests.to_escalate(now=NOW + 3 * HOUR, limit=9)
    first = await ledger.requests.to_escalate(now=NOW + 3 * HOUR, limit=2)
    rest = await ledger.requests.to_escalate(now=NOW + 3 * HOUR, after=first[-1], limit=2)

    assert [one.message_id for one in found] == [asked[n].message_id for n in (1, 2, 0)]
    assert first == found[:2]
    assert rest == found[2:]


async def test_to_escalate_lists_what_is_due_together_when_a_page_ends_between(
    ledger: Ledger, make: Maker
) -> None:
    """The copies of one request are due at one moment; none of them is passed over."""
    await record(ledger, make, *[request(make, reply_by=LATER) for _ in range(3)])

    [first] = await ledger.requests.to_escalate(now=LATER, limit=1)
    await ledger.requests.escalate(first.delivery, BOTH, at=LATER)
    rest = await ledger.requests.to_escalate(now=LATER, after=first, limit=9)

    assert [one.delivery for one in (first, *rest)] == [1, 2, 3]

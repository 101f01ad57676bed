"""The contract of ``RequestLedger``: who reads of which requests?"""

from dataclasses import replace

from broker.model.names import DeskRef, MessageId, channel_queue
from broker.ports.requests import RequestState, RoadRequests, SentFrom
from broker.storage.ledger import Ledger
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.asked import (
    CHANNEL,
    DAY,
    HONDURAS,
    HOUR,
    MEXICO,
    PANAMA,
    PNC,
    POLICIA,
    listed,
    record,
    reply,
    request,
)
from tests.contract.ledger.world import FISCALIA, GUATEMALA, NOW, Maker


async def test_requests_are_listed_by_state_and_page(ledger: Ledger, make: Maker) -> None:
    """Each has one state at a moment; a page goes on behind the last of the one before."""
    asked = [request(make, reply_by=NOW + hours * HOUR) for hours in (1, 2, 3, 4)]
    await record(ledger, make, *asked, reply(make, asked[0]))
    now = NOW + 3 * HOUR

    by_state = {state: await listed(ledger, state=state, now=now) for state in RequestState}
    first = await listed(ledger, limit=3)
    rest = await listed(ledger, limit=3, after=first[-1].delivery)

    ids = {state: [one.message_id for one in found] for state, found in by_state.items()}
    assert ids == {
        RequestState.CLOSED: [asked[0].message_id],
        # At its very moment it is overdue.
        RequestState.OVERDUE: [asked[1].message_id, asked[2].message_id],
        RequestState.OPEN: [asked[3].message_id],
    }
    assert all(one.state(now) is state for state, found in by_state.items() for one in found)
    assert [one.message_id for one in (*first, *rest)] == [one.message_id for one in asked]


async def test_requests_are_shown_to_the_two_sides_only(ledger: Ledger, make: Maker) -> None:
    """An agency sees its own, its country's where it may, and no other country's."""
    protection = replace(GUATEMALA, compartment=Compartment.PROTECTION)
    mine = request(make, desks=(protection,))
    others = request(make, sender=POLICIA)
    hidden = request(make, sender=POLICIA, desks=(protection,))
    await record(ledger, make, mine, others, hidden)
    crime = frozenset({Compartment.INTELLIGENCE})

    async def ids(whose: SentFrom | DeskRef) -> list[MessageId]:
        return [one.message_id for one in await listed(ledger, whose=whose)]

    assert await ids(SentFrom(agency=FISCALIA, compartments=crime)) == [
        mine.message_id,
        others.message_id,
    ]
    assert await ids(SentFrom(agency=FISCALIA, compartments=frozenset())) == [mine.message_id]
    assert await ids(SentFrom(agency=PNC, compartments=frozenset(Compartment))) == []
    assert await ids(GUATEMALA) == [others.message_id]
    assert await ids(protection) == [mine.message_id, hidden.message_id]
    assert await ids(MEXICO) == []


async def test_waiting_by_road_counts_what_is_not_answered(ledger: Ledger, make: Maker) -> None:
    """Pairs and channels by their queues; a road on which all was answered is left out."""
    one = request(make, reply_by=NOW + HOUR)
    two = request(make, desks=(GUATEMALA, PANAMA))
    three = request(make, channel=CHANNEL)
    done = request(make, desks=(HONDURAS,))
    answer = reply(make, done, sender=replace(PNC, country=Country.HONDURAS))
    await record(ledger, make, one, two, three, done, answer)

    assert await ledger.requests.waiting_by_road(now=NOW + HOUR) == [
        RoadRequests(
            road=one.routes[0].queue, channel=None, open=1, overdue=1, first_due=NOW + HOUR
        ),
        RoadRequests(
            road=two.routes[1].queue, channel=None, open=1, overdue=0, first_due=NOW + 3 * DAY
        ),
        RoadRequests(
            road=channel_queue(CHANNEL, Country.GUATEMALA),
            channel=CHANNEL,
            open=1,
            overdue=0,
            first_due=NOW + 3 * DAY,
        ),
    ]

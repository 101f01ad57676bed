"""The contract of ``RequestLedger``, on both databases: clocks open, run and close (SG-13)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, select

from broker.errors import LedgerUnavailableError
from broker.model.events import Notice, RefusalReason
from broker.model.facts import Facts
from broker.model.message import Acceptance, Route
from broker.model.names import (
    AgencyRef,
    DeliveryNumber,
    DeskRef,
    LogPosition,
    MessageId,
    channel_queue,
)
from broker.ports.requests import (
    EXPIRED,
    RECALLED,
    RETURNED,
    ConvenedQuestion,
    Request,
    RequestQuestion,
    RequestState,
    RoadRequests,
    SentFrom,
)
from broker.storage.clocks import close_clocks
from broker.storage.ledger import Ledger
from broker.storage.tables import deliveries, messages
from broker.storage.transaction import Transaction
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency
from tests.contract.ledger.test_failures import FAULTS, faulty
from tests.contract.ledger.world import FISCALIA, GUATEMALA, NOW, Maker, World

POLICIA = AgencyRef(country=Country.MEXICO, agency="policia")
PNC = AgencyRef(country=Country.GUATEMALA, agency="pnc")
PANAMENIAN = AgencyRef(country=Country.PANAMA, agency="mp")
MEXICO = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
PANAMA = DeskRef(country=Country.PANAMA, compartment=Compartment.INTELLIGENCE)
CHANNEL = ChannelName("hlsg-mx-gt")
GT, PROTECTION = Country.GUATEMALA, Compartment.PROTECTION
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOW + HOUR
FIRST = DeliveryNumber(0)
EVERYWHERE = SentFrom(agency=FISCALIA, compartments=frozenset(Compartment))


def facts(**changes: object) -> Facts:
    """Make what is known of a content."""
    made = Facts(handling=HandlingCode.H1, purpose="criminal_investigation", review_by=NOW + DAY)
    return replace(made, **changes)  # type: ignore[arg-type] # named by the caller


def request(
    make: Maker,
    *,
    desks: tuple[DeskRef, ...] = (GUATEMALA,),
    sender: AgencyRef = FISCALIA,
    channel: ChannelName | None = None,
    message_id: str | None = None,
    reply_by: datetime | None = None,
) -> Acceptance:
    """Make a request, due in three days unless its sender says earlier."""
    made = make.acceptance(desks=desks, sender=sender, message_id=message_id)
    made = replace(
        made,
        kind=Kind.INFORMATION_REQUEST,
        urgency=Urgency.PRIORITY,
        facts=facts(reply_by=reply_by),
    )
    return made if channel is None else over(channel, made)


def over(channel: ChannelName, acceptance: Acceptance) -> Acceptance:
    """Send it over a channel."""
    routes = tuple(
        Route(desk=one.desk, queue=channel_queue(channel, one.desk.country), rule="channel-member")
        for one in acceptance.routes
    )
    return replace(acceptance, channel=channel, routes=routes)


def reply(
    make: Maker,
    asked: Acceptance,
    outcome: str = "answered",
    *,
    sender: AgencyRef = PNC,
    desks: tuple[DeskRef, ...] = (MEXICO,),
    at: datetime = LATER,
    ground: str | None = None,
) -> Acceptance:
    """Make a reply to a message."""
    return replace(
        make.acceptance(desks=desks, sender=sender),
        kind=Kind.REPLY,
        accepted_at=at,
        facts=facts(in_reply_to=asked.message_id, reply_outcome=outcome, refusal_ground=ground),
    )


async def record(ledger: Ledger, make: Maker, *acceptances: Acceptance) -> None:
    """Record messages, one after the other."""
    for one in acceptances:
        await ledger.messages.record(one, sign=make.sign)


async def listed(
    ledger: Ledger,
    *,
    whose: SentFrom | DeskRef = EVERYWHERE,
    state: RequestState | None = None,
    now: datetime = NOW,
    after: DeliveryNumber = FIRST,
    limit: int = 50,
) -> Sequence[Request]:
    """Ask for requests."""
    return await ledger.requests.requests(
        RequestQuestion(whose=whose, state=state, now=now, after=after, limit=limit)
    )


@pytest.mark.parametrize(
    ("urgency", "reply_by", "due"),
    [
        (Urgency.FLASH, None, 8 * HOUR),
        (Urgency.IMMEDIATE, None, 8 * HOUR),
        (Urgency.PRIORITY, None, 3 * DAY),
        (Urgency.ROUTINE, None, 7 * DAY),
        (Urgency.FLASH, 2 * HOUR, 2 * HOUR),
        (Urgency.ROUTINE, 2 * DAY, 2 * DAY),
        (Urgency.IMMEDIATE, 5 * DAY, 8 * HOUR),
        (Urgency.PRIORITY, 9 * DAY, 3 * DAY),
    ],
)
@pytest.mark.parametrize("kind", [Kind.INFORMATION_REQUEST, Kind.JUDICIAL_REQUEST])
async def test_record_opens_a_clock_for_each_recipient_when_it_is_a_request(
    ledger: Ledger,
    make: Maker,
    kind: Kind,
    urgency: Urgency,
    reply_by: timedelta | None,
    due: timedelta,
) -> None:
    """It is due by its urgency, or when the sender says, if that is earlier."""
    moment = None if reply_by is None else NOW + reply_by
    asked = replace(
        make.acceptance(desks=(GUATEMALA, PANAMA)),
        kind=kind,
        urgency=urgency,
        facts=facts(reply_by=moment),
    )

    await record(ledger, make, asked)

    found = await listed(ledger)
    assert [(one.desk, one.due, one.closed_at) for one in found] == [
        (GUATEMALA, NOW + due, None),
        (PANAMA, NOW + due, None),
    ]
    assert found[0] == Request(
        delivery=DeliveryNumber(1),
        message_id=asked.message_id,
        kind=kind,
        origin=FISCALIA,
        desk=GUATEMALA,
        road=asked.routes[0].queue,
        channel=None,
        urgency=urgency,
        asked_at=NOW,
        due=NOW + due,
        closed_at=None,
        outcome=None,
        ground=None,
        escalated_at=None,
    )


async def test_record_opens_no_clock_when_nothing_is_asked(ledger: Ledger, make: Maker) -> None:
    """Every other kind waits for nothing, and an own copy asks its own country nothing."""
    for kind in set(Kind) - {Kind.INFORMATION_REQUEST, Kind.JUDICIAL_REQUEST}:
        await record(ledger, make, replace(make.acceptance(), kind=kind, facts=facts()))
    own = request(make, desks=(GUATEMALA, MEXICO), channel=CHANNEL)
    await record(ledger, make, own)

    assert [one.desk for one in await listed(ledger)] == [GUATEMALA]


async def test_record_opens_one_clock_when_a_request_is_repeated(
    ledger: Ledger, make: Maker
) -> None:
    """A replay a day later changes nothing about when it is due."""
    asked = request(make)

    await record(ledger, make, asked, replace(asked, accepted_at=NOW + DAY))

    [one] = await listed(ledger)
    assert one.due == NOW + 3 * DAY


@pytest.mark.parametrize(
    ("outcome", "ground", "closes"),
    [
        ("answered", None, True),
        ("partly_answered", None, True),
        ("no_record", None, True),
        ("refused", "harm_to_inquiry", True),
        ("permission_granted", None, True),
        ("permission_refused", "judicial_authorisation_missing", True),
        ("more_time", None, False),
        ("more_information_needed", None, False),
        ("forwarded", None, False),
        ("what_nobody_knows", None, False),
    ],
)
async def test_reply_closes_its_countrys_clock_when_it_answers(
    ledger: Ledger, make: Maker, outcome: str, ground: str | None, *, closes: bool
) -> None:
    """The other recipient still owes its answer; what does not answer is the last word only."""
    asked = request(make, desks=(GUATEMALA, PANAMA))

    await record(ledger, make, asked, reply(make, asked, outcome, ground=ground))

    guatemala, panama = await listed(ledger)
    assert (guatemala.outcome, guatemala.ground) == (outcome, ground)
    assert guatemala.closed_at == (LATER if closes else None)
    assert guatemala.due == NOW + 3 * DAY
    assert (panama.closed_at, panama.outcome) == (None, None)


async def test_reply_changes_nothing_when_another_closed_the_clock(
    ledger: Ledger, make: Maker
) -> None:
    """The first answer stands: neither a second reply nor a replay of the first moves it."""
    asked = request(make)
    first = reply(make, asked, "refused", ground="no_capacity")
    more = reply(make, asked, "more_time", at=NOW + 2 * HOUR)
    other = reply(make, asked, "answered", at=NOW + 3 * HOUR)

    await record(ledger, make, asked, first, more, other, replace(first, accepted_at=NOW + DAY))

    [one] = await listed(ledger)
    assert (one.outcome, one.ground, one.closed_at) == ("refused", "no_capacity", LATER)


async def test_reply_closes_the_clock_when_more_time_was_asked_before(
    ledger: Ledger, make: Maker
) -> None:
    """A delay is not held against the answer that comes after it."""
    asked = request(make)

    await record(ledger, make, asked, reply(make, asked, "more_time"))
    await record(ledger, make, reply(make, asked, "answered", at=NOW + 4 * DAY))

    [one] = await listed(ledger)
    assert (one.outcome, one.closed_at, one.due) == ("answered", NOW + 4 * DAY, NOW + 3 * DAY)


WRONG: dict[str, dict[str, object]] = {
    "another recipient's country": {"sender": PANAMENIAN},
    "a country that was not asked": {"sender": replace(PNC, country=Country.HONDURAS)},
    "the country that asked": {"sender": POLICIA, "desks": (GUATEMALA,)},
    "sent elsewhere": {"desks": (PANAMA,)},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_reply_closes_nothing_when_it_is_not_the_answer(
    ledger: Ledger, make: Maker, wrong: str
) -> None:
    """Only who was asked can answer, and only to who asked."""
    asked = request(make)

    await record(ledger, make, asked, reply(make, asked, **WRONG[wrong]))  # type: ignore[arg-type]

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)


async def test_reply_closes_nothing_when_it_is_of_another_compartment(
    ledger: Ledger, make: Maker
) -> None:
    """Police that copied the id of what the protection desk was asked do not answer for it."""
    asked = request(make, desks=(DeskRef(country=GT, compartment=PROTECTION),))
    asked = replace(asked, compartment=PROTECTION)

    await record(ledger, make, asked, reply(make, asked))

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)
    await record(ledger, make, replace(reply(make, asked), compartment=PROTECTION))
    [one] = await listed(ledger)
    assert one.outcome == "answered"


async def test_reply_closes_nothing_when_it_does_not_go_over_the_channel(
    ledger: Ledger, make: Maker
) -> None:
    """Who takes no part in a channel answers nothing that was asked there."""
    asked = request(make, channel=CHANNEL)

    await record(ledger, make, asked, reply(make, asked))

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)


async def test_reply_closes_nothing_when_no_request_is_named(ledger: Ledger, make: Maker) -> None:
    """A reply to a report, or to an unknown id, is recorded like any message."""
    asked, report = request(make), make.acceptance()
    nothing = replace(report, message_id=MessageId("018f0000-0000-7000-8000-ffffffffffff"))

    await record(ledger, make, asked, report, reply(make, report), reply(make, nothing))

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)


async def test_reply_answers_the_first_request_when_an_id_was_copied(
    ledger: Ledger, make: Maker
) -> None:
    """Who takes over another agency's id takes no answer with it; nor does another country."""
    asked = request(make)
    copied = request(make, sender=POLICIA, message_id=asked.message_id)
    foreign = request(make, sender=PANAMENIAN, message_id=asked.message_id)

    await record(ledger, make, asked, copied, foreign, reply(make, asked))

    mine, copy = await listed(ledger)
    [theirs] = await listed(ledger, whose=replace(EVERYWHERE, agency=PANAMENIAN))
    assert (mine.origin, mine.outcome) == (FISCALIA, "answered")
    assert (copy.outcome, theirs.outcome) == (None, None)


async def test_reply_goes_to_its_own_country_of_two_that_use_one_id(
    ledger: Ledger, make: Maker
) -> None:
    """The id alone decides nothing: it is the request of the country that the reply reaches."""
    foreign = request(make, sender=PANAMENIAN)
    asked = request(make, message_id=foreign.message_id)

    await record(ledger, make, foreign, asked, reply(make, asked))

    [mine] = await listed(ledger)
    [theirs] = await listed(ledger, whose=replace(EVERYWHERE, agency=PANAMENIAN))
    assert (mine.outcome, theirs.outcome) == ("answered", None)


async def test_reply_answers_over_the_channel_when_it_was_asked_there(
    ledger: Ledger, make: Maker
) -> None:
    """Each member answers for itself, also to one that has left the channel since."""
    asked = request(make, desks=(GUATEMALA, PANAMA), channel=CHANNEL)
    answer = over(CHANNEL, reply(make, asked, desks=(PANAMA,)))
    elsewhere = over(ChannelName("other"), reply(make, asked, sender=PANAMENIAN, desks=(HONDURAS,)))

    await record(ledger, make, asked, answer, elsewhere)

    guatemala, panama = await listed(ledger)
    assert (guatemala.channel, guatemala.outcome) == (CHANNEL, "answered")
    assert panama.outcome is None


HONDURAS = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)


async def test_clock_ends_when_nobody_read_the_request(ledger: Ledger, make: Maker) -> None:
    """What expired unread is closed as such, and a late reply changes nothing about that."""
    asked = replace(request(make), expires=NOW + HOUR)
    await record(ledger, make, asked)

    await ledger.deliveries.expire(now=NOW + 2 * HOUR, limit=9, sign=make.sign)
    await record(ledger, make, reply(make, asked, at=NOW + 3 * HOUR))

    [one] = await listed(ledger)
    assert (one.outcome, one.closed_at) == (EXPIRED, NOW + 2 * HOUR)


async def test_clock_runs_on_when_an_opened_request_expires(ledger: Ledger, make: Maker) -> None:
    """Who has read it owes the answer."""
    asked = replace(request(make), expires=NOW + HOUR)
    [handed] = await make.handed(ledger, asked)
    await ledger.deliveries.answer(make.answer(handed), now=NOW, sign=make.sign)

    await ledger.deliveries.expire(now=NOW + 2 * HOUR, limit=9, sign=make.sign)

    [one] = await listed(ledger)
    assert one.closed_at is None


async def test_clock_ends_when_the_desk_returns_the_request(ledger: Ledger, make: Maker) -> None:
    """Its sender has the desk's signed reason; the other desk still owes its answer."""
    asked = request(make, desks=(GUATEMALA, PANAMA))
    handed = await make.handed(ledger, asked)
    refused = make.answer(handed[0], reason=RefusalReason.NOT_COMPETENT)

    await ledger.deliveries.answer(refused, now=LATER, sign=make.sign)

    guatemala, panama = await listed(ledger)
    assert (guatemala.outcome, guatemala.closed_at) == (RETURNED, LATER)
    assert panama.closed_at is None


@pytest.mark.parametrize(
    ("reason", "runs_on"),
    [
        (RefusalReason.FACTS_NOT_TRUE, True),
        (RefusalReason.CANNOT_OPEN, True),
        (RefusalReason.CONTENT_NOT_VALID, True),
        (RefusalReason.SIGNATURE_NOT_VALID, True),
        (RefusalReason.NOT_COMPETENT, False),
        (RefusalReason.LEGAL_OBSTACLE, False),
    ],
)
async def test_clock_runs_on_when_the_reply_was_none(
    ledger: Ledger, make: Maker, reason: RefusalReason, *, runs_on: bool
) -> None:
    """Else whoever must answer seals rubbish, says that it is the answer, and owes nothing more."""
    asked = request(make, desks=(GUATEMALA, PANAMA))
    await record(ledger, make, asked)
    said = reply(make, asked, "refused", ground="no_capacity")
    await make.dispatched(ledger, said)
    queues = [route.queue for route in said.routes]
    waiting = await ledger.deliveries.waiting(queues, limit=10, now=NOW)
    await ledger.deliveries.lease(
        [number for number, _ in waiting], queues=queues, holder="desk", now=NOW, until=NOW + HOUR
    )
    returned = make.answer(said, desk=MEXICO, reason=reason)

    await ledger.deliveries.answer(returned, now=LATER + HOUR, sign=make.sign)

    guatemala, panama = await listed(ledger)
    assert (guatemala.closed_at is None) is runs_on
    assert (guatemala.outcome, guatemala.ground) == (
        (None, None) if runs_on else ("refused", "no_capacity")
    )
    assert panama.closed_at is None
    await record(ledger, make, reply(make, asked, at=LATER + DAY))
    guatemala, _ = await listed(ledger)
    assert guatemala.closed_at == (LATER + DAY if runs_on else LATER)


async def test_close_clocks_ends_what_still_runs(world: World, ledger: Ledger, make: Maker) -> None:
    """A recall ends the clocks of all recipients but of the one that had answered."""
    asked = request(make, desks=(GUATEMALA, PANAMA))
    await record(ledger, make, asked, reply(make, asked))

    def recall(connection: Connection) -> None:
        transaction = Transaction(connection, exclusive=True)
        numbers = connection.execute(
            select(deliveries.c.number)
            .join(messages, messages.c.number == deliveries.c.message)
            .where(messages.c.message_id == asked.message_id)
        ).scalars()
        close_clocks(transaction, [*numbers], outcome=RECALLED, at=NOW + DAY)

    await world.run(recall)

    guatemala, panama = await listed(ledger)
    assert (guatemala.outcome, guatemala.closed_at) == ("answered", LATER)
    assert (panama.outcome, panama.closed_at) == (RECALLED, NOW + DAY)


@pytest.mark.parametrize(("kind", "outcome"), [(Kind.RECALL, RECALLED), (Kind.RECTIFICATION, None)])
async def test_clock_ends_when_the_request_is_recalled(
    ledger: Ledger, make: Maker, kind: Kind, outcome: str | None
) -> None:
    """A recall ends the wait also for who has read it, and a late reply changes nothing."""
    asked = request(make, desks=(GUATEMALA, PANAMA))
    handed = await make.handed(ledger, asked)
    await ledger.deliveries.answer(make.answer(handed[0]), now=NOW, sign=make.sign)
    recall = replace(
        make.acceptance(desks=(GUATEMALA, PANAMA)),
        kind=kind,
        accepted_at=LATER,
        facts=facts(concerns=asked.message_id),
    )

    await record(ledger, make, recall)

    found = await listed(ledger)
    assert [one.outcome for one in found] == [outcome, outcome]
    assert [one.closed_at for one in found] == [LATER if outcome else None] * 2
    await record(ledger, make, reply(make, asked, at=NOW + DAY))
    assert (await listed(ledger))[0].outcome == (outcome or "answered")


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

    assert [one.message_id for one in found] == [asked[n].message_id for n in (1, 2, 0)]
    assert first == found[:2]


@pytest.mark.parametrize("fault", FAULTS)
async def test_record_keeps_request_and_clock_together_when_it_fails(
    world: World, make: Maker, fault: str
) -> None:
    """A request is never without its clock, nor a reply without what it closed."""
    async with faulty(world) as (ledger, database):
        asked = request(make)
        answer = reply(make, asked)
        for one in (asked, answer):
            database.fault = fault
            with pytest.raises(LedgerUnavailableError):
                await ledger.messages.record(one, sign=make.sign)
            is_there = await ledger.messages.find(one.sender, one.message_id, body_mac=one.body_mac)
            clocks = await listed(ledger)
            if one is asked:
                assert (is_there is not None) == (len(clocks) == 1)
            else:
                assert (is_there is not None) == (clocks[0].outcome == "answered")
            await ledger.messages.record(one, sign=make.sign)

        [clock] = await listed(ledger)
        assert clock.outcome == "answered"


async def test_reply_answers_only_what_came_before_when_both_share_a_group(
    ledger: Ledger, make: Maker
) -> None:
    """In whatever group they are committed, a reply closes nothing that was asked after it."""
    asked = request(make)
    answer = reply(make, asked)
    send = partial(ledger.messages.record, sign=make.sign)

    await asyncio.gather(send(answer), send(asked))

    [one] = await listed(ledger)
    assert one.outcome is None


def convening(**changes: object) -> ConvenedQuestion:
    """Ask for what is not answered in the channel."""
    question = ConvenedQuestion(
        channels=frozenset({CHANNEL}),
        only_overdue=False,
        now=NOW,
        after=LogPosition(0),
        limit=9,
    )
    return replace(question, **changes)  # type: ignore[arg-type] # named by the caller


async def test_convened_lists_each_request_once_with_who_has_not_answered(
    ledger: Ledger, make: Maker
) -> None:
    """Of these channels alone; whoever has answered is not among them."""
    both, other = (GUATEMALA, PANAMA), ChannelName("other")
    first = request(make, desks=both, channel=CHANNEL, reply_by=LATER)
    second = request(make, desks=both, channel=CHANNEL, sender=POLICIA)
    elsewhere = request(make, desks=both, channel=other)
    await record(ledger, make, first, second, request(make), elsewhere)
    numbers = [one.number for one in await ledger.requests.convened(convening())]
    await ledger.requests.escalate(DeliveryNumber(2), (), at=LATER)
    await record(ledger, make, over(CHANNEL, reply(make, first)))

    found = await ledger.requests.convened(convening())
    late = await ledger.requests.convened(convening(only_overdue=True, now=LATER))
    later = await ledger.requests.convened(convening(after=numbers[0]))
    page = await ledger.requests.convened(convening(limit=1))
    nowhere = await ledger.requests.convened(convening(channels=frozenset()))

    assert [(one.message_id, one.desks) for one in found] == [
        (first.message_id, (PANAMA,)),
        (second.message_id, both),
    ]
    assert (found[0].origin, found[0].channel, found[0].due) == (FISCALIA, CHANNEL, LATER)
    assert (found[0].escalated_at, found[1].escalated_at) == (LATER, None)
    assert found[0].state(NOW) is RequestState.OPEN
    assert found[0].state(LATER) is RequestState.OVERDUE
    assert late == page == found[:1]
    assert later == found[1:]
    assert nowhere == []


async def test_late_counts_the_recipients_of_one_message(ledger: Ledger, make: Maker) -> None:
    """Those who have not answered and should have; of no other message."""
    both = (GUATEMALA, PANAMA)
    first, other = (request(make, desks=both, channel=CHANNEL, reply_by=LATER) for _ in range(2))
    await record(ledger, make, first, other)
    early = await ledger.requests.late(DeliveryNumber(1), now=NOW)
    both_late = await ledger.requests.late(DeliveryNumber(1), now=LATER)
    await record(ledger, make, over(CHANNEL, reply(make, first)))

    assert (early, both_late) == (0, 2)
    assert await ledger.requests.late(DeliveryNumber(1), now=LATER) == 1

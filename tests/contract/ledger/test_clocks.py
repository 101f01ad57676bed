"""The contract of ``RequestLedger``: when does a clock open, and when end (SG-13)?"""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from broker.errors import LedgerUnavailableError
from broker.model.events import RefusalReason
from broker.model.message import Acceptance
from broker.model.names import DeliveryNumber
from broker.ports.requests import EXPIRED, RECALLED, RETURNED, Request
from broker.storage.clocks import close_clocks
from broker.storage.ledger import Ledger
from broker.storage.tables import deliveries, messages
from broker.storage.transaction import Transaction
from schemas.vocabulary import Kind, Urgency
from tests.contract.ledger.asked import (
    CHANNEL,
    DAY,
    HOUR,
    LATER,
    MEXICO,
    PANAMA,
    PANAMENIAN,
    facts,
    listed,
    record,
    reply,
    request,
)
from tests.contract.ledger.test_failures import FAULTS, faulty
from tests.contract.ledger.test_recalls import taking_back
from tests.contract.ledger.world import FISCALIA, GUATEMALA, NOW, Maker, World


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


async def test_clock_ends_when_nobody_read_the_request(ledger: Ledger, make: Maker) -> None:
    """What expired unread is closed as such; whoever answers it has read it all the same."""
    asked = replace(request(make), expires=NOW + HOUR)
    await record(ledger, make, asked)

    await ledger.deliveries.expire(now=NOW + 2 * HOUR, limit=9, sign=make.sign)
    [unread] = await listed(ledger)
    await record(ledger, make, reply(make, asked, at=NOW + 3 * HOUR))

    [answered] = await listed(ledger)
    assert (unread.outcome, unread.closed_at) == (EXPIRED, NOW + 2 * HOUR)
    assert (answered.outcome, answered.closed_at) == ("answered", NOW + 3 * HOUR)


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


def recall(make: Maker, subject: Acceptance) -> Acceptance:
    """Make a recall of a message, to whom that went."""
    made = make.acceptance(desks=tuple(subject.recipient_keys), sender=subject.sender)
    return replace(made, kind=Kind.RECALL, facts=facts(concerns=subject.message_id))


async def bring_back(ledger: Ledger, make: Maker, said: Acceptance) -> None:
    """Record a reply, and lease it to the desk of the country that asked."""
    await make.dispatched(ledger, said)
    queues = [route.queue for route in said.routes]
    waiting = await ledger.deliveries.waiting(queues, limit=10, now=NOW)
    await ledger.deliveries.lease(
        [number for number, _ in waiting], queues=queues, holder="desk", now=NOW, until=NOW + HOUR
    )


async def returned(ledger: Ledger, make: Maker, said: Acceptance, reason: RefusalReason) -> None:
    """Have a reply refused by the desk of the country that asked."""
    await bring_back(ledger, make, said)
    refusal = make.answer(said, desk=MEXICO, reason=reason)
    await ledger.deliveries.answer(refusal, now=LATER + HOUR, sign=make.sign)


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

    await returned(ledger, make, said, reason)

    guatemala, panama = await listed(ledger)
    assert (guatemala.closed_at is None) is runs_on
    assert (guatemala.outcome, guatemala.ground) == (
        (None, None) if runs_on else ("refused", "no_capacity")
    )
    assert panama.closed_at is None
    await record(ledger, make, reply(make, asked, at=LATER + DAY))
    guatemala, _ = await listed(ledger)
    assert guatemala.closed_at == (LATER + DAY if runs_on else LATER)


@pytest.mark.parametrize("ending", [EXPIRED, RECALLED, RETURNED])
async def test_clock_stays_ended_when_an_interim_reply_was_none(
    ledger: Ledger, make: Maker, ending: str
) -> None:
    """What ended without an answer had nothing to do with the reply that is returned now."""
    asked = replace(request(make), expires=NOW + HOUR)
    [handed] = await make.handed(ledger, asked)
    said = reply(make, asked, "more_time")
    await record(ledger, make, said)
    if ending == EXPIRED:
        await ledger.deliveries.expire(now=LATER, limit=9, sign=make.sign)
    elif ending == RETURNED:
        refused = make.answer(handed, reason=RefusalReason.NOT_COMPETENT)
        await ledger.deliveries.answer(refused, now=LATER, sign=make.sign)
    else:
        await record(ledger, make, replace(recall(make, asked), accepted_at=LATER))

    await returned(ledger, make, said, RefusalReason.CANNOT_OPEN)

    [one] = await listed(ledger)
    assert (one.outcome, one.closed_at) == (ending, LATER)
    assert await ledger.requests.to_escalate(now=NOW + 10 * DAY, limit=9) == []


async def test_clock_runs_on_when_the_desk_had_the_request_that_expired(
    ledger: Ledger, make: Maker
) -> None:
    """It was handed over in time and opened: who has read it owes the answer."""
    asked = replace(request(make, desks=(GUATEMALA, PANAMA)), expires=NOW + HOUR)
    handed, _ = await make.handed(ledger, asked)
    await ledger.deliveries.expire(now=LATER, limit=9, sign=make.sign)

    for _ in range(2):
        await ledger.deliveries.answer(make.answer(handed), now=LATER, sign=make.sign)

    guatemala, panama = await listed(ledger)
    assert (guatemala.outcome, guatemala.closed_at) == (None, None)
    assert (panama.outcome, panama.closed_at) == (EXPIRED, LATER)
    overdue = await ledger.requests.to_escalate(now=NOW + 10 * DAY, limit=9)
    assert [one.desk for one in overdue] == [GUATEMALA]


@pytest.mark.parametrize("first", [EXPIRED, RECALLED])
async def test_clock_stays_ended_when_the_desk_had_what_was_recalled(
    ledger: Ledger, make: Maker, first: str
) -> None:
    """Nobody owes an answer to what its originator took back, in whatever order that came."""
    asked = replace(request(make), expires=NOW + HOUR)
    [handed] = await make.handed(ledger, asked)
    taken_back = replace(recall(make, asked), accepted_at=LATER)
    if first == RECALLED:
        await record(ledger, make, taken_back)
    await ledger.deliveries.expire(now=LATER, limit=9, sign=make.sign)
    await record(ledger, make, taken_back)

    await ledger.deliveries.answer(make.answer(handed), now=LATER, sign=make.sign)

    [one] = await listed(ledger)
    assert (one.outcome, one.closed_at) == (first, LATER)


@pytest.mark.parametrize("outcome", ["answered", "more_time"])
async def test_clock_runs_on_when_the_reply_is_recalled_unread(
    ledger: Ledger, make: Maker, outcome: str
) -> None:
    """An answer that its own author took back before anybody read it is none."""
    asked = request(make, desks=(GUATEMALA, PANAMA))
    others = reply(make, asked, sender=PANAMENIAN)
    said = reply(make, asked, outcome)
    await record(ledger, make, asked, others, said)

    await record(ledger, make, recall(make, said))

    guatemala, panama = await listed(ledger)
    assert (guatemala.outcome, guatemala.closed_at) == (None, None)
    assert (panama.outcome, panama.closed_at) == ("answered", LATER)
    again = reply(make, asked, at=NOW + DAY)
    await record(ledger, make, again)
    guatemala, _ = await listed(ledger)
    assert (guatemala.outcome, guatemala.closed_at) == ("answered", NOW + DAY)


@pytest.mark.parametrize("kind", [Kind.RECALL, Kind.RECTIFICATION])
async def test_clock_stays_answered_when_the_reply_was_read_or_only_rectified(
    ledger: Ledger, make: Maker, kind: Kind
) -> None:
    """Who asked has had the answer; that it was wrong is another matter."""
    asked = request(make)
    said = reply(make, asked)
    await record(ledger, make, asked)
    await bring_back(ledger, make, said)
    if kind is Kind.RECALL:
        acknowledged = make.answer(said, desk=MEXICO)
        await ledger.deliveries.answer(acknowledged, now=LATER, sign=make.sign)

    await record(ledger, make, replace(recall(make, said), kind=kind))

    [one] = await listed(ledger)
    assert (one.outcome, one.closed_at) == ("answered", LATER)


async def test_clock_runs_on_when_the_reply_runs_out_unread(ledger: Ledger, make: Maker) -> None:
    """A short time ends no wait, and hides no lie: who gave it still owes an answer."""
    asked = request(make)
    await record(ledger, make, asked)
    said = replace(reply(make, asked, "answered"), expires=LATER)
    await bring_back(ledger, make, said)
    await ledger.deliveries.expire(now=LATER, limit=9, sign=make.sign)
    assert [each.closed_at for each in await listed(ledger)] == [None]

    refusal = make.answer(said, desk=MEXICO, reason=RefusalReason.FACTS_NOT_TRUE)
    await ledger.deliveries.answer(refusal, now=LATER + HOUR, sign=make.sign)

    assert [each.closed_at for each in await listed(ledger)] == [None]


async def test_clock_of_a_recalled_request_stays_ended_when_its_reply_is_returned(
    ledger: Ledger, make: Maker
) -> None:
    """The recall is spent: a clock that ran again would run for ever."""
    asked = request(make)
    await record(ledger, make, asked)
    said = reply(make, asked, "answered")
    await bring_back(ledger, make, said)
    await record(ledger, make, taking_back(make, asked))

    refusal = make.answer(said, desk=MEXICO, reason=RefusalReason.FACTS_NOT_TRUE)
    await ledger.deliveries.answer(refusal, now=LATER + HOUR, sign=make.sign)

    assert [each.closed_at for each in await listed(ledger)] != [None]


async def test_close_clocks_ends_what_still_runs(world: World, ledger: Ledger, make: Maker) -> None:
    """A recall ends the clocks of all recipients but of the one that had answered."""
    asked = request(make, desks=(GUATEMALA, PANAMA))
    await record(ledger, make, asked, reply(make, asked))

    def end(connection: Connection) -> None:
        transaction = Transaction(connection, exclusive=True)
        numbers = connection.execute(
            select(deliveries.c.number)
            .join(messages, messages.c.number == deliveries.c.message)
            .where(messages.c.message_id == asked.message_id)
        ).scalars()
        close_clocks(transaction, [*numbers], outcome=RECALLED, at=NOW + DAY)

    await world.run(end)

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

    await record(ledger, make, replace(recall(make, asked), kind=kind, accepted_at=LATER))

    found = await listed(ledger)
    assert [one.outcome for one in found] == [outcome, outcome]
    assert [one.closed_at for one in found] == [LATER if outcome else None] * 2
    await record(ledger, make, reply(make, asked, at=NOW + DAY))
    assert (await listed(ledger))[0].outcome == (outcome or "answered")


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

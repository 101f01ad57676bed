"""The contract of recording a recall or rectification: what becomes of the copies (SG-07)."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from broker.model.answers import DeskDisposition, UseStatement
from broker.model.events import DeliveryState, EventKind
from broker.model.facts import Facts
from broker.model.message import Acceptance
from broker.model.names import NO_KEY, AgencyRef, DeliveryNumber, DeskRef
from broker.model.status import OrderStatus
from broker.ports.deliveries import UseDenied
from broker.ports.keys import Rewrap
from broker.ports.recalls import NotFitting
from broker.storage.ledger import Ledger
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country, Disposition, HandlingCode, KeptReason, Kind
from tests.contract.ledger.sealed import entry
from tests.contract.ledger.world import DESK_TOKEN, GUATEMALA, NOW, QUEUES, Maker, World

HONDURAS = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
REVIEW = datetime(2027, 1, 1, tzinfo=UTC)


def taking_back(make: Maker, subject: Acceptance, kind: Kind = Kind.RECALL) -> Acceptance:
    """Make a recall, or rectification, of a message."""
    facts = Facts(
        handling=HandlingCode.H1,
        purpose="investigation",
        review_by=REVIEW,
        concerns=subject.message_id,
    )
    desks = tuple(subject.recipient_keys)
    return replace(make.acceptance(desks=desks, sender=subject.sender), kind=kind, facts=facts)


async def states(ledger: Ledger, message: Acceptance) -> list[DeliveryState]:
    """How far have the copies of a message come?"""
    status = await ledger.messages.status(message.sender, message.message_id)
    return [each.state for each in status.recipients]


@pytest.mark.parametrize("before", ["accepted", "dispatched", "leased", "dead-lettered"])
async def test_recall_ends_every_copy_that_might_still_be_handed_over(
    world: World, ledger: Ledger, make: Maker, before: str
) -> None:
    """Whatever its state, it is recalled with an entry in the log, and leased to nobody."""
    subject = make.acceptance()
    if before == "accepted":
        await ledger.messages.record(subject, sign=make.sign)
    elif before == "dispatched":
        await make.dispatched(ledger, subject)
    else:
        [handed] = await make.handed(ledger, subject)
    if before == "dead-lettered":
        await ledger.deliveries.dead_letter([handed.number], now=make.now, sign=make.sign)

    await ledger.messages.record(taking_back(make, subject), sign=make.sign)

    leased = await ledger.deliveries.lease(
        [1],
        queues=QUEUES,
        holder="desk",
        now=make.now + timedelta(hours=1),
        until=make.now + timedelta(hours=2),
    )
    assert list(leased) == []
    assert await states(ledger, subject) == [DeliveryState.RECALLED]
    kinds = [event.kind for _, event in make.sign.events if event.message_id == subject.message_id]
    assert kinds[-1] is EventKind.RECALLED
    positions = await world.positions()
    assert positions == list(range(1, len(positions) + 1))


async def test_recall_asks_nothing_of_a_desk_that_never_had_the_message(
    ledger: Ledger, make: Maker
) -> None:
    """Its order is born answered, and the recall itself is not handed over."""
    subject = make.acceptance()
    await make.dispatched(ledger, subject)
    recall = taking_back(make, subject)

    await ledger.messages.record(recall, sign=make.sign)

    [recipient] = (await ledger.messages.status(recall.sender, recall.message_id)).recipients
    assert recipient.state is DeliveryState.RECALLED
    assert recipient.order.disposition is Disposition.DESTROYED
    assert recipient.order.answered_at == make.now
    assert recipient.order.desk_evidence is None
    assert recipient.order.receipt == f"4:recalled:{recall.message_id}"
    assert await ledger.deliveries.unpublished_count() == 0


async def test_recall_opens_an_order_at_the_desks_that_may_have_it(
    ledger: Ledger, make: Maker
) -> None:
    """Who was handed the message gets the recall and must answer; others are left in peace."""
    subject = make.acceptance(desks=(GUATEMALA, HONDURAS))
    await make.dispatched(ledger, subject)
    [handed] = await ledger.deliveries.lease(
        [1], queues=QUEUES, holder="desk", now=make.now, until=make.now + timedelta(minutes=1)
    )
    await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
    recall = taking_back(make, subject)

    await ledger.messages.record(recall, sign=make.sign)

    first, second = (await ledger.messages.status(recall.sender, recall.message_id)).recipients
    assert (first.state, first.order.answered_at) == (DeliveryState.ACCEPTED, None)
    assert second.state is DeliveryState.RECALLED
    assert await states(ledger, subject) == [
        DeliveryState.ACKNOWLEDGED,
        DeliveryState.RECALLED,
    ]


async def test_acknowledge_counts_when_the_copy_was_leased_before_the_recall(
    ledger: Ledger, make: Maker
) -> None:
    """The desk has it: the sender learns so, and its order stays open."""
    subject = make.acceptance()
    [handed] = await make.handed(ledger, subject)
    recall = taking_back(make, subject)
    await ledger.messages.record(recall, sign=make.sign)

    await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)

    assert await states(ledger, subject) == [DeliveryState.ACKNOWLEDGED]
    [recipient] = (await ledger.messages.status(recall.sender, recall.message_id)).recipients
    assert recipient.order.answered_at is None


async def test_rectification_lets_the_copies_go_on(ledger: Ledger, make: Maker) -> None:
    """The message is still delivered and its correction follows; each desk must answer."""
    subject = make.acceptance()
    await make.dispatched(ledger, subject)
    rectification = taking_back(make, subject, Kind.RECTIFICATION)

    await ledger.messages.record(rectification, sign=make.sign)

    assert await states(ledger, subject) == [DeliveryState.DISPATCHED]
    status = await ledger.messages.status(rectification.sender, rectification.message_id)
    assert status.recipients[0].state is DeliveryState.ACCEPTED
    assert status.recipients[0].order.answered_at is None


async def test_recall_changes_nothing_when_it_is_posted_again(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """The first answer comes again, and nothing is written."""
    subject = make.acceptance()
    recall = taking_back(make, subject)
    for each in (subject, recall):
        await ledger.messages.record(each, sign=make.sign)
    before = await world.positions()

    again = await ledger.messages.record(recall, sign=make.sign)

    assert again.replayed
    assert await world.positions() == before


async def test_requeue_does_not_revive_what_was_recalled(ledger: Ledger, make: Maker) -> None:
    """No command of an operator sends it again."""
    subject = make.acceptance()
    [handed] = await make.handed(ledger, subject)
    await ledger.deliveries.dead_letter([handed.number], now=make.now, sign=make.sign)
    await ledger.messages.record(taking_back(make, subject), sign=make.sign)

    for dead_letters_only in (True, False):
        await ledger.deliveries.requeue(
            handed.queue, dead_letters_only=dead_letters_only, now=make.now, sign=make.sign
        )

    assert await states(ledger, subject) == [DeliveryState.RECALLED]


def said(
    recall: Acceptance,
    subject: Acceptance,
    disposition: Disposition = Disposition.DESTROYED,
) -> DeskDisposition:
    """Make Guatemala's answer to a recall."""
    return DeskDisposition(
        desk=GUATEMALA,
        recall=recall.message_id,
        origin=recall.sender,
        content_hash=recall.content_hash,
        subject=subject.message_id,
        disposition=disposition,
        because=KeptReason.COURT_ORDER if disposition is Disposition.KEPT else None,
        until=None,
        answered_at=NOW,
        token=f"signed: {disposition}",
    )


async def ordered(
    ledger: Ledger, make: Maker, kind: Kind = Kind.RECALL
) -> tuple[Acceptance, Acceptance]:
    """Have a message that its desk holds, and an open order about it."""
    subject = make.acceptance()
    [handed] = await make.handed(ledger, subject)
    await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
    recall = taking_back(make, subject, kind)
    await ledger.messages.record(recall, sign=make.sign)
    return subject, recall


async def test_dispose_closes_an_order_with_a_receipt_in_the_log(
    ledger: Ledger, make: Maker
) -> None:
    """The desk's word and the gateway's stand with the recall, and it is open no more."""
    subject, recall = await ordered(ledger, make)

    disposed = await ledger.recalls.dispose(said(recall, subject), now=make.now, sign=make.sign)

    position, event = make.sign.events[-1]
    assert (event.kind, event.disposition) == (EventKind.DISPOSED, Disposition.DESTROYED)
    assert (event.message_id, event.recipients) == (recall.message_id, {GUATEMALA: "GT-desk-1"})
    assert disposed.counts
    assert disposed.receipt.position == position
    [recipient] = (await ledger.messages.status(recall.sender, recall.message_id)).recipients
    assert recipient.order == OrderStatus(
        answered_at=make.now,
        disposition=Disposition.DESTROYED,
        because=None,
        until=None,
        desk_evidence="signed: destroyed",
        receipt=disposed.receipt.token,
    )
    assert not await ledger.recalls.orders(GUATEMALA, only_open=True, limit=10)


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [
        (Disposition.DESTROYED, Disposition.DESTROYED, Disposition.DESTROYED),
        (Disposition.DESTROYED, Disposition.KEPT, Disposition.DESTROYED),
        (Disposition.KEPT, Disposition.DESTROYED, Disposition.DESTROYED),
        (Disposition.KEPT, Disposition.CORRECTED, Disposition.CORRECTED),
        (Disposition.CORRECTED, Disposition.DESTROYED, Disposition.CORRECTED),
    ],
)
async def test_dispose_lets_the_first_answer_stand_but_for_what_was_kept(
    ledger: Ledger, make: Maker, first: Disposition, second: Disposition, stands: Disposition
) -> None:
    """What was kept may be destroyed or corrected later; nothing else is taken back."""
    subject, recall = await ordered(ledger, make, Kind.RECTIFICATION)
    answers = [said(recall, subject, each) for each in (first, second)]

    results = [await ledger.recalls.dispose(each, now=make.now, sign=make.sign) for each in answers]

    assert results[0].counts
    assert (results[1].stands, results[1].counts) == (stands, second is stands)
    assert (results[0].receipt == results[1].receipt) is (stands is first)


async def test_dispose_tells_when_another_reason_was_given_first(
    ledger: Ledger, make: Maker
) -> None:
    """Who names another reason, or another day, must learn that it does not stand."""
    subject, recall = await ordered(ledger, make)
    kept = said(recall, subject, Disposition.KEPT)
    await ledger.recalls.dispose(kept, now=make.now, sign=make.sign)

    again = [
        await ledger.recalls.dispose(each, now=make.now, sign=make.sign)
        for each in (
            kept,
            replace(kept, because=KeptReason.LEGAL_HOLD),
            replace(kept, until=date(2026, 12, 1)),
        )
    ]

    assert [each.counts for each in again] == [True, False, False]


@pytest.mark.parametrize(
    "changes",
    [
        {"desk": HONDURAS},
        {"desk": DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL)},
        {"recall": "018f0000-0000-7000-8000-0000000000ff"},
        {"origin": AgencyRef(country=Country.MEXICO, agency="inm")},
        {"content_hash": "A" * 43},
        {"subject": "018f0000-0000-7000-8000-0000000000ff"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_dispose_finds_no_order_when_anything_is_another(
    ledger: Ledger, make: Maker, changes: dict[str, Any]
) -> None:
    """No desk answers for another, nor for another recall."""
    subject, recall = await ordered(ledger, make)

    disposed = await ledger.recalls.dispose(
        replace(said(recall, subject), **changes), now=make.now, sign=make.sign
    )

    assert disposed is None
    [order] = await ledger.recalls.orders(recall.sender, only_open=True, limit=10)
    assert order.status.answered_at is None


async def test_dispose_corrects_nothing_that_was_recalled(ledger: Ledger, make: Maker) -> None:
    """A recall is answered by destroying or keeping."""
    subject, recall = await ordered(ledger, make)

    disposed = await ledger.recalls.dispose(
        said(recall, subject, Disposition.CORRECTED), now=make.now, sign=make.sign
    )

    assert disposed == NotFitting()


async def test_orders_list_what_a_party_may_see(ledger: Ledger, make: Maker) -> None:
    """The originator and the desk see an order; another agency, and another desk, do not."""
    subject, recall = await ordered(ledger, make)
    for party in (recall.sender, GUATEMALA):
        [order] = await ledger.recalls.orders(party, only_open=True, limit=10)
        assert (order.id, order.subject, order.desk) == (
            recall.message_id,
            subject.message_id,
            GUATEMALA,
        )
        assert (order.kind, order.content_hash) == (Kind.RECALL, recall.content_hash)
        assert not await ledger.recalls.orders(party, only_open=False, after=order.number, limit=10)
    for party in (AgencyRef(country=Country.MEXICO, agency="inm"), HONDURAS):
        assert not await ledger.recalls.orders(party, only_open=False, limit=10)


def without_key(recall: Acceptance, *desks: DeskRef) -> Acceptance:
    """Leave desks out that have no current key."""
    return replace(recall, recipient_keys={**recall.recipient_keys, **dict.fromkeys(desks, NO_KEY)})


async def held_by_the_first(ledger: Ledger, make: Maker) -> Acceptance:
    """Have a message that Guatemala has, and Honduras was not handed yet."""
    subject = make.acceptance(desks=(GUATEMALA, HONDURAS))
    await make.dispatched(ledger, subject)
    [handed] = await ledger.deliveries.lease(
        [1], queues=QUEUES, holder="desk", now=make.now, until=make.now + timedelta(minutes=1)
    )
    await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
    return subject


@pytest.mark.parametrize("keyless", [(GUATEMALA,), (HONDURAS,), (GUATEMALA, HONDURAS)], ids=len)
async def test_recall_ends_every_copy_when_a_desk_has_no_key(
    ledger: Ledger, make: Maker, keyless: tuple[DeskRef, ...]
) -> None:
    """Who has the message must answer, with a copy of the recall or without; no other is asked."""
    subject = await held_by_the_first(ledger, make)
    recall = without_key(taking_back(make, subject), *keyless)

    await ledger.messages.record(recall, sign=make.sign)

    assert await states(ledger, subject) == [DeliveryState.ACKNOWLEDGED, DeliveryState.RECALLED]
    first, second = (await ledger.messages.status(recall.sender, recall.message_id)).recipients
    is_sealed = GUATEMALA not in keyless
    assert first.state is (DeliveryState.ACCEPTED if is_sealed else DeliveryState.NOT_SEALED)
    assert first.order.answered_at is None
    assert (second.state, second.order.disposition) == (
        DeliveryState.RECALLED,
        Disposition.DESTROYED,
    )
    accepted = next(event for _, event in make.sign.events if event.message_id == recall.message_id)
    assert accepted.recipients == recall.recipient_keys
    assert await ledger.deliveries.unpublished_count() == int(is_sealed)


@pytest.mark.parametrize("kind", [Kind.RECALL, Kind.RECTIFICATION])
async def test_dispose_answers_an_order_of_which_its_desk_got_no_copy(
    ledger: Ledger, make: Maker, kind: Kind
) -> None:
    """The desk sees which message it is about, and its word counts like any other."""
    subject = await held_by_the_first(ledger, make)
    recall = without_key(taking_back(make, subject, kind), GUATEMALA)
    await ledger.messages.record(recall, sign=make.sign)
    [order] = await ledger.recalls.orders(GUATEMALA, only_open=True, limit=10)

    disposed = await ledger.recalls.dispose(said(recall, subject), now=make.now, sign=make.sign)

    assert (order.id, order.subject, order.state) == (
        recall.message_id,
        subject.message_id,
        DeliveryState.NOT_SEALED,
    )
    assert disposed.counts
    assert make.sign.events[-1][1].recipients == {GUATEMALA: NO_KEY}
    assert not await ledger.recalls.orders(GUATEMALA, only_open=True, limit=10)


async def test_rectification_is_answered_for_a_desk_that_will_not_get_the_message(
    ledger: Ledger, make: Maker
) -> None:
    """A copy that is still on its way keeps its order open, also without a copy of this."""
    subject = await held_by_the_first(ledger, make)
    rectification = without_key(taking_back(make, subject, Kind.RECTIFICATION), HONDURAS)

    await ledger.messages.record(rectification, sign=make.sign)

    assert await states(ledger, subject) == [DeliveryState.ACKNOWLEDGED, DeliveryState.DISPATCHED]
    [order] = await ledger.recalls.orders(HONDURAS, only_open=True, limit=10)
    assert order.state is DeliveryState.NOT_SEALED


async def test_ledger_moves_and_counts_nothing_of_what_was_not_sealed(
    ledger: Ledger, make: Maker
) -> None:
    """Nothing hands it over, sends it again, counts it for a key, ends it, or takes it for read."""
    subject = await held_by_the_first(ledger, make)
    recall = without_key(taking_back(make, subject), GUATEMALA)
    await ledger.messages.record(recall, sign=make.sign)
    [order] = await ledger.recalls.orders(GUATEMALA, only_open=True, limit=10)
    [road] = {route.queue for route in recall.routes if route.desk == GUATEMALA}
    later = recall.expires + timedelta(seconds=1)
    wishes = [
        Rewrap(
            desk=GUATEMALA,
            message_id=recall.message_id,
            content_hash=recall.content_hash,
            old=old,
            recipient=entry(KeyId("GT-desk-2")),
            token=DESK_TOKEN,
        )
        for old in (NO_KEY, KeyId("GT-desk-1"))
    ]
    use = UseStatement(
        desk=GUATEMALA,
        message_id=recall.message_id,
        content_hash=recall.content_hash,
        reader="duty analyst",
        purpose="investigation",
        token=DESK_TOKEN,
    )

    for dead_letters_only in (True, False):
        await ledger.deliveries.requeue(
            road, dead_letters_only=dead_letters_only, now=make.now, sign=make.sign
        )
    await ledger.deliveries.republish([order.number], now=make.now)
    await ledger.deliveries.dead_letter([order.number], now=make.now, sign=make.sign)
    await ledger.deliveries.mark_dispatched([order.number], at=make.now)
    leased = await ledger.deliveries.lease(
        [order.number], queues=QUEUES, holder="desk", now=make.now, until=later
    )
    answered = await ledger.deliveries.answer(make.answer(recall), now=make.now, sign=make.sign)
    read = await ledger.deliveries.note_use(use, now=make.now)
    await ledger.deliveries.expire(now=later, limit=100, sign=make.sign)

    first, _ = (await ledger.messages.status(recall.sender, recall.message_id)).recipients
    assert (first.state, first.order.answered_at) == (DeliveryState.NOT_SEALED, None)
    assert list(leased) == []
    assert answered.state is None
    assert isinstance(read, UseDenied)
    assert not await ledger.keys.in_flight()
    assert not await ledger.keys.in_flight([NO_KEY])
    assert not await ledger.keys.waiting_wraps(GUATEMALA, NO_KEY, limit=9)
    assert await ledger.keys.rewrap(wishes, now=make.now, sign=make.sign) == [None, None]
    [overdue] = [
        each
        for each in await ledger.retention.expired(now=later, limit=9)
        if each.id == recall.message_id
    ]
    assert overdue.kept is None
    assert await ledger.retention.destroy(overdue.number, now=later, sign=make.sign)
    assert make.sign.events[-1][1].recipients == recall.recipient_keys
    assert await ledger.recalls.orders(GUATEMALA, only_open=True, limit=10)


async def test_recall_and_lease_agree_when_they_come_at_once(world: World, make: Maker) -> None:
    """Either the desk got it and must answer, or it never will: in whatever order they commit."""
    async with world.open() as one, world.open() as two:
        subjects = [make.acceptance() for _ in range(20)]
        await make.dispatched(one, *subjects)
        recalls = [taking_back(make, each) for each in subjects]
        until = make.now + timedelta(minutes=1)

        results = await asyncio.gather(
            *(
                one.deliveries.lease(
                    [DeliveryNumber(number)],
                    queues=QUEUES,
                    holder="desk",
                    now=make.now,
                    until=until,
                )
                for number in range(1, 21)
            ),
            *(two.messages.record(each, sign=make.sign) for each in recalls),
        )
        again = await one.deliveries.lease(
            [DeliveryNumber(number) for number in range(1, 21)],
            queues=QUEUES,
            holder="desk",
            now=until,
            until=until + timedelta(minutes=1),
        )
        orders = await two.recalls.orders(GUATEMALA, only_open=True, limit=100)

    leased = {each.message_id for result in results[:20] for each in result}
    assert {each.subject for each in orders} == leased
    assert list(again) == []
    positions = await world.positions()
    assert positions == list(range(1, len(positions) + 1))

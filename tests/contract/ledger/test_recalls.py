"""The contract of recording a recall or rectification: what becomes of the copies (SG-07)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broker.model import Acceptance, DeliveryState, DeskRef, Disposition, EventKind, Facts
from broker.storage.ledger import Ledger
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind
from tests.contract.ledger.world import GUATEMALA, QUEUES, Maker, World

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

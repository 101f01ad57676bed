"""The contract of ``DeliveryLedger`` from the desk on: answered, given up, sent again."""

import asyncio
from datetime import timedelta

import pytest

from broker.model.delivery import HandOver
from broker.model.events import DeliveryState, EventKind, RefusalReason
from broker.model.names import DeskRef
from broker.ports.deliveries import Answered
from broker.storage.endings import REQUEUED_AT_ONCE
from broker.storage.ledger import Ledger
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.world import QUEUES, Maker, World

PANAMA = DeskRef(country=Country.PANAMA, compartment=Compartment.PROTECTION)
QUEUE = "MX.GT.intelligence"
NOTHING = Answered(deliveries=(), state=None, receipt=None)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("reason", "state", "kind"),
    [
        (None, DeliveryState.ACKNOWLEDGED, EventKind.ACKNOWLEDGED),
        (RefusalReason.CANNOT_OPEN, DeliveryState.REFUSED, EventKind.REFUSED),
    ],
)
async def test_answer_settles_with_a_receipt_in_the_log(
    world: World,
    ledger: Ledger,
    make: Maker,
    reason: RefusalReason | None,
    state: DeliveryState,
    kind: EventKind,
) -> None:
    """The desk's word is kept, signed for at the next position, and names desk and reason."""
    [handed] = await make.handed(ledger, make.acceptance())

    answered = await ledger.deliveries.answer(
        make.answer(handed, reason=reason), now=make.now + MINUTE, sign=make.sign
    )

    assert answered.deliveries == (handed.number,)
    assert answered.state is state
    assert answered.receipt.event is kind
    assert (answered.receipt.position, answered.receipt.at) == (2, make.now + MINUTE)
    _, event = make.sign.events[-1]
    assert (event.kind, event.reason) == (kind, reason)
    assert event.recipients == {make.desk: "GT-desk-1"}
    assert (event.sender, event.message_id) == (handed.origin, handed.message_id)
    assert await world.positions() == [1, 2]


@pytest.mark.parametrize("reason", [None, RefusalReason.LEGAL_OBSTACLE])
async def test_answer_changes_nothing_when_it_comes_again(
    world: World, ledger: Ledger, make: Maker, reason: RefusalReason | None
) -> None:
    """The first answer stands: repeated or contradicted, its receipt is what one gets."""
    [handed] = await make.handed(ledger, make.acceptance())
    first = await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)

    again = await ledger.deliveries.answer(
        make.answer(handed, reason=reason, token="another"), now=make.now, sign=make.sign
    )

    assert again == first
    status = await ledger.messages.status(make.sender, handed.message_id)
    assert status.recipients[0].desk_evidence == "signed by the desk"
    assert await world.positions() == [1, 2]


async def test_answer_lets_the_first_stand_within_one_group(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """Of several that come at once, one settles; all get the same receipt."""
    [handed] = await make.handed(ledger, make.acceptance())

    answers = await asyncio.gather(
        *(
            ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
            for _ in range(5)
        )
    )

    assert len(set(answers)) == 1
    assert await world.positions() == [1, 2]


async def test_answer_lets_one_stand_when_two_processes_hear_it(world: World, make: Maker) -> None:
    """An answer may reach two gateways; one receipt is made."""
    async with world.open() as one, world.open() as two:
        handed = await make.handed(one, *(make.acceptance() for _ in range(10)))
        answers = await asyncio.gather(
            *(
                ledger.deliveries.answer(make.answer(each), now=make.now, sign=make.sign)
                for each in handed
                for ledger in (one, two)
            )
        )

    assert len({answer.receipt for answer in answers}) == 10
    assert await world.positions() == list(range(1, 21))


@pytest.mark.parametrize("foreign", ["desk", "message", "content"])
async def test_answer_is_empty_for_what_the_desk_was_not_handed(
    ledger: Ledger, make: Maker, foreign: str
) -> None:
    """Desk, message id and content hash must all be those of one hand-over."""
    [handed] = await make.handed(ledger, make.acceptance())
    other = make.acceptance()
    answer = {
        "desk": make.answer(handed, desk=PANAMA),
        "message": make.answer(make.acceptance(message_id="unknown")),
        "content": make.answer(make.acceptance(message_id=handed.message_id)),
    }[foreign]
    await ledger.messages.record(other, sign=make.sign)

    assert await ledger.deliveries.answer(answer, now=make.now, sign=make.sign) == NOTHING
    assert await ledger.deliveries.states([1]) == {1: DeliveryState.DELIVERED}


async def test_answer_is_empty_when_nothing_was_handed_over_yet(
    ledger: Ledger, make: Maker
) -> None:
    """A desk cannot have what nobody gave it."""
    acceptance = make.acceptance()
    await make.dispatched(ledger, acceptance)

    answered = await ledger.deliveries.answer(make.answer(acceptance), now=make.now, sign=make.sign)

    assert answered == NOTHING


async def test_answer_settles_one_recipient_only(ledger: Ledger, make: Maker) -> None:
    """Each desk answers for its own copy."""
    await make.handed(ledger, make.acceptance(desks=(make.desk, PANAMA)))
    acceptance_id = make.sign.events[0][1]

    answer = make.answer(acceptance_id, desk=PANAMA)
    await ledger.deliveries.answer(answer, now=make.now, sign=make.sign)

    assert await ledger.deliveries.states([1, 2]) == {
        1: DeliveryState.DELIVERED,
        2: DeliveryState.ACKNOWLEDGED,
    }


async def given_up(ledger: Ledger, make: Maker, how: str) -> HandOver:
    """Hand a delivery over, then give it up."""
    [handed] = await make.handed(ledger, make.acceptance(expires=make.now + MINUTE))
    if how == "dead-lettered":
        await ledger.deliveries.dead_letter([1], now=make.now, sign=make.sign)
    else:
        assert await ledger.deliveries.expire(now=make.now + MINUTE, limit=9, sign=make.sign) == 1
    return handed


@pytest.mark.parametrize("how", ["dead-lettered", "expired"])
async def test_answer_acknowledges_what_was_given_up(ledger: Ledger, make: Maker, how: str) -> None:
    """The desk had it after all: its acknowledgement counts, with a receipt of its own."""
    handed = await given_up(ledger, make, how)

    answered = await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)

    assert answered.state is DeliveryState.ACKNOWLEDGED
    assert answered.receipt.position == 3


@pytest.mark.parametrize("how", ["dead-lettered", "expired"])
async def test_answer_does_not_refuse_what_was_given_up(
    ledger: Ledger, make: Maker, how: str
) -> None:
    """A refusal that comes too late changes nothing, and the state says so."""
    handed = await given_up(ledger, make, how)

    refusal = make.answer(handed, reason=RefusalReason.NOT_COMPETENT)
    answered = await ledger.deliveries.answer(refusal, now=make.now, sign=make.sign)

    assert answered == Answered(deliveries=(1,), state=DeliveryState(how), receipt=None)


async def test_dead_letter_stops_what_is_not_final(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """It is logged and its sender gets a receipt; an acknowledged one is left as it is."""
    handed = await make.handed(ledger, make.acceptance(), make.acceptance())
    await ledger.deliveries.answer(make.answer(handed[0]), now=make.now, sign=make.sign)

    await ledger.deliveries.dead_letter([1, 2, 99], now=make.now, sign=make.sign)
    await ledger.deliveries.dead_letter([1, 2], now=make.now, sign=make.sign)

    assert await ledger.deliveries.states([1, 2]) == {
        1: DeliveryState.ACKNOWLEDGED,
        2: DeliveryState.DEAD_LETTERED,
    }
    assert await world.positions() == [1, 2, 3, 4]
    status = await ledger.messages.status(make.sender, handed[1].message_id)
    assert status.recipients[0].receipt == f"4:dead-lettered:{handed[1].message_id}"
    late = make.now + 2 * MINUTE
    assert not await ledger.deliveries.lease(
        [2], queues=QUEUES, holder="a", now=late, until=late + MINUTE
    )


async def test_expire_ends_what_is_overdue_in_any_open_state(ledger: Ledger, make: Maker) -> None:
    """Unpublished, waiting or leased: once its time is over it ends, up to the limit."""
    soon = make.now + MINUTE
    await make.handed(ledger, make.acceptance(expires=soon))
    await make.dispatched(ledger, make.acceptance(expires=soon))
    for expires in (soon, soon + MINUTE):
        await ledger.messages.record(make.acceptance(expires=expires), sign=make.sign)
    expire = ledger.deliveries.expire

    early = await expire(now=soon - timedelta(microseconds=1), limit=9, sign=make.sign)
    two = await expire(now=soon, limit=2, sign=make.sign)
    one = await expire(now=soon, limit=2, sign=make.sign)

    assert (early, two, one) == (0, 2, 1)
    states = await ledger.deliveries.states([1, 2, 3, 4])
    assert list(states.values()).count(DeliveryState.EXPIRED) == 3
    assert states[4] is DeliveryState.ACCEPTED
    status = await ledger.messages.status(make.sender, make.sign.events[0][1].message_id)
    assert status.recipients[0].receipt.split(":")[1] == "expired"


async def test_requeue_sends_dead_letters_again(world: World, ledger: Ledger, make: Maker) -> None:
    """Only the dead ones, counted anew, each with an entry in the log."""
    handed = await make.handed(ledger, make.acceptance(), make.acceptance(), make.acceptance())
    await ledger.deliveries.dead_letter([1, 2], now=make.now, sign=make.sign)

    count = await ledger.deliveries.requeue(
        QUEUE, dead_letters_only=True, now=make.now, sign=make.sign
    )

    assert count == 2
    assert await ledger.deliveries.states([1, 2, 3]) == {
        1: DeliveryState.ACCEPTED,
        2: DeliveryState.ACCEPTED,
        3: DeliveryState.DELIVERED,
    }
    assert [event.kind for _, event in make.sign.events[-2:]] == [EventKind.REQUEUED] * 2
    assert await world.positions() == list(range(1, 8))
    status = await ledger.messages.status(make.sender, handed[0].message_id)
    assert (status.recipients[0].attempts, status.recipients[0].receipt) == (0, None)


async def test_requeue_sends_a_lost_queue_again(ledger: Ledger, make: Maker) -> None:
    """All that is not final, leased or not; other queues and final ones stay."""
    handed = await make.handed(ledger, *(make.acceptance() for _ in range(3)))
    await make.dispatched(ledger, make.acceptance(desks=(make.desk, PANAMA)))
    await ledger.deliveries.answer(make.answer(handed[0]), now=make.now, sign=make.sign)
    await ledger.deliveries.dead_letter([2], now=make.now, sign=make.sign)

    count = await ledger.deliveries.requeue(
        QUEUE, dead_letters_only=False, now=make.now, sign=make.sign
    )

    assert count == 2
    assert await ledger.deliveries.states([1, 2, 3, 4, 5]) == {
        1: DeliveryState.ACKNOWLEDGED,
        2: DeliveryState.DEAD_LETTERED,
        3: DeliveryState.ACCEPTED,
        4: DeliveryState.ACCEPTED,
        5: DeliveryState.DISPATCHED,
    }
    answered = await ledger.deliveries.answer(make.answer(handed[2]), now=make.now, sign=make.sign)
    assert answered.state is DeliveryState.ACKNOWLEDGED


async def test_requeue_goes_on_when_a_queue_is_longer_than_a_transaction(
    ledger: Ledger, make: Maker
) -> None:
    """A long queue is sent again whole, each delivery once."""
    total = REQUEUED_AT_ONCE + 5
    acceptances = [make.acceptance() for _ in range(total)]
    await asyncio.gather(*(ledger.messages.record(one, sign=make.sign) for one in acceptances))

    count = await ledger.deliveries.requeue(
        QUEUE, dead_letters_only=False, now=make.now, sign=make.sign
    )

    assert count == total

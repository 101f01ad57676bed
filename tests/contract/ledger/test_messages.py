"""The contract of ``MessageLedger``, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from broker.errors import IntegrityError
from broker.model.events import DeliveryState, Event, EventKind, RefusalReason
from broker.model.names import AgencyRef, DeskRef, LogPosition
from broker.ports.messages import IdTaken, Recorded
from broker.storage.ledger import Ledger
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.world import Maker, World

POLICIA = AgencyRef(country=Country.MEXICO, agency="policia")
PANAMA = DeskRef(country=Country.PANAMA, compartment=Compartment.INTELLIGENCE)


async def test_record_answers_with_a_receipt_at_the_next_position(
    ledger: Ledger, make: Maker
) -> None:
    """The first message stands at position 1, its receipt is signed there, and it is no replay."""
    acceptance = make.acceptance()

    recorded = await ledger.messages.record(acceptance, sign=make.sign)

    assert isinstance(recorded, Recorded)
    assert not recorded.replayed
    assert recorded.receipt.event is EventKind.ACCEPTED
    assert recorded.receipt.position == 1
    assert recorded.receipt.at == make.now
    assert recorded.receipt.token == f"1:accepted:{acceptance.message_id}"


async def test_record_has_the_event_signed_with_all_that_it_concerns(
    ledger: Ledger, make: Maker
) -> None:
    """The signer sees sender, content hash and every recipient's key."""
    acceptance = make.acceptance(desks=(make.desk, PANAMA))

    await ledger.messages.record(acceptance, sign=make.sign)

    [(position, event)] = make.sign.events
    assert position == 1
    assert event.sender == acceptance.sender
    assert event.content_hash == acceptance.content_hash
    assert event.recipients == acceptance.recipient_keys
    assert event.reason is None


async def test_record_answers_the_first_receipt_when_repeated(ledger: Ledger, make: Maker) -> None:
    """The same id with the same bytes is a replay, though it was sealed anew."""
    first = make.acceptance(message_id="m-1")
    recorded = await ledger.messages.record(first, sign=make.sign)

    again = await ledger.messages.record(make.acceptance(message_id="m-1"), sign=make.sign)

    assert again == replace(recorded, replayed=True)
    assert len(make.sign.events) == 1


async def test_record_refuses_an_id_that_names_other_bytes(ledger: Ledger, make: Maker) -> None:
    """One id of one agency means one text for ever."""
    await ledger.messages.record(make.acceptance(message_id="m-1"), sign=make.sign)

    other = make.acceptance(message_id="m-1", body=b"other")

    assert await ledger.messages.record(other, sign=make.sign) == IdTaken()


async def test_record_accepts_the_same_id_of_another_agency(ledger: Ledger, make: Maker) -> None:
    """An id is unique for its agency only: nobody can block another's ids."""
    await ledger.messages.record(make.acceptance(message_id="m-1"), sign=make.sign)

    other = make.acceptance(message_id="m-1", sender=POLICIA, body=b"other")
    recorded = await ledger.messages.record(other, sign=make.sign)

    assert isinstance(recorded, Recorded)
    assert not recorded.replayed


async def test_record_answers_each_when_many_come_at_once(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """A hundred concurrent messages get a hundred positions, without gaps."""
    acceptances = [make.acceptance() for _ in range(100)]

    recorded = await asyncio.gather(
        *(ledger.messages.record(one, sign=make.sign) for one in acceptances)
    )

    assert [one.receipt.token.split(":")[2] for one in recorded] == [
        one.message_id for one in acceptances
    ]
    assert sorted(one.receipt.position for one in recorded) == list(range(1, 101))
    assert await world.positions() == list(range(1, 101))


async def test_record_tells_apart_equal_ids_within_one_group(ledger: Ledger, make: Maker) -> None:
    """Of five that come at once, one is new, three are replays and one has other bytes."""
    acceptances = [make.acceptance(message_id="m-1") for _ in range(4)]
    acceptances.append(make.acceptance(message_id="m-1", body=b"other"))

    answers = await asyncio.gather(
        *(ledger.messages.record(one, sign=make.sign) for one in acceptances)
    )

    assert [one.replayed for one in answers[:4] if isinstance(one, Recorded)] == [
        False,
        True,
        True,
        True,
    ]
    assert answers[4] == IdTaken()


async def test_record_yields_one_first_when_two_processes_compete(
    world: World, make: Maker
) -> None:
    """The same ids from two processes at once: each is new exactly once, and no gap appears."""
    ids = [f"m-{number}" for number in range(40)]

    async with world.open() as one, world.open() as two:
        answers = await asyncio.gather(
            *(
                ledger.messages.record(make.acceptance(message_id=name), sign=make.sign)
                for name in ids
                for ledger in (one, two)
            )
        )

    assert all(isinstance(answer, Recorded) for answer in answers)
    assert sum(not answer.replayed for answer in answers) == len(ids)
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        assert first.receipt == second.receipt
    assert await world.positions() == list(range(1, len(ids) + 1))


async def test_record_is_durable_when_it_returns(world: World, make: Maker) -> None:
    """Whoever opens the ledger later finds the message, and the positions go on."""
    acceptance = make.acceptance()
    async with world.open() as ledger:
        recorded = await ledger.messages.record(acceptance, sign=make.sign)

    async with world.open() as ledger:
        found = await ledger.messages.find(
            acceptance.sender, acceptance.message_id, body_mac=acceptance.body_mac
        )
        later = await ledger.messages.record(make.acceptance(), sign=make.sign)

    assert found == replace(recorded, replayed=True)
    assert isinstance(later, Recorded)
    assert later.receipt.position == 2


async def test_record_records_nothing_when_signing_fails(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """The signer's own error comes out, others of its group are recorded, no gap remains."""
    acceptances = [make.acceptance() for _ in range(5)]

    def sign_some(event: Event, position: LogPosition) -> str:
        if event.message_id == acceptances[2].message_id:
            raise KeyError("no key today")
        return make.sign(event, position)

    answers = await asyncio.gather(
        *(ledger.messages.record(one, sign=sign_some) for one in acceptances),
        return_exceptions=True,
    )

    assert isinstance(answers[2], KeyError)
    assert sum(isinstance(one, Recorded) for one in answers) == 4
    assert await world.positions() == [1, 2, 3, 4]
    lost = acceptances[2]
    assert await ledger.messages.status(lost.sender, lost.message_id) is None


async def test_record_refuses_what_the_database_never_takes(ledger: Ledger, make: Maker) -> None:
    """A broken constraint is no outage: an operator is called, and the group goes on."""
    broken = make.acceptance(desks=(make.desk, make.desk))
    good = make.acceptance()

    answers = await asyncio.gather(
        ledger.messages.record(broken, sign=make.sign),
        ledger.messages.record(good, sign=make.sign),
        return_exceptions=True,
    )

    assert isinstance(answers[0], IntegrityError)
    assert isinstance(answers[1], Recorded)
    assert answers[1].receipt.position == 1


async def test_find_answers_as_record_would(ledger: Ledger, make: Maker) -> None:
    """Without recording one can ask: unknown, accepted with these bytes, or with others."""
    acceptance = make.acceptance()
    name = (acceptance.sender, acceptance.message_id)
    before = await ledger.messages.find(*name, body_mac=acceptance.body_mac)
    recorded = await ledger.messages.record(acceptance, sign=make.sign)

    same = await ledger.messages.find(*name, body_mac=acceptance.body_mac)
    other = await ledger.messages.find(*name, body_mac=bytes(32))
    foreign = await ledger.messages.find(POLICIA, name[1], body_mac=acceptance.body_mac)

    assert before is None
    assert same == replace(recorded, replayed=True)
    assert other == IdTaken()
    assert foreign is None


async def test_find_answers_each_when_many_ask_at_once(ledger: Ledger, make: Maker) -> None:
    """Each question gets its own answer."""
    acceptances = [make.acceptance() for _ in range(20)]
    for acceptance in acceptances[::2]:
        await ledger.messages.record(acceptance, sign=make.sign)

    found = await asyncio.gather(
        *(
            ledger.messages.find(one.sender, one.message_id, body_mac=one.body_mac)
            for one in acceptances
        )
    )

    assert [one is not None for one in found] == [True, False] * 10


async def test_status_tells_how_far_each_copy_has_come(ledger: Ledger, make: Maker) -> None:
    """Every recipient is there with state, time, evidence and receipt."""
    acceptance = make.acceptance(desks=(make.desk, PANAMA))
    await make.handed(ledger, acceptance)
    refusal = make.answer(acceptance, desk=PANAMA, reason=RefusalReason.NOT_COMPETENT)
    later = make.now + timedelta(seconds=5)
    answered = await ledger.deliveries.answer(refusal, now=later, sign=make.sign)

    status = await ledger.messages.status(acceptance.sender, acceptance.message_id)

    assert status is not None
    assert status.id == acceptance.message_id
    assert status.kind is acceptance.kind
    assert (status.accepted_at, status.expires) == (make.now, acceptance.expires)
    assert status.content_hash == acceptance.content_hash
    assert status.receipt == f"1:accepted:{acceptance.message_id}"
    guatemala, panama = status.recipients
    assert (guatemala.desk, panama.desk) == (make.desk, PANAMA)
    assert guatemala.state is DeliveryState.DELIVERED
    assert (guatemala.attempts, guatemala.receipt, guatemala.desk_evidence) == (1, None, None)
    assert panama.state is DeliveryState.REFUSED
    assert panama.reason is RefusalReason.NOT_COMPETENT
    assert panama.changed_at == later
    assert panama.desk_evidence == refusal.token
    assert panama.receipt == answered.receipt.token


@pytest.mark.parametrize("whose", ["another's", "nobody's"])
async def test_status_is_none_for_what_is_not_ones_own(
    ledger: Ledger, make: Maker, whose: str
) -> None:
    """Another agency's message looks like one that does not exist."""
    acceptance = make.acceptance()
    await ledger.messages.record(acceptance, sign=make.sign)
    asked = acceptance.message_id if whose == "another's" else "unknown"

    assert await ledger.messages.status(POLICIA, asked) is None

"""What the ledger knows of keys: counted exactly, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from broker.errors import LedgerUnavailableError
from broker.model.events import Notice, RefusalReason
from broker.model.message import Route
from broker.model.names import DeskRef, QueueName, channel_queue
from broker.ports.keys import NumberedNotice, Pickup, Place
from broker.ports.messages import Overtaken, Recorded
from broker.storage.ledger import Ledger
from keys.charter import ChannelName
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.test_failures import FAULTS, faulty
from tests.contract.ledger.world import GUATEMALA, NOW, SIGNING_KEY, Maker, World

GT_KEY = KeyId("GT-desk-1")
HN_KEY = KeyId("HN-desk-1")
HONDURAS = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
MX_GT = QueueName("MX.GT.intelligence")
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


async def test_in_flight_counts_every_place_and_nothing_that_is_answered(
    ledger: Ledger, make: Maker
) -> None:
    """Queued, leased, dead-lettered and expired are there; acknowledged and refused are not."""
    handed = await make.handed(ledger, *(make.acceptance() for _ in range(4)))
    await ledger.deliveries.answer(make.answer(handed[0]), now=NOW, sign=make.sign)
    refusal = make.answer(handed[1], reason=RefusalReason.CANNOT_OPEN)
    await ledger.deliveries.answer(refusal, now=NOW, sign=make.sign)
    await ledger.deliveries.dead_letter([handed[2].number], now=NOW, sign=make.sign)
    await ledger.messages.record(make.acceptance(expires=NOW + MINUTE), sign=make.sign)
    await ledger.deliveries.expire(now=NOW + MINUTE, limit=9, sign=make.sign)
    await ledger.messages.record(make.acceptance(desks=(GUATEMALA, HONDURAS)), sign=make.sign)

    everything = await ledger.keys.in_flight()
    one = await ledger.keys.in_flight({HN_KEY})

    assert {(each.kid, each.place): each.count for each in everything} == {
        (GT_KEY, Place.DEAD_LETTERED): 1,
        (GT_KEY, Place.LEASED): 1,
        (GT_KEY, Place.QUEUED): 1,
        (GT_KEY, Place.RETENTION): 1,
        (HN_KEY, Place.QUEUED): 1,
    }
    assert {each.queue for each in everything if each.kid == GT_KEY} == {MX_GT}
    assert [(each.kid, each.oldest_accepted_at) for each in one] == [(HN_KEY, NOW)]
    assert await ledger.keys.in_flight([]) == []


async def test_in_flight_counts_what_came_over_a_channel_by_its_queue(
    ledger: Ledger, make: Maker
) -> None:
    """A key is done only when its pairs and its channels are: each queue has its own count."""
    group = ChannelName("hlsg-mx-gt")
    over_channel = replace(
        make.acceptance(desks=(GUATEMALA, HONDURAS)),
        routes=tuple(
            Route(desk=desk, queue=channel_queue(group, desk.country), rule="channel-member")
            for desk in (GUATEMALA, HONDURAS)
        ),
    )
    await ledger.messages.record(make.acceptance(), sign=make.sign)
    await ledger.messages.record(over_channel, sign=make.sign)
    await ledger.deliveries.expire(now=over_channel.expires, limit=9, sign=make.sign)
    again = replace(over_channel, message_id=make.acceptance().message_id)
    await ledger.messages.record(replace(again, expires=NOW + 9 * DAY), sign=make.sign)

    counted = await ledger.keys.in_flight({GT_KEY, HN_KEY})

    assert {(each.kid, each.queue, each.place): each.count for each in counted} == {
        (GT_KEY, MX_GT, Place.RETENTION): 1,
        (GT_KEY, QueueName("hlsg-mx-gt.GT"), Place.QUEUED): 1,
        (GT_KEY, QueueName("hlsg-mx-gt.GT"), Place.RETENTION): 1,
        (HN_KEY, QueueName("hlsg-mx-gt.HN"), Place.QUEUED): 1,
        (HN_KEY, QueueName("hlsg-mx-gt.HN"), Place.RETENTION): 1,
    }
    assert await ledger.keys.emptied({GT_KEY, HN_KEY}) == {}


async def test_last_uses_tells_of_sealing_and_of_signing(ledger: Ledger, make: Maker) -> None:
    """The last message counts; a key that was never used is left out."""
    for minutes in (0, 2):
        later = replace(make.acceptance(), accepted_at=NOW + minutes * MINUTE)
        await ledger.messages.record(later, sign=make.sign)

    uses = await ledger.keys.last_uses({GT_KEY, HN_KEY, SIGNING_KEY})

    assert uses == {GT_KEY: NOW + 2 * MINUTE, SIGNING_KEY: NOW + 2 * MINUTE}


async def test_emptied_tells_when_the_last_was_settled(ledger: Ledger, make: Maker) -> None:
    """Not while one is open, and not of a key that nothing was sealed to."""
    first, second = await make.handed(ledger, make.acceptance(), make.acceptance())
    await ledger.deliveries.answer(make.answer(first), now=NOW, sign=make.sign)

    before = await ledger.keys.emptied([GT_KEY, HN_KEY])
    await ledger.deliveries.answer(make.answer(second), now=NOW + MINUTE, sign=make.sign)
    after = await ledger.keys.emptied([GT_KEY, HN_KEY])

    assert (before, after) == ({}, {GT_KEY: NOW + MINUTE})


async def test_affected_lists_all_that_was_sealed_to_a_key(ledger: Ledger, make: Maker) -> None:
    """Answered ones too, page by page, and only this key's."""
    acceptances = [make.acceptance(desks=(HONDURAS, GUATEMALA)) for _ in range(3)]
    handed = await make.handed(ledger, *acceptances)
    mine = next(each for each in handed if each.queue == MX_GT)
    await ledger.deliveries.answer(make.answer(mine), now=NOW, sign=make.sign)

    first = await ledger.keys.affected(GT_KEY, limit=2)
    rest = await ledger.keys.affected(GT_KEY, after=first[-1].number, limit=2)

    assert [each.message_id for each in [*first, *rest]] == [one.message_id for one in acceptances]
    assert {(each.desk, each.queue, each.origin) for each in first} == {
        (GUATEMALA, MX_GT, make.sender)
    }


async def test_affected_lists_every_delivery_that_a_key_signed(ledger: Ledger, make: Maker) -> None:
    """Each recipient of each message, from a moment on if asked, page by page."""
    desks = (GUATEMALA, HONDURAS)
    for minutes in range(3):
        signed = replace(make.acceptance(desks=desks), accepted_at=NOW + minutes * MINUTE)
        await ledger.messages.record(signed, sign=make.sign)
    other = replace(make.acceptance(), signing_key=KeyId("MX-other-1"))
    await ledger.messages.record(other, sign=make.sign)

    everything = await ledger.keys.affected(SIGNING_KEY, limit=9)
    since = await ledger.keys.affected(SIGNING_KEY, since=NOW + 2 * MINUTE, limit=9)
    first = await ledger.keys.affected(SIGNING_KEY, limit=3)
    rest = await ledger.keys.affected(SIGNING_KEY, after=first[-1].number, limit=9)

    assert [each.number for each in everything] == [1, 2, 3, 4, 5, 6]
    assert [each.number for each in since] == [5, 6]
    assert [*first, *rest] == everything


async def test_affected_lists_what_a_key_signed_as_second_officer(
    ledger: Ledger, make: Maker
) -> None:
    """Between messages that it signed alone, each delivery once, page by page."""
    second = KeyId("MX-fiscalia-2")
    alone = replace(make.acceptance(), signing_key=second)
    both = replace(
        make.acceptance(desks=(GUATEMALA, HONDURAS)),
        second_signing_key=second,
        accepted_at=NOW + MINUTE,
    )
    for each in (make.acceptance(), alone, both, make.acceptance()):
        await ledger.messages.record(each, sign=make.sign)

    everything = await ledger.keys.affected(second, limit=9)
    since = await ledger.keys.affected(second, since=NOW + MINUTE, limit=9)
    first = await ledger.keys.affected(second, limit=2)
    rest = await ledger.keys.affected(second, after=first[-1].number, limit=9)
    uses = await ledger.keys.last_uses({second})

    assert [each.message_id for each in everything] == [
        alone.message_id,
        both.message_id,
        both.message_id,
    ]
    assert since == everything[1:]
    assert [*first, *rest] == everything
    assert uses == {second: NOW + MINUTE}


async def test_record_refuses_a_message_sealed_by_an_older_directory(
    world: World, make: Maker
) -> None:
    """Another process changed the directory meanwhile: nothing is recorded by the old one."""
    async with world.open() as one, world.open() as two:
        acceptance = replace(make.acceptance(), directory_version=await one.directory.version())
        await two.directory.add_country(Country.MEXICO)

        moved = await one.messages.record(acceptance, sign=make.sign)
        renewed = replace(acceptance, directory_version=await one.directory.version())
        recorded = await one.messages.record(renewed, sign=make.sign)
        replayed = await one.messages.record(acceptance, sign=make.sign)

    assert moved == Overtaken()
    assert isinstance(recorded, Recorded)
    assert isinstance(replayed, Recorded)
    assert (recorded.replayed, replayed.replayed) == (False, True)
    assert await world.positions() == [1]


@pytest.mark.parametrize("fault", FAULTS)
async def test_pickups_keep_the_newest_version(world: World, make: Maker, fault: str) -> None:
    """Noting it again after a failure is safe, and an older note changes nothing."""
    _ = make
    async with faulty(world) as (ledger, database):
        await ledger.keys.note_pickup("GT.desk", 1, NOW)
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await ledger.keys.note_pickup("GT.desk", 3, NOW + MINUTE)

        await ledger.keys.note_pickup("GT.desk", 3, NOW + MINUTE)
        await ledger.keys.note_pickup("GT.desk", 2, NOW + 2 * MINUTE)
        for at in (NOW, NOW + MINUTE, NOW):
            await ledger.keys.note_pickup("GW.host-1", 2, at)
        noted = await ledger.keys.pickups()

    assert noted == [
        Pickup(party="GT.desk", version=3, at=NOW + MINUTE),
        Pickup(party="GW.host-1", version=2, at=NOW + MINUTE),
    ]


@pytest.mark.parametrize("fault", FAULTS)
async def test_notices_are_written_once_for_each_country(
    world: World, make: Maker, fault: str
) -> None:
    """Repeating one after a failure writes no second; countries read only their own."""
    _ = make
    notice = Notice(
        country=Country.MEXICO,
        at=NOW,
        kid=GT_KEY,
        event="compromised",
        subject=bytes(32),
        token="signed",
    )
    other = replace(notice, subject=bytes([1]) * 32)
    async with faulty(world) as (ledger, database):
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await ledger.keys.add_notice(notice)

        was_told = await ledger.keys.was_told(Country.MEXICO, notice.subject)
        is_new = await ledger.keys.add_notice(notice)
        assert await ledger.keys.was_told(Country.MEXICO, notice.subject)
        assert not await ledger.keys.was_told(Country.PANAMA, notice.subject)
        assert not await ledger.keys.was_told(Country.MEXICO, other.subject)
        assert await ledger.keys.add_notice(replace(notice, country=Country.PANAMA))
        assert await ledger.keys.add_notice(other)
        told = await ledger.keys.notices(Country.MEXICO, limit=9)
        rest = await ledger.keys.notices(Country.MEXICO, after=1, limit=9)

    assert is_new is (fault == FAULTS[0])
    assert was_told is not is_new
    assert told == [
        NumberedNotice(number=1, notice=notice),
        NumberedNotice(number=3, notice=other),
    ]
    assert rest == told[1:]

"""From one key of a desk to the next: each entry once, and nothing else changes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from broker.errors import LedgerUnavailableError
from broker.model.events import DeliveryState, EventKind
from broker.model.message import Acceptance
from broker.model.names import DeskRef
from broker.ports.keys import Rewrap, WaitingWrap
from broker.sealing import wire
from broker.storage.ledger import Ledger
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.sealed import entry, well_formed
from tests.contract.ledger.test_failures import FAULTS, faulty
from tests.contract.ledger.world import GUATEMALA, NOW, QUEUES, Maker, World

OLD, NEW = KeyId("GT-desk-1"), KeyId("GT-desk-2")
HN_OLD, HN_NEW = KeyId("HN-desk-1"), KeyId("HN-desk-2")
HONDURAS = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
MINUTE = timedelta(minutes=1)


def wish(
    acceptance: Acceptance, *, desk: DeskRef = GUATEMALA, old: KeyId = OLD, new: KeyId = NEW
) -> Rewrap:
    """Make a desk's wish; its signature was verified before."""
    return Rewrap(
        desk=desk,
        message_id=acceptance.message_id,
        content_hash=acceptance.content_hash,
        old=old,
        recipient=entry(new),
        token=f"signed by {desk}",
    )


async def sealed_of(ledger: Ledger, acceptance: Acceptance, *, desk: DeskRef) -> wire.Jwe:
    """Read the sealed form back, as it is handed to a desk."""
    _ = acceptance
    queues = [queue for queue in QUEUES if queue.endswith(str(desk))]
    waiting = await ledger.deliveries.waiting(queues, limit=9, now=NOW)
    [handed] = await ledger.deliveries.lease(
        [number for number, _ in waiting], queues=QUEUES, holder="h", now=NOW, until=NOW + MINUTE
    )
    return wire.parse(handed.sealed)


async def test_rewrap_replaces_the_entry_and_nothing_else(ledger: Ledger, make: Maker) -> None:
    """The other desk's entry, the content and its hash stay as they were; the log tells of it."""
    acceptance = well_formed(make.acceptance(desks=(GUATEMALA, HONDURAS)))
    await make.dispatched(ledger, acceptance)

    [done] = await ledger.keys.rewrap([wish(acceptance)], now=NOW, sign=make.sign)
    jwe = await sealed_of(ledger, acceptance, desk=GUATEMALA)

    assert done is not None
    assert (done.number, done.kid, done.replayed) == (1, NEW, False)
    assert (done.receipt.event, done.receipt.position) == (EventKind.REWRAPPED, 2)
    assert make.sign.events[-1][1].recipients == {GUATEMALA: NEW}
    assert jwe.recipients == (entry(NEW), entry(HN_OLD))
    assert jwe.content_hash == acceptance.content_hash
    assert [each.kid for each in await ledger.keys.in_flight()] == [NEW, HN_OLD]


async def test_rewrap_keeps_on_record_what_the_old_key_opened(ledger: Ledger, make: Maker) -> None:
    """Affected by both keys, last used and emptied at the moment of the re-wrap."""
    acceptance = well_formed(make.acceptance())
    await ledger.messages.record(acceptance, sign=make.sign)
    at = NOW + MINUTE

    await ledger.keys.rewrap([wish(acceptance)], now=at, sign=make.sign)

    for kid in (OLD, NEW):
        assert [one.number for one in await ledger.keys.affected(kid, limit=9)] == [1]
    assert await ledger.keys.last_uses([OLD, NEW]) == {OLD: NOW, NEW: at}
    assert await ledger.keys.emptied([OLD, NEW]) == {OLD: at}


@pytest.mark.parametrize("fault", FAULTS)
async def test_rewrap_can_be_repeated_when_the_commit_failed(
    world: World, make: Maker, fault: str
) -> None:
    """The first receipt stands, whichever time it was persisted; later ones are replays."""
    acceptance = well_formed(make.acceptance())
    async with faulty(world) as (ledger, database):
        await ledger.messages.record(acceptance, sign=make.sign)
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await ledger.keys.rewrap([wish(acceptance)], now=NOW, sign=make.sign)

        answers = [
            (await ledger.keys.rewrap([wish(acceptance)], now=NOW, sign=make.sign))[0]
            for _ in range(2)
        ]

    assert all(answer is not None for answer in answers)
    assert [answer.replayed for answer in answers if answer] == [fault != FAULTS[0], True]
    assert {answer.receipt.position for answer in answers if answer} == {2}
    assert await world.positions() == [1, 2]


async def test_rewrap_of_two_desks_at_once_keeps_both(world: World, make: Maker) -> None:
    """Two processes change one message: neither undoes what the other did."""
    acceptances = [well_formed(make.acceptance(desks=(GUATEMALA, HONDURAS))) for _ in range(10)]
    async with world.open() as one, world.open() as two:
        for acceptance in acceptances:
            await one.messages.record(acceptance, sign=make.sign)

        await asyncio.gather(
            *(one.keys.rewrap([wish(each)], now=NOW, sign=make.sign) for each in acceptances),
            *(
                two.keys.rewrap(
                    [wish(each, desk=HONDURAS, old=HN_OLD, new=HN_NEW)], now=NOW, sign=make.sign
                )
                for each in acceptances
            ),
        )

        claimed = await one.deliveries.claim_unpublished(
            limit=99, claimant="c", now=NOW, until=NOW + MINUTE
        )
    assert {wire.parse(each.sealed).recipients for each in claimed} == {(entry(NEW), entry(HN_NEW))}
    assert await world.positions() == list(range(1, 31))


async def test_rewrap_leaves_what_is_not_this_desks_or_key(ledger: Ledger, make: Maker) -> None:
    """Another desk's, another key's, other content, the same key again: each is None."""
    acceptance = well_formed(make.acceptance(desks=(GUATEMALA, HONDURAS)))
    other = well_formed(make.acceptance())
    await ledger.messages.record(acceptance, sign=make.sign)
    good = wish(acceptance)
    bad = [
        replace(good, desk=HONDURAS),
        replace(good, old=HN_OLD),
        replace(good, content_hash=other.content_hash),
        replace(good, recipient=entry(OLD)),
        replace(good, recipient=entry(HN_OLD)),
        wish(other),
    ]

    answers = await ledger.keys.rewrap([*bad, good], now=NOW, sign=make.sign)

    assert [answer is None for answer in answers] == [True] * len(bad) + [False]


@pytest.mark.parametrize("state", ["leased", "dead-lettered", "acknowledged"])
async def test_rewrap_takes_what_the_desk_has_not_answered(
    ledger: Ledger, make: Maker, state: str
) -> None:
    """A lease does not hinder it, nor a dead letter; an answered one is left."""
    acceptance = well_formed(make.acceptance())
    [handed] = await make.handed(ledger, acceptance)
    if state == "dead-lettered":
        await ledger.deliveries.dead_letter([handed.number], now=NOW, sign=make.sign)
    if state == "acknowledged":
        await ledger.deliveries.answer(make.answer(handed), now=NOW, sign=make.sign)

    [done] = await ledger.keys.rewrap([wish(acceptance)], now=NOW, sign=make.sign)
    answered = await ledger.deliveries.answer(make.answer(handed), now=NOW, sign=make.sign)

    assert (done is None) is (state == "acknowledged")
    assert answered.state is DeliveryState.ACKNOWLEDGED


async def test_waiting_wraps_lists_what_a_desk_still_holds_by_a_key(
    ledger: Ledger, make: Maker
) -> None:
    """Its own entry and the protected header, page by page; what is done is no longer there."""
    acceptances = [well_formed(make.acceptance(desks=(GUATEMALA, HONDURAS))) for _ in range(3)]
    for acceptance in acceptances:
        await ledger.messages.record(acceptance, sign=make.sign)
    await ledger.keys.rewrap([wish(acceptances[1])], now=NOW, sign=make.sign)

    waiting = await ledger.keys.waiting_wraps(GUATEMALA, OLD, limit=9)

    protected = wire.parse(acceptances[0].sealed).protected
    assert waiting == [
        WaitingWrap(
            number=number,
            message_id=acceptance.message_id,
            origin=make.sender,
            content_hash=acceptance.content_hash,
            protected=protected,
            recipient=entry(OLD),
        )
        for number, acceptance in ((1, acceptances[0]), (5, acceptances[2]))
    ]
    assert await ledger.keys.waiting_wraps(GUATEMALA, OLD, limit=1) == waiting[:1]
    assert await ledger.keys.waiting_wraps(GUATEMALA, OLD, after=1, limit=9) == waiting[1:]
    assert await ledger.keys.waiting_wraps(HONDURAS, OLD, limit=9) == []

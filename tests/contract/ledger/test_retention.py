"""The contract of ``RetentionLedger``: what must go goes, what must stay stays (SG-08)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from broker.model.delivery import HandOver
from broker.model.events import DeliveryState, Event, EventKind, Notice
from broker.model.facts import Facts
from broker.model.message import Acceptance
from broker.ports.retention import Keeping, Overdue
from broker.storage.ledger import Ledger, open_ledger
from broker.storage.migrate import upgrade
from keys.identifiers import KeyId
from schemas.vocabulary import Country, HandlingCode, LegalHoldReason
from tests.contract.ledger.sealed import well_formed
from tests.contract.ledger.world import GUATEMALA, Maker, World

DAY = timedelta(days=1)
KEY = KeyId("GT-desk-1")
COURT = LegalHoldReason.COURT_ORDER


async def ended(ledger: Ledger, make: Maker) -> Acceptance:
    """Have a message whose time is over, and whose sender was told."""
    acceptance = well_formed(make.acceptance())
    await make.dispatched(ledger, acceptance)
    await ledger.deliveries.expire(now=make.now + DAY, limit=100, sign=make.sign)
    return acceptance


async def expired(ledger: Ledger, make: Maker, at: datetime | None = None) -> list[Overdue]:
    """List what is past its time."""
    return list(await ledger.retention.expired(now=at or make.now + DAY, limit=100))


async def sealed(world: World) -> list[bytes]:
    """Look at the contents behind the ledger's back."""

    def read(connection: Connection) -> list[bytes]:
        rows = connection.execute(text("SELECT sealed FROM messages ORDER BY number"))
        return [bytes(row.sealed) for row in rows]

    found = await world.run(read)
    assert isinstance(found, list)
    return found


def unread(token: str) -> Notice:
    """Write a notice to Mexico."""
    return Notice(
        country=Country.MEXICO,
        at=datetime.now(UTC),
        event="message-expired-unread",
        subject=sha256(token.encode()).digest(),
        token=token,
    )


async def test_destroy_leaves_a_tombstone(world: World, ledger: Ledger, make: Maker) -> None:
    """The content is gone; hash, states and receipts stay, and the log says when."""
    acceptance = await ended(ledger, make)
    [due] = await expired(ledger, make)

    done = await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)

    assert done
    assert await sealed(world) == [b""]
    _, event = make.sign.events[-1]
    assert (event.kind, event.content_hash) == (EventKind.DESTROYED, acceptance.content_hash)
    assert event.recipients == {GUATEMALA: KEY}
    status = await ledger.messages.status(acceptance.sender, acceptance.message_id)
    assert status.content_hash == acceptance.content_hash
    assert status.recipients[0].state is DeliveryState.EXPIRED
    assert (await ledger.messages.known([acceptance.message_id]))[acceptance.message_id]
    assert await expired(ledger, make) == []
    positions = await world.positions()
    assert positions == list(range(1, len(positions) + 1))


async def test_destroy_does_it_once(world: World, ledger: Ledger, make: Maker) -> None:
    """Repeating it changes nothing."""
    await ended(ledger, make)
    [due] = await expired(ledger, make)
    await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)
    before = await world.positions()

    assert not await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)
    assert await world.positions() == before


async def test_destroy_waits_until_the_sender_was_told(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """What is still on its way is ended by the sweep first, never silently by retention."""
    await make.dispatched(ledger, make.acceptance())
    [due] = await expired(ledger, make)

    assert due.kept is Keeping.OPEN
    assert not await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)
    assert await sealed(world) != [b""]


async def test_destroy_refuses_what_is_not_expired(ledger: Ledger, make: Maker) -> None:
    """A second before its time, nothing of it goes."""
    [handed] = await make.handed(ledger, make.acceptance())
    await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
    early = make.now + DAY - timedelta(seconds=1)

    assert await expired(ledger, make, early) == []
    assert not await ledger.retention.destroy(1, now=early, sign=make.sign)
    assert await ledger.retention.destroy(1, now=make.now + DAY, sign=make.sign)


async def test_tombstone_keeps_no_key(ledger: Ledger, make: Maker) -> None:
    """Nothing waits for the key any more; that it once opened the message stays known."""
    await ended(ledger, make)
    assert [each.count for each in await ledger.keys.in_flight()] == [1]
    assert not await ledger.keys.emptied([KEY])

    [due] = await expired(ledger, make)
    await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)

    assert await ledger.keys.in_flight() == []
    assert await ledger.keys.emptied([KEY])
    assert not await ledger.keys.waiting_wraps(GUATEMALA, KEY, limit=10)
    assert len(await ledger.keys.affected(KEY, limit=10)) == 1


async def given_up(ledger: Ledger, make: Maker) -> HandOver:
    """Have a message that was handed over too often, and that nobody opened."""
    [handed] = await make.handed(ledger, make.acceptance())
    await ledger.deliveries.dead_letter([handed.number], now=make.now, sign=make.sign)
    return handed


async def test_destroy_waits_until_the_sender_of_a_dead_letter_was_told(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """Given up, never opened, past its time: first the notice and the receipt, then it may go."""
    handed = await given_up(ledger, make)
    told: list[Event] = []

    def tell(events: Sequence[Event]) -> Sequence[Notice]:
        told.extend(events)
        return [unread("dead")]

    [due] = await expired(ledger, make)
    too_soon = await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)
    early = await ledger.deliveries.expire(now=make.now, limit=10, sign=make.sign, tell=tell)
    ended = await ledger.deliveries.expire(now=make.now + DAY, limit=10, sign=make.sign, tell=tell)
    again = await ledger.deliveries.expire(now=make.now + DAY, limit=10, sign=make.sign, tell=tell)

    assert (due.kept, too_soon) == (Keeping.OPEN, False)
    assert (early, ended, again) == (0, 1, 0)
    assert [(each.kind, each.content_hash) for each in told] == [
        (EventKind.EXPIRED, handed.content_hash)
    ]
    assert len(await ledger.keys.notices(Country.MEXICO, limit=10)) == 1
    assert await ledger.deliveries.states([handed.number]) == {handed.number: DeliveryState.EXPIRED}
    assert await sealed(world) != [b""]
    assert await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)


async def test_expire_takes_no_more_than_it_may(ledger: Ledger, make: Maker) -> None:
    """What is on its way and what was given up share one limit."""
    await given_up(ledger, make)
    await make.dispatched(ledger, make.acceptance(), make.acceptance())

    ended = [
        await ledger.deliveries.expire(now=make.now + DAY, limit=2, sign=make.sign)
        for _ in range(3)
    ]

    assert ended == [2, 1, 0]


async def test_requeue_sends_no_dead_letter_that_ran_out(ledger: Ledger, make: Maker) -> None:
    """A dead letter whose time is over stays dead, also when its content is gone."""
    handed = await given_up(ledger, make)
    await ledger.deliveries.expire(now=make.now + DAY, limit=10, sign=make.sign)
    assert await ledger.retention.destroy(1, now=make.now + DAY, sign=make.sign)

    sent = await ledger.deliveries.requeue(
        handed.queue, dead_letters_only=True, now=make.now + DAY, sign=make.sign
    )

    assert sent == 0


async def test_hold_keeps_what_would_go(world: World, ledger: Ledger, make: Maker) -> None:
    """While it runs nothing goes; when it ends, or is lifted, everything does."""
    acceptance = await ended(ledger, make)
    sender, name = acceptance.sender, acceptance.message_id
    until = make.now + 10 * DAY
    hold = await ledger.retention.hold(
        sender, name, reason=COURT, by="ana", until=until, now=make.now + DAY
    )

    [due] = await expired(ledger, make)
    assert (due.kept, due.held_until) == (Keeping.HOLD, until)
    assert not await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)
    assert await sealed(world) != [b""]
    assert await ledger.retention.holds() == [hold]

    [later] = await expired(ledger, make, until)
    assert later.kept is None
    assert await ledger.retention.lift(sender, name, now=make.now + 2 * DAY) == 1
    assert await ledger.retention.lift(sender, name, now=make.now + 2 * DAY) == 0
    assert await ledger.retention.destroy(due.number, now=make.now + 2 * DAY, sign=make.sign)
    [ended_hold] = await ledger.retention.holds()
    assert ended_hold.lifted_at == make.now + 2 * DAY
    assert not ended_hold.runs(make.now + 2 * DAY)


async def test_hold_names_nothing_that_is_not_there(ledger: Ledger, make: Maker) -> None:
    """Unknown, or destroyed already: there is nothing to hold."""
    acceptance = await ended(ledger, make)
    [due] = await expired(ledger, make)
    await ledger.retention.destroy(due.number, now=make.now + DAY, sign=make.sign)

    for name in (acceptance.message_id, make.acceptance().message_id):
        held = await ledger.retention.hold(
            acceptance.sender,
            name,
            reason=COURT,
            by="ana",
            until=make.now + 10 * DAY,
            now=make.now,
        )
        assert held is None


async def test_to_review_lists_what_is_past_its_day(ledger: Ledger, make: Maker) -> None:
    """Neither before its day, nor when it has expired."""
    review = make.now + timedelta(hours=1)
    facts = Facts(handling=HandlingCode.H1, purpose="investigation", review_by=review)
    await ledger.messages.record(replace(make.acceptance(), facts=facts), sign=make.sign)

    found = [
        [each.review_by for each in await ledger.retention.to_review(now=at, limit=10)]
        for at in (review - timedelta(seconds=1), review, make.now + DAY)
    ]

    assert found == [[], [review], []]


@pytest.mark.parametrize("told", [False, True])
async def test_expire_tells_the_country_in_the_same_transaction(
    ledger: Ledger, make: Maker, *, told: bool
) -> None:
    """What is made of the expired is there with them, or, if it fails, nothing is."""
    await make.dispatched(ledger, make.acceptance(), make.acceptance())

    def tell(events: list[Event]) -> list[Notice]:
        if not told or len(events) != 2:
            raise ZeroDivisionError
        return [unread("told")]

    async def run() -> int:
        return await ledger.deliveries.expire(
            now=make.now + DAY,
            limit=10,
            sign=make.sign,
            tell=tell,  # type: ignore[arg-type] # a list is a sequence
        )

    if told:
        assert await run() == 2
    else:
        with pytest.raises(ZeroDivisionError):
            await run()
    found = await ledger.keys.notices(Country.MEXICO, limit=10)
    assert [each.notice.token for each in found] == (["told"] if told else [])
    states = await ledger.deliveries.states([1, 2])
    assert set(states.values()) == {DeliveryState.EXPIRED if told else DeliveryState.DISPATCHED}


def is_in(file: Path, content: bytes) -> bool:
    """Does any file of the database hold these bytes?"""
    return any(content in each.read_bytes() for each in file.parent.glob(f"{file.name}*"))


async def test_destroy_overwrites_the_pages_of_sqlite(tmp_path: Path, make: Maker) -> None:
    """Not only forgotten: once the ledger is closed no byte of the content is left in its files."""
    file, content = tmp_path / "ledger.db", b"sealed content"
    url = f"sqlite:///{file}"
    await upgrade(url)
    acceptance = replace(make.acceptance(), sealed=content * 2000)
    async with open_ledger(url) as ledger:
        await ledger.messages.record(acceptance, sign=make.sign)
        await ledger.deliveries.expire(now=make.now + DAY, limit=1, sign=make.sign)
    assert is_in(file, content)

    async with open_ledger(url) as ledger:
        assert await ledger.retention.destroy(1, now=make.now + DAY, sign=make.sign)

    assert not is_in(file, content)

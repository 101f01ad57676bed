"""The contract of reviews: past its ``review_by`` a person keeps a message, or ends it (SG-08)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from broker.model.events import EventKind
from broker.model.facts import Facts
from broker.model.message import Acceptance
from broker.ports.retention import NotReviewed, Review
from broker.storage.ledger import Ledger
from schemas.vocabulary import HandlingCode, LegalHoldReason
from tests.contract.ledger.test_recalls import taking_back
from tests.contract.ledger.test_retention import sealed
from tests.contract.ledger.world import Maker, World

DAY = timedelta(days=1)
WHY = LegalHoldReason.ONGOING_PROCEEDINGS


def reviewed_soon(make: Maker) -> Acceptance:
    """Make a message that is to be reviewed after a day, and expires after ten."""
    facts = Facts(handling=HandlingCode.H1, purpose="investigation", review_by=make.now + DAY)
    return replace(make.acceptance(expires=make.now + 10 * DAY), facts=facts)


async def read(ledger: Ledger, make: Maker) -> Acceptance:
    """Have such a message, acknowledged by its desk."""
    message = reviewed_soon(make)
    [handed] = await make.handed(ledger, message)
    await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
    return message


async def to_review(ledger: Ledger, at: datetime) -> list[str]:
    """Tell what waits for a review."""
    return [each.id for each in await ledger.retention.to_review(now=at, limit=10)]


async def keep(
    ledger: Ledger, message: Acceptance, *, at: datetime, until: datetime
) -> Review | NotReviewed:
    """Say that it is still needed."""
    return await ledger.retention.keep(
        message.sender, message.message_id, reason=WHY, by="ana", until=until, now=at
    )


async def discard(
    ledger: Ledger, make: Maker, message: Acceptance, *, at: datetime
) -> Review | NotReviewed:
    """Say that it is not."""
    return await ledger.retention.destroy_reviewed(
        message.sender, message.message_id, by="ana", now=at, sign=make.sign
    )


async def test_keep_ends_the_wait_until_its_day(ledger: Ledger, make: Maker) -> None:
    """The row leaves the list, and comes back when the time is over that the person named."""
    message = await read(ledger, make)
    review, until = make.now + DAY, make.now + 5 * DAY
    before = await to_review(ledger, review)

    kept = await keep(ledger, message, at=review, until=until)

    assert before == [message.message_id]
    assert kept == Review(
        number=1,
        id=message.message_id,
        origin=message.sender,
        by="ana",
        at=review,
        reason=WHY,
        until=until,
    )
    assert await ledger.retention.reviews() == [kept]
    assert await to_review(ledger, until - timedelta(seconds=1)) == []
    assert await to_review(ledger, until) == [message.message_id]
    again = await keep(ledger, message, at=until, until=make.now + 11 * DAY)
    assert isinstance(again, Review)
    assert again.until == message.expires
    assert await to_review(ledger, make.now + 9 * DAY) == []
    assert await to_review(ledger, make.now + 10 * DAY) == []


async def test_newest_review_counts(ledger: Ledger, make: Maker) -> None:
    """A shorter time, said later, ends the longer one."""
    message = await read(ledger, make)
    review = make.now + DAY
    await keep(ledger, message, at=review, until=make.now + 9 * DAY)

    await keep(ledger, message, at=review, until=make.now + 2 * DAY)

    assert await to_review(ledger, make.now + 2 * DAY) == [message.message_id]


async def test_destroy_reviewed_leaves_a_tombstone_and_who_said_so(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """Content, state and record in one: nothing waits any more, and the log says when."""
    message = await read(ledger, make)
    review = make.now + DAY

    done = await discard(ledger, make, message, at=review)

    assert await sealed(world) == [b""]
    assert done == Review(
        number=1,
        id=message.message_id,
        origin=message.sender,
        by="ana",
        at=review,
        reason=None,
        until=None,
    )
    assert await ledger.retention.reviews() == [done]
    _, event = make.sign.events[-1]
    assert (event.kind, event.content_hash) == (EventKind.DESTROYED, message.content_hash)
    assert await to_review(ledger, review) == []
    assert await discard(ledger, make, message, at=review) is NotReviewed.NOT_DUE
    assert await ledger.retention.expired(now=make.now + 11 * DAY, limit=10) == []


async def test_destroy_reviewed_takes_what_was_kept_before(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """Whoever sees earlier that it is not needed need not wait for the day."""
    message = await read(ledger, make)
    await keep(ledger, message, at=make.now + DAY, until=make.now + 9 * DAY)

    assert isinstance(await discard(ledger, make, message, at=make.now + 2 * DAY), Review)
    assert await sealed(world) == [b""]


async def test_review_is_refused_before_its_day_and_past_its_end(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """It is recorded only of what is due, and keeps nothing beyond its ``expires``."""
    message, unknown = await read(ledger, make), make.acceptance()
    review, end = make.now + DAY, make.now + 10 * DAY
    early = review - timedelta(seconds=1)

    refused = [
        await keep(ledger, message, at=early, until=end),
        await discard(ledger, make, message, at=early),
        await keep(ledger, message, at=end, until=end + DAY),
        await discard(ledger, make, message, at=end),
        await keep(ledger, unknown, at=review, until=end),
        await keep(ledger, message, at=review, until=end + DAY + timedelta(seconds=1)),
    ]

    assert refused == [*[NotReviewed.NOT_DUE] * 5, NotReviewed.TOO_LONG]
    assert await ledger.retention.reviews() == []
    assert await sealed(world) != [b""]


@pytest.mark.parametrize("state", ["dispatched", "given up", "held"])
async def test_destroy_reviewed_spares_what_is_unread_or_held(
    world: World, ledger: Ledger, make: Maker, state: str
) -> None:
    """It may be kept, but not destroyed before anybody read it or was told, nor against a hold."""
    message, review = reviewed_soon(make), make.now + DAY
    if state == "dispatched":
        await make.dispatched(ledger, message)
    else:
        [handed] = await make.handed(ledger, message)
        if state == "given up":
            await ledger.deliveries.dead_letter([handed.number], now=make.now, sign=make.sign)
        else:
            await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
            await ledger.retention.hold(
                message.sender,
                message.message_id,
                reason=LegalHoldReason.COURT_ORDER,
                by="ana",
                until=make.now + 5 * DAY,
                now=make.now,
            )

    refused = await discard(ledger, make, message, at=review)

    assert refused is (NotReviewed.HELD if state == "held" else NotReviewed.OPEN)
    assert await sealed(world) != [b""]
    assert await ledger.retention.reviews() == []
    assert isinstance(await keep(ledger, message, at=review, until=review + DAY), Review)


async def test_to_review_leaves_out_what_was_taken_back(ledger: Ledger, make: Maker) -> None:
    """Nobody weighs whether to keep what its originator does not want kept."""
    message = reviewed_soon(make)
    await make.dispatched(ledger, message)
    review = make.now + DAY
    before = await to_review(ledger, review)

    await ledger.messages.record(taking_back(make, message), sign=make.sign)

    assert before == [message.message_id]
    assert await to_review(ledger, review) == []
    [listed] = await ledger.retention.recalled(now=review, limit=10)
    assert listed.id == message.message_id

"""What was recalled goes before its time, when no desk has still to answer (SG-07, SG-08)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from broker.model.events import DeliveryState, EventKind
from broker.model.message import Acceptance
from broker.ports.retention import Keeping
from broker.storage.ledger import Ledger
from schemas.vocabulary import Disposition, Kind, LegalHoldReason
from tests.contract.ledger.test_recalls import HONDURAS, ordered, said, states, taking_back
from tests.contract.ledger.test_retention import sealed
from tests.contract.ledger.world import GUATEMALA, QUEUES, Maker, World

SOON = timedelta(minutes=5)
DAY = timedelta(days=1)


async def listed(ledger: Ledger, make: Maker) -> list[tuple[str, Keeping | None]]:
    """Tell what was taken back and may go, and what keeps it."""
    found = await ledger.retention.recalled(now=make.now + SOON, limit=10)
    return [(each.id, each.kept) for each in found]


async def destroyed(ledger: Ledger, make: Maker, number: int = 1) -> bool:
    """Try to destroy the first message, five minutes after it came."""
    return await ledger.retention.destroy(number, now=make.now + SOON, sign=make.sign)


async def answer(
    ledger: Ledger, make: Maker, recall: Acceptance, subject: Acceptance, *, at_honduras: bool
) -> None:
    """Have one of the two desks say that it destroyed its copy."""
    word = said(recall, subject)
    word = replace(word, desk=HONDURAS) if at_honduras else word
    await ledger.recalls.dispose(word, now=make.now, sign=make.sign)


@pytest.mark.parametrize("answer", [Disposition.DESTROYED, Disposition.KEPT])
async def test_recalled_content_goes_when_the_desk_has_answered(
    world: World, ledger: Ledger, make: Maker, answer: Disposition
) -> None:
    """Not a moment earlier; hash, states and the desk's own word stay."""
    subject, recall = await ordered(ledger, make)
    before = (await listed(ledger, make), await destroyed(ledger, make))

    await ledger.recalls.dispose(said(recall, subject, answer), now=make.now, sign=make.sign)
    found = await listed(ledger, make)
    done = await destroyed(ledger, make)

    assert before == ([], False)
    assert (found, done) == ([(subject.message_id, None)], True)
    assert (await sealed(world))[0] == b""
    assert (await sealed(world))[1] != b""
    assert make.sign.events[-1][1].kind is EventKind.DESTROYED
    assert await states(ledger, subject) == [DeliveryState.ACKNOWLEDGED]
    [recipient] = (await ledger.messages.status(recall.sender, recall.message_id)).recipients
    assert recipient.order.disposition is answer
    assert await listed(ledger, make) == []
    assert not await destroyed(ledger, make)


async def test_recalled_content_goes_at_once_when_nobody_had_it(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """No copy was handed over: the gateway has answered for the desk, and nothing waits."""
    subject = make.acceptance()
    await make.dispatched(ledger, subject)
    await ledger.messages.record(taking_back(make, subject), sign=make.sign)

    assert await listed(ledger, make) == [(subject.message_id, None)]
    assert await destroyed(ledger, make)
    assert (await sealed(world))[0] == b""


async def test_recalled_content_waits_for_every_desk_and_every_recall(
    ledger: Ledger, make: Maker
) -> None:
    """One desk that is silent keeps it, also where a second recall was answered."""
    subject = make.acceptance(desks=(GUATEMALA, HONDURAS))
    await make.dispatched(ledger, subject)
    handed = await ledger.deliveries.lease(
        [1, 2], queues=QUEUES, holder="desk", now=make.now, until=make.now + SOON
    )
    assert len(handed) == 2
    first, second = taking_back(make, subject), taking_back(make, subject)
    for recall in (first, second):
        await ledger.messages.record(recall, sign=make.sign)
    found: list[list[tuple[str, Keeping | None]]] = []

    for recall, desk in ((r, d) for r in (first, second) for d in (GUATEMALA, HONDURAS)):
        found.append(await listed(ledger, make))
        await answer(ledger, make, recall, subject, at_honduras=desk is HONDURAS)

    assert found == [[], [], [], []]
    assert await listed(ledger, make) == [(subject.message_id, None)]


async def test_rectified_content_stays(ledger: Ledger, make: Maker) -> None:
    """A correction takes nothing back."""
    subject, rectification = await ordered(ledger, make, Kind.RECTIFICATION)
    word = said(rectification, subject, Disposition.CORRECTED)
    await ledger.recalls.dispose(word, now=make.now, sign=make.sign)

    assert await listed(ledger, make) == []
    assert not await destroyed(ledger, make)


async def test_recalled_content_stays_while_it_is_held(ledger: Ledger, make: Maker) -> None:
    """A legal hold counts more than the originator's wish."""
    subject, recall = await ordered(ledger, make)
    await ledger.recalls.dispose(said(recall, subject), now=make.now, sign=make.sign)
    await ledger.retention.hold(
        subject.sender,
        subject.message_id,
        reason=LegalHoldReason.EVIDENCE,
        by="ana",
        until=make.now + DAY,
        now=make.now,
    )

    assert await listed(ledger, make) == [(subject.message_id, Keeping.HOLD)]
    assert not await destroyed(ledger, make)
    await ledger.retention.lift(subject.sender, subject.message_id, now=make.now)
    assert await destroyed(ledger, make)


async def test_recalled_content_is_listed_once(ledger: Ledger, make: Maker) -> None:
    """From its ``expires`` on it is listed as expired, and not as recalled too."""
    subject = make.acceptance()
    await make.dispatched(ledger, subject)
    await ledger.messages.record(taking_back(make, subject), sign=make.sign)

    late = make.now + DAY

    assert await ledger.retention.recalled(now=late, limit=10) == []
    assert subject.message_id in [
        each.id for each in await ledger.retention.expired(now=late, limit=10)
    ]

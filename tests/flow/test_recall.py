"""Recall and rectification on a running exchange, whatever was closed in between (SG-07)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.desk.problem import ProblemError
from broker.desk.recalls import Answer, Answered
from broker.evidence.receipts import verify_receipt
from broker.model.events import DeliveryState, EventKind
from broker.model.message import Posting, SealedPosting
from broker.model.names import AgencyRef, DeskRef, MessageId, QueueName
from broker.model.status import MessageStatus
from broker.ports.recalls import Order
from keys.act_kind import ActKind
from schemas.loader import SchemaSet
from schemas.vocabulary import Country, Disposition, KeptReason
from tests.flow.channel_world import act, to, with_channels
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    HN_DESK,
    MIGRACION,
    Running,
    as_bytes,
    message,
)

QUEUE = QueueName("MX.GT.intelligence")
BOTH = {"countries": ["GT", "HN"], "compartment": "intelligence"}


def recall(of: str, **changes: Any) -> dict[str, Any]:
    """Take a message back."""
    body = {"of": of, "reason": "person_at_risk"}
    # Nothing of the first message goes along but its address.
    plain = {"evaluation": None, "lineage": None, "in_reply_to": None, "attachments": None}
    return message(**{"kind": "recall", "version": "1.0", "body": body, **plain, **changes})


def rectification(of: str, **changes: Any) -> dict[str, Any]:
    """Say what was wrong in a message."""
    body = {
        "of": of,
        "reason": "factual_error",
        "corrections": [{"pointer": "/body/routes/0", "note": "Another road."}],
    }
    return recall(of, **{"kind": "rectification", "body": body, **changes})


async def status(exchange: Running, message_id: str) -> MessageStatus:
    """What the originator sees."""
    return await (await exchange.client(FISCALIA)).status(MessageId(message_id))


async def states(exchange: Running, message_id: str) -> list[DeliveryState]:
    """How far has each copy come?"""
    return [each.state for each in (await status(exchange, message_id)).recipients]


async def open_orders(exchange: Running, party: AgencyRef | DeskRef) -> tuple[Order, ...]:
    """What is open for somebody."""
    return await (await exchange.client(party)).orders()


async def say(
    exchange: Running, desk: DeskRef, disposition: Disposition, because: KeptReason | None = None
) -> None:
    """Answer the desk's only open order."""
    [order] = await open_orders(exchange, desk)
    answer = Answer(order=order, disposition=disposition, because=because)
    [result] = await (await exchange.client(desk)).dispose([answer])
    assert isinstance(result, Answered)


async def test_recall_takes_back_what_no_desk_was_handed(any_exchange: Running) -> None:
    """Neither message nor recall reaches the desk; the sender has a receipt for both."""
    subject = await any_exchange.post(message())

    taken_back = await any_exchange.post(recall(subject))

    assert await states(any_exchange, subject) == [DeliveryState.RECALLED]
    assert await any_exchange.receive(GT_DESK) == []
    [recipient] = (await status(any_exchange, taken_back)).recipients
    assert recipient.order is not None
    assert recipient.order.disposition is Disposition.DESTROYED
    assert recipient.order.receipt is not None
    proven = verify_receipt(recipient.order.receipt, find_key=any_exchange.receipt_keys.get)
    assert (proven.event, proven.message_id) == (EventKind.RECALLED, taken_back)
    assert not await open_orders(any_exchange, FISCALIA)


async def test_recall_is_answered_by_the_desk_that_has_the_message(any_exchange: Running) -> None:
    """Both sides see it open until the desk has signed; then both signatures stand."""
    subject = await any_exchange.post(message())
    await any_exchange.receive(GT_DESK)
    taken_back = await any_exchange.post(recall(subject))
    received = await any_exchange.receive(GT_DESK)
    [sent] = await open_orders(any_exchange, FISCALIA)
    assert (sent.id, sent.subject, sent.desk) == (taken_back, subject, GT_DESK)

    await say(any_exchange, GT_DESK, Disposition.KEPT, KeptReason.ONGOING_PROCEEDINGS)
    kept = (await status(any_exchange, taken_back)).recipients[0].order
    order = (await (await any_exchange.client(GT_DESK)).orders(only_open=False))[0]
    await (await any_exchange.client(GT_DESK)).dispose(
        [Answer(order=order, disposition=Disposition.DESTROYED)]
    )

    assert [line["id"] for line in received] == [subject, taken_back]
    assert kept is not None
    assert kept.because is KeptReason.ONGOING_PROCEEDINGS
    end = (await status(any_exchange, taken_back)).recipients[0].order
    assert end is not None
    assert end.disposition is Disposition.DESTROYED
    assert end.desk_evidence != kept.desk_evidence
    assert end.receipt is not None
    proven = verify_receipt(end.receipt, find_key=any_exchange.receipt_keys.get)
    assert (proven.event, proven.disposition) == (EventKind.DISPOSED, Disposition.DESTROYED)
    assert not await open_orders(any_exchange, FISCALIA)


async def test_recall_reaches_the_desk_when_its_pair_was_closed(any_exchange: Running) -> None:
    """What closes a road for new messages does not close it for taking one back."""
    subject = await any_exchange.post(message())
    await any_exchange.receive(GT_DESK)
    await any_exchange.close(any_exchange.pair(GT_DESK))
    with pytest.raises(ProblemError):
        await any_exchange.post(message())

    taken_back = await any_exchange.post(recall(subject))

    lines = await any_exchange.receive(GT_DESK)
    assert [line["id"] for line in lines] == [subject, taken_back]


async def without_key(exchange: Running, *desks: DeskRef) -> None:
    """Have the encryption keys of desks declared compromised."""
    for desk in desks:
        holding = exchange.world.holdings[desk]
        assert holding.decryption is not None
        kit = exchange.world.kits[desk.country]
        await exchange.decide(
            kit.alone(ActKind.COMPROMISE, at=datetime.now(UTC), keys=[holding.decryption.kid])
        )


@pytest.mark.parametrize("seals_itself", [False, True], ids=["gateway", "origin"])
async def test_recall_waits_for_no_desk_whose_key_was_compromised(
    any_exchange: Running, *, seals_itself: bool
) -> None:
    """It ends the copies of all and reaches the others; who got no copy sees it and must answer."""
    exchange, client = any_exchange, await any_exchange.client(FISCALIA)
    subject = await exchange.post(message(to=BOTH))
    waits = await exchange.post(message(to=BOTH))
    await (await exchange.client(GT_DESK)).poll(QUEUE, wait=timedelta(seconds=5))
    handed = await exchange.receive(HN_DESK)
    await without_key(exchange, GT_DESK)

    posting: Posting | SealedPosting = client.sign(as_bytes(recall(subject, to=BOTH)))
    if seals_itself:
        posting = await client.seal(posting, SchemaSet.load())
    previewed = await client.dry_run(posting)
    accepted = await client.send(posting)
    again = await client.send(posting)

    assert {line["id"] for line in handed} == {subject, waits}
    assert {each.desk: each.sealed for each in accepted.recipients} == {
        GT_DESK: False,
        HN_DESK: True,
    }
    assert again.replayed
    assert accepted.recipients == again.recipients == previewed
    proven = verify_receipt(accepted.receipt, find_key=exchange.receipt_keys.get)
    assert proven.recipients.keys() == {GT_DESK, HN_DESK}
    assert proven.not_sealed == {GT_DESK}
    assert await states(exchange, subject) == [
        DeliveryState.RECALLED,
        DeliveryState.ACKNOWLEDGED,
    ]
    assert (await exchange.receive(HN_DESK))[-1]["id"] == accepted.id
    assert await states(exchange, accepted.id) == [
        DeliveryState.NOT_SEALED,
        DeliveryState.ACKNOWLEDGED,
    ]
    [order] = await open_orders(exchange, GT_DESK)
    assert (order.id, order.subject, order.origin) == (accepted.id, subject, FISCALIA)
    await say(exchange, GT_DESK, Disposition.DESTROYED)
    [left] = await open_orders(exchange, FISCALIA)
    assert left.desk == HN_DESK


async def test_recall_ends_every_copy_when_no_desk_has_a_key(exchange: Running) -> None:
    """What it does to the copies is what counts, though nobody can read it."""
    subject = await exchange.post(message(to=BOTH))
    await exchange.receive(HN_DESK)
    await without_key(exchange, GT_DESK, HN_DESK)
    client = await exchange.client(FISCALIA)

    posting = await client.seal(as_bytes(recall(subject, to=BOTH)), SchemaSet.load())
    by_origin = await client.send(posting)
    by_gateway = await client.send(as_bytes(recall(subject, to=BOTH)))

    assert await states(exchange, subject) == [
        DeliveryState.RECALLED,
        DeliveryState.ACKNOWLEDGED,
    ]
    for each in (by_origin, by_gateway):
        assert not any(one.sealed for one in each.recipients)
        # Guatemala never had the message, and is not told of it.
        assert await states(exchange, each.id) == [
            DeliveryState.RECALLED,
            DeliveryState.NOT_SEALED,
        ]
    assert not await open_orders(exchange, GT_DESK)
    assert {each.id for each in await open_orders(exchange, HN_DESK)} == {
        by_origin.id,
        by_gateway.id,
    }


async def test_rectification_follows_the_message(exchange: Running) -> None:
    """The desk gets both in their order, and says that it has corrected."""
    subject = await exchange.post(message(to=BOTH))
    rectified = await exchange.post(rectification(subject, to=BOTH))

    lines = await exchange.receive(GT_DESK)
    await say(exchange, GT_DESK, Disposition.CORRECTED)

    assert [line["id"] for line in lines] == [subject, rectified]
    [left] = await open_orders(exchange, FISCALIA)
    assert left.desk == HN_DESK


async def test_recall_stops_a_copy_whose_lease_has_ended(any_exchange: Running) -> None:
    """Handed over once, not answered: it does not come again, and the desk must answer."""
    subject = await any_exchange.post(message())
    desk = await any_exchange.client(GT_DESK)
    [handed] = await desk.poll(QUEUE, wait=timedelta(seconds=5))

    taken_back = await any_exchange.post(recall(subject))
    await desk.acknowledge([handed.ref])

    assert await states(any_exchange, subject) == [DeliveryState.ACKNOWLEDGED]
    again = await desk.poll(QUEUE, wait=timedelta(seconds=10))
    assert [each.message_id for each in again] == [taken_back]
    [order] = await open_orders(any_exchange, GT_DESK)
    assert order.subject == subject


@pytest.mark.parametrize("closing", [ActKind.LEAVE_CHANNEL, ActKind.CLOSE_CHANNEL])
async def test_recall_reaches_a_member_when_its_channel_is_over_for_it(
    tmp_path: Path, closing: ActKind
) -> None:
    """Who left, or whose channel was closed, has the message all the same, and opens the recall."""
    async with with_channels(tmp_path / "exchange") as exchange:
        subject = await exchange.post(message(to=to()))
        await exchange.receive(HN_DESK)
        await act(exchange, closing, Country.HONDURAS)

        taken_back = await exchange.post(recall(subject, to=to()))

        lines = await exchange.receive(HN_DESK)
        assert [line["id"] for line in lines] == [subject, taken_back]
        await say(exchange, HN_DESK, Disposition.DESTROYED)
        # Guatemala never fetched it, and is not told of it.
        assert await exchange.receive(GT_DESK) == []
        assert not await open_orders(exchange, FISCALIA)


async def test_recall_is_denied_when_another_agency_wrote_the_message(exchange: Running) -> None:
    """Another agency's id and an unknown one look the same, and nothing changes."""
    subject = await exchange.post(message())
    codes = []
    for of in (subject, "0192d3b4-0000-7000-8000-000000000001"):
        document = recall(of) | {"from": {"country": "MX", "agency": "inm"}}
        with pytest.raises(ProblemError) as denied:
            await exchange.post(document, MIGRACION)
        codes.append((denied.value.code, denied.value.status))

    assert codes == [("recall-denied", 403)] * 2
    assert await states(exchange, subject) != [DeliveryState.RECALLED]


async def test_recall_overtakes_what_was_judged_before_it(
    exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed on to who had it, and taken back from him while that was sealed: it is denied."""
    subject = await exchange.post(message(to=BOTH, handling={"code": "H2"}))
    to_honduras = {"countries": ["HN"], "compartment": "intelligence"}
    handed_on = message(
        to=to_honduras,
        handling={"code": "H2"},
        lineage=[subject],
        **{"from": {"country": "MX", "agency": "inm"}},
    )
    ledger = exchange.gateway.exchange.ledger
    record, waiting = ledger.record, [recall(subject, to=BOTH)]

    async def record_after_the_recall(*args: Any, **more: Any) -> Any:
        if waiting:
            await exchange.post(waiting.pop())
        return await record(*args, **more)

    monkeypatch.setattr(ledger, "record", record_after_the_recall)

    with pytest.raises(ProblemError) as refused:
        await exchange.post(handed_on, sender=MIGRACION)

    assert refused.value.code == "originator-denied"
    assert not waiting

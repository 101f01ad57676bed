"""The main job, whole: post, accept, route, open, acknowledge, with evidence at each end."""

import pytest

from broker.desk.failures import ProblemError
from broker.evidence.receipts import verify_receipt
from broker.model.events import DeliveryState, EventKind
from broker.model.names import MessageId
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, MIGRACION, Running, as_bytes, message


async def test_deliver_brings_the_exact_bytes_to_the_desk(any_exchange: Running) -> None:
    """What the agency signed is what the desk stores, byte for byte, once."""
    document = message()
    await any_exchange.post(document)

    received = await any_exchange.receive(GT_DESK)

    assert [line["message"]["id"] for line in received] == [document["id"]]
    assert received[0]["message"] == document


async def test_deliver_reaches_every_recipient_of_one_message(any_exchange: Running) -> None:
    """A message to two countries is sealed once and opened by both."""
    document = message(to={"countries": ["GT", "HN"], "compartment": "intelligence"})
    message_id = await any_exchange.post(document)

    for desk in (GT_DESK, HN_DESK):
        assert len(await any_exchange.receive(desk)) == 1

    client = await any_exchange.client(FISCALIA)
    status = await client.status(MessageId(message_id))
    assert {one.state for one in status.recipients} == {DeliveryState.ACKNOWLEDGED}


async def test_status_proves_the_delivery_with_signed_evidence(exchange: Running) -> None:
    """The sender ends with the gateway's two receipts and the desk's own signature."""
    message_id = MessageId(await exchange.post(message()))
    await exchange.receive(GT_DESK)
    client = await exchange.client(FISCALIA)

    status = await client.status(message_id)

    keys = exchange.receipt_keys
    recipient = status.recipients[0]
    assert recipient.receipt is not None
    assert recipient.desk_evidence is not None
    accepted = verify_receipt(status.receipt, find_key=keys.get)
    final = verify_receipt(recipient.receipt, find_key=keys.get)
    assert (accepted.event, final.event) == (EventKind.ACCEPTED, EventKind.ACKNOWLEDGED)
    assert accepted.content_hash == final.content_hash == status.content_hash
    assert final.position > accepted.position


async def test_post_returns_the_first_answer_when_the_same_bytes_come_again(
    exchange: Running,
) -> None:
    """A retry is answered with the first receipt, and delivered once."""
    body = as_bytes(message())
    client = await exchange.client(FISCALIA)

    first, second = await client.send(body), await client.send(body)

    assert (first.replayed, second.replayed) == (False, True)
    assert first.receipt == second.receipt
    assert first.recipients == second.recipients
    assert len(await exchange.receive(GT_DESK)) == 1


async def test_post_returns_the_first_answer_when_the_pair_was_closed_since(
    exchange: Running,
) -> None:
    """A retry learns that its message was accepted, even if a new one would be refused."""
    body = as_bytes(message())
    client = await exchange.client(FISCALIA)
    first = await client.send(body)

    await exchange.close(exchange.pair(GT_DESK))
    second = await client.send(body)

    assert second.replayed
    assert second.receipt == first.receipt
    assert second.recipients == first.recipients


async def test_dry_run_names_the_recipients_and_keeps_nothing(exchange: Running) -> None:
    """A dry run says which desk by which rule, and no queue grows."""
    client = await exchange.client(FISCALIA)

    recipients = await client.dry_run(as_bytes(message()))

    assert [(one.desk, one.rule) for one in recipients] == [(GT_DESK, "open-pair")]
    assert await exchange.receive(GT_DESK, idle=0.5) == []


async def test_post_refuses_a_reused_id_with_other_bytes(exchange: Running) -> None:
    """An id names one message for ever."""
    first = message()
    await exchange.post(first)
    client = await exchange.client(FISCALIA)

    with pytest.raises(ProblemError) as refused:
        await client.send(as_bytes(message(id=first["id"], case="OTRO-2026")))

    assert (refused.value.code, refused.value.status) == ("id-reused", 409)
    assert len(await exchange.receive(GT_DESK)) == 1


async def test_status_hides_another_agencys_message(exchange: Running) -> None:
    """Another agency of the same country asks in vain: not found, like an unknown id."""
    message_id = await exchange.post(message())
    stranger = await exchange.client(MIGRACION)

    with pytest.raises(ProblemError) as refused:
        await stranger.status(MessageId(message_id))

    assert (refused.value.code, refused.value.status) == ("not-found", 404)

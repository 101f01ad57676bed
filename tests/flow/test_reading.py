"""Does the originator learn who reads his message, and does nobody read it before that?"""

import io
from datetime import timedelta

import pytest

from broker.desk.failures import UseNotNotedError
from broker.desk.reading import Reader, state_all
from broker.desk.store import Printout
from broker.desk.subscribe import Subscription
from broker.desk.wire import ContentRef
from broker.model.events import DeliveryState
from broker.model.names import ContentHash, MessageId
from broker.model.status import RecipientStatus
from schemas.loader import SchemaSet
from tests.flow.conftest import FISCALIA, GT_DESK, Running, message

OWN = str(message()["purpose"]["code"])
OTHER = "prevention" if OWN != "prevention" else "prosecution"


async def recipient(exchange: Running, message_id: str) -> RecipientStatus:
    """What the originator sees of his one recipient."""
    client = await exchange.client(FISCALIA)
    return (await client.status(MessageId(message_id))).recipients[0]


async def printed(exchange: Running, reader: Reader) -> bytes:
    """Subscribe to a printout that somebody reads."""
    stream, notes = io.BytesIO(), io.BytesIO()
    subscription = Subscription(
        await exchange.client(GT_DESK),
        inbox=Printout(stream),
        refused=Printout(notes),
        schemas=SchemaSet.load(),
        reader=reader,
    )
    await subscription.run(idle=timedelta(seconds=1.5))
    return stream.getvalue()


async def test_originator_sees_for_what_a_message_was_read(exchange: Running) -> None:
    """What is kept is not read; what is read later is stated first, by role and purpose."""
    message_id = await exchange.post(message())
    [line] = await exchange.receive(GT_DESK)
    kept = await recipient(exchange, message_id)
    ref = ContentRef(
        message_id=MessageId(message_id), content_hash=ContentHash(line["content_hash"])
    )
    desk = await exchange.client(GT_DESK)

    await state_all(desk, [(ref, OWN)], reader="duty analyst")
    with pytest.raises(UseNotNotedError) as refused:
        await state_all(desk, [(ref, OTHER)], reader="duty analyst")

    read = await recipient(exchange, message_id)
    assert kept.uses == ()
    assert refused.value.code == "purpose-denied"
    assert [(each.reader, each.purpose, each.times) for each in read.uses] == [
        ("duty analyst", OWN, 1)
    ]


async def test_subscription_states_the_use_before_it_prints(exchange: Running) -> None:
    """By what each message says it is for; then it is acknowledged."""
    message_id = await exchange.post(message())

    shown = await printed(exchange, Reader(role="duty analyst"))

    read = await recipient(exchange, message_id)
    assert message_id.encode() in shown
    assert read.state is DeliveryState.ACKNOWLEDGED
    assert [(each.reader, each.purpose) for each in read.uses] == [("duty analyst", OWN)]


async def test_subscription_prints_nothing_when_the_purpose_is_not_allowed(
    exchange: Running,
) -> None:
    """The message was not shown, is not acknowledged, and comes again to who may read it."""
    message_id = await exchange.post(message())

    with pytest.raises(UseNotNotedError):
        await printed(exchange, Reader(role="duty analyst", purpose=OTHER))

    read = await recipient(exchange, message_id)
    assert (read.state, read.uses) == (DeliveryState.DELIVERED, ())

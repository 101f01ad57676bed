"""Time limits on a running exchange: nobody's message runs out untold, and content goes (SG-08)."""

import asyncio
from datetime import UTC, datetime, timedelta

from broker.model.events import DeliveryState
from broker.model.names import MessageId
from broker.notices import UnreadNotices
from broker.storage.ledger import open_ledger
from broker.sweep import Sweep
from broker.transport.local import LocalTransport
from broker.wiring.clock import utc_now
from keys import jws
from tests.flow.conftest import FISCALIA, GT_DESK, Running, message


def soon_over() -> dict[str, object]:
    """A message that runs out in two seconds."""
    now = datetime.now(UTC)
    ends = (now + timedelta(seconds=2)).isoformat(timespec="seconds")
    created = (now - timedelta(seconds=5)).isoformat(timespec="seconds")
    return message(created=created, expires=ends, review_by=ends)


async def test_expire_tells_the_country_and_then_the_content_goes(exchange: Running) -> None:
    """The origin gets a signed notice; the desk nothing; the tombstone still answers."""
    message_id = await exchange.post(soon_over())
    await asyncio.sleep(3)
    now = utc_now()
    key = exchange.world.exchange.receipt_key

    def sign(payload: bytes) -> str:
        return jws.sign_compact(payload, key, typ="enlace-notice+jws")

    sign_receipt = exchange.gateway.hand_overs.sign_receipt
    async with open_ledger(exchange.world.settings.database_url) as ledger:
        sweep = Sweep(
            ledger=ledger.deliveries,
            transport=LocalTransport(ledger.deliveries, clock=utc_now),
            clock=utc_now,
            sign_receipt=sign_receipt,
            tell=UnreadNotices(sign=sign, issuer=exchange.world.settings.base_url),
        )
        await sweep.expire()
        [due] = await ledger.retention.expired(now=now, limit=10)
        assert await ledger.retention.destroy(due.number, now=now, sign=sign_receipt)

    origin = await exchange.client(FISCALIA)
    [noticed] = await origin.notices()
    assert noticed.event == "message-expired-unread"
    assert noticed.deliveries == ((message_id, str(FISCALIA), str(GT_DESK)),)
    status = await origin.status(MessageId(message_id))
    assert status.recipients[0].state is DeliveryState.EXPIRED
    assert await (await exchange.client(GT_DESK)).notices() == ()
    assert await exchange.receive(GT_DESK) == []

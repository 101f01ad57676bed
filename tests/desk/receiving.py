"""A desk that receives until nothing comes any more, and what it has then."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from broker.desk.client import EnlaceClient
from broker.desk.inbox import Inbox, read_inbox
from broker.desk.subscribe import Subscription, Totals
from broker.model.events import EventKind
from broker.model.names import MessageId
from tests.desk import world
from tests.desk.world import HandOverParts
from tests.fakes.gateway import FakeGateway

IDLE = timedelta(milliseconds=150)
REFUSED: dict[str, dict[str, Any]] = {
    "cannot-open": {"announced": {"content_hash": "A" * 43}},
    "signature-not-valid": {"signer": "MX-policia-1"},
    "receipt-not-valid": {"event": {"kind": EventKind.EXPIRED}},
    "content-not-valid": {"members": {"urgency": "soon"}},
}
"""Hand-overs that a desk returns, by the reason that it gives."""


def deliver(gateway: FakeGateway, *numbers: int, **parts: Any) -> list[MessageId]:
    """Put messages into the desk's queue."""
    for number in numbers:
        gateway.deliver(HandOverParts(number=number, **parts).to_json())
    return [world.message_id(number) for number in numbers]


async def receive(client: EnlaceClient, folder: Path) -> Totals:
    """Start as a new process would, and stop when nothing comes any more."""
    with Inbox(folder / "inbox.jsonl") as inbox, Inbox(folder / "refused.jsonl") as refused:
        subscription = Subscription(client, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription.run(idle=IDLE)
        return subscription.totals


def stored(folder: Path) -> list[dict[str, Any]]:
    """Read the inbox."""
    return [orjson.loads(line) for line in read_inbox(folder / "inbox.jsonl")]


def returned(folder: Path) -> list[dict[str, Any]]:
    """Read the notes of what was returned."""
    return [orjson.loads(line) for line in read_inbox(folder / "refused.jsonl")]


def acknowledged(gateway: FakeGateway) -> list[MessageId]:
    """Name what the gateway knows as acknowledged."""
    return [
        MessageId(each.hand_over["id"])
        for each in gateway.deliveries.values()
        if each.state == "acknowledged"
    ]

"""A recall: it reaches the desk that had the message, which destroys its copy and signs that."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from broker.admission.dispose import verify_disposition
from broker.demo.desks import inbox_file
from broker.demo.progress import Progress
from broker.demo.second.house import House
from broker.demo.second.letters import letter, scene_of
from broker.desk.client import EnlaceClient
from broker.desk.recalls import Answer, Answered
from broker.desk.rewriting import read_lines
from broker.desk.taking_back import destroy
from broker.errors import EvidenceError, RefusedError
from broker.model.events import EventKind
from broker.model.names import DeskRef
from broker.model.status import OrderStatus
from broker.ports.recalls import Order
from broker.sandbox.world import World
from keys import base64url
from keys.charter import ChannelName
from schemas.vocabulary import Disposition, Kind

BODY: Final = "body"
EXAMPLE: Final = "source-en-danger"
REASON: Final = "person_at_risk"


async def take_back(house: House, subject: Progress) -> None:
    """Recall a message that was delivered to one desk.

    Raises:
        NotDeliveredError: The recall did not reach it.
    """
    house.title("recall.title")
    [desk], sender = subject.scene.desks, subject.scene.sender
    had_it = _has_content(house.world, desk, subject)
    document = letter(
        Kind.RECALL,
        EXAMPLE,
        sender,
        to=subject.scene.document["to"],
        body={"of": subject.scene.id, "reason": REASON},
    )
    [recall] = await house.deliver(
        [scene_of(document, house.charter(ChannelName(subject.scene.name)))]
    )
    house.tell("recall.sent", sender=sender, desk=desk)
    async with house.desks.away(desk), house.world.client(desk) as client:
        order = await _order(client, recall)
        house.see("recall.reached", holds=had_it and order is not None, desk=desk)
        if order is None:
            return
        answered = await _answer(house.world, client, order)
    house.tell("recall.answered", desk=desk)
    status = await house.senders[sender].status(recall.scene.id)
    told = status.recipients[0].order
    house.see(
        "recall.evidence",
        holds=answered and told is not None and await _is_proved(house, recall, told, desk),
        desk=desk,
    )
    house.see(
        "recall.gone",
        holds=had_it and not _has_content(house.world, desk, subject),
        desk=desk,
    )


async def _order(client: EnlaceClient, recall: Progress) -> Order | None:
    return next((one for one in await client.orders() if one.id == recall.scene.id), None)


async def _answer(world: World, client: EnlaceClient, order: Order) -> bool:
    """Destroy first, and only then sign that it is done."""
    now = datetime.now(UTC)
    await asyncio.to_thread(lambda: destroy(inbox_file(world, order.desk), order, now=now))
    answer = Answer(order=order, disposition=Disposition.DESTROYED)
    [result] = await client.dispose([answer])
    return isinstance(result, Answered)


async def _is_proved(house: House, recall: Progress, told: OrderStatus, desk: DeskRef) -> bool:
    """What the sender holds: the desk's own signature, and the gateway's receipt for it."""
    if told.desk_evidence is None or told.receipt is None:
        return False
    client, now = house.senders[recall.scene.sender], datetime.now(UTC)
    directory = await client.directory()
    try:
        answer = verify_disposition(
            told.desk_evidence,
            desk=desk,
            find_key=lambda kid: directory.desk_signature_key(kid, now),
            now=now,
        )
        receipt = (await client.receipts(told.receipt)).verify(told.receipt)
    except (RefusedError, EvidenceError):
        return False
    return (
        told.disposition is answer.disposition is receipt.disposition is Disposition.DESTROYED
        and answer.recall == receipt.message_id == recall.scene.id
        and receipt.event is EventKind.DISPOSED
        and receipt.recipients.keys() == {desk}
    )


def _has_content(world: World, desk: DeskRef, subject: Progress) -> bool:
    """Whether what was posted can still be read in a desk's inbox."""
    file, posted = inbox_file(world, desk), base64url.encode(subject.scene.body)
    lines = [line for line in read_lines(file) if line.get("id") == subject.scene.id]
    return any(BODY in line for line in lines) or posted.encode() in file.read_bytes()

"""At the end: did every message reach every recipient, once, and is all of it proved?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from broker.admission.acknowledge import verify_answer
from broker.demo.desks import inbox_file
from broker.demo.progress import Progress
from broker.demo.proofs import Check
from broker.demo.senders import Senders
from broker.desk.failures import OpeningError
from broker.desk.inbox import read_inbox
from broker.desk.receipts import ReceiptCheck, Sent
from broker.desk.stored import verify_line
from broker.desk.trust import Trust
from broker.directory import Directory
from broker.errors import EvidenceError, RefusedError
from broker.evidence.receipts import ReceiptContent
from broker.model.events import EventKind
from broker.model.names import DeskRef, MessageId
from broker.model.status import MessageStatus, RecipientStatus
from broker.sandbox.world import World
from schemas.loader import SchemaSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One recipient's copy of one message, as its sender knows it."""

    progress: Progress
    status: MessageStatus
    recipient: RecipientStatus
    directory: Directory
    """As the sender verified it against its own pinned roots."""
    receipts: ReceiptCheck


async def check_evidence(world: World, senders: Senders, cases: Sequence[Progress]) -> list[Check]:
    """Verify what the senders hold, as each would in its own country."""
    directory = await next(iter(senders.values())).directory()
    receipts = ReceiptCheck(
        keys=directory.receipt_keys,
        issuer=world.settings.base_url,
        counts=directory.receipt_counts,
    )
    copies = [
        Copy(
            progress=progress,
            status=progress.status,
            recipient=recipient,
            directory=await senders[progress.scene.sender].directory(),
            receipts=receipts,
        )
        for progress in cases
        if progress.status is not None
        for recipient in progress.status.recipients
    ]
    wanted = sum(len(progress.scene.desks) for progress in cases)
    return [
        _count("evidence.delivered", (one.is_complete for one in cases), len(cases)),
        _count("evidence.accepted", (_is_accepted(one, receipts) for one in cases), len(cases)),
        _count("evidence.desk", (_is_desk_answer(copy) for copy in copies), wanted),
        _count("evidence.final", (_is_final_receipt(copy) for copy in copies), wanted),
    ]


def check_inboxes(world: World, directory: Directory, cases: Sequence[Progress]) -> Check:
    """Read every inbox again: each message once, proved again, with the bytes as posted."""
    trust = Trust(
        directory=directory,
        receipt_keys=directory.receipt_keys,
        issuer=world.settings.base_url,
        schemas=SchemaSet.load(),
    )
    posted = {one.scene.id: one.scene.body for one in cases}
    wanted = Counter((desk, one.scene.id) for one in cases for desk in one.scene.desks)
    found = Counter(
        (desk, message_id)
        for desk in {desk for desk, _ in wanted}
        for message_id, body in _read(world, desk, trust)
        if posted.get(message_id) == body
    )
    lines = sum(
        sum(1 for _ in read_inbox(inbox_file(world, desk))) for desk in {desk for desk, _ in wanted}
    )
    return Check(
        key="evidence.inboxes",
        holds=found == wanted and lines == wanted.total(),
        values={"count": found.total(), "of": wanted.total()},
    )


def _count(key: str, results: Iterator[bool], wanted: int) -> Check:
    good = sum(results)
    return Check(key=key, holds=good == wanted, values={"count": good, "of": wanted})


def _is_accepted(progress: Progress, receipts: ReceiptCheck) -> bool:
    accepted, status, scene = progress.accepted, progress.status, progress.scene
    if accepted is None or status is None or accepted.receipt != status.receipt:
        return False
    try:
        receipts.check_accepted(
            accepted.receipt,
            Sent(message_id=scene.id, origin=scene.sender, desks=frozenset(scene.desks)),
            recipients=accepted.recipients,
        )
    except EvidenceError:
        return False
    return True


def _is_desk_answer(copy: Copy) -> bool:
    """The desk itself signed that it has this content, by a key that its country stated."""
    if copy.recipient.desk_evidence is None:
        return False
    now = datetime.now(UTC)
    try:
        answer = verify_answer(
            copy.recipient.desk_evidence,
            desk=copy.recipient.desk,
            find_key=lambda kid: copy.directory.desk_signature_key(kid, now),
            now=now,
            refusal=False,
        )
    except RefusedError:
        return False
    named = (answer.message_id, answer.content_hash)
    return named == (copy.progress.scene.id, copy.status.content_hash)


def _is_final_receipt(copy: Copy) -> bool:
    if copy.recipient.receipt is None:
        return False
    try:
        content: ReceiptContent = copy.receipts.verify(copy.recipient.receipt)
    except EvidenceError:
        return False
    scene = copy.progress.scene
    return (
        content.event is EventKind.ACKNOWLEDGED
        and (content.message_id, content.origin) == (scene.id, scene.sender)
        and content.content_hash == copy.status.content_hash
        and content.recipients.keys() == {copy.recipient.desk}
    )


def _read(world: World, desk: DeskRef, trust: Trust) -> Iterator[tuple[MessageId, bytes]]:
    for line in read_inbox(inbox_file(world, desk)):
        try:
            message = verify_line(line, trust).message
        except OpeningError:
            continue
        yield message.id, message.body

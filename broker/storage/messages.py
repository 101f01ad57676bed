"""Was this message accepted, and what became of it?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hmac import compare_digest
from typing import TypeAlias

from sqlalchemy import Connection, bindparam, select

from broker.model.events import Event, EventKind, Receipt
from broker.model.facts import KnownMessage
from broker.model.message import Acceptance
from broker.model.names import AgencyRef, DeskRef, MessageId
from broker.model.status import MessageStatus
from broker.ports.messages import IdTaken, Overtaken, Recorded
from broker.ports.receipts import SignReceipt
from broker.storage import receipts
from broker.storage.database import Database
from broker.storage.group_commit import GroupCommit, Sort
from broker.storage.known import known_messages
from broker.storage.message_rows import Rows
from broker.storage.overtaken import Recalled
from broker.storage.status import message_status
from broker.storage.tables import log, messages
from broker.storage.taking_back import TakingBack, take_back
from broker.storage.transaction import Transaction, padded
from schemas.vocabulary import Country

KNOWN = (
    select(
        messages.c.message_id,
        messages.c.origin_country,
        messages.c.origin_agency,
        messages.c.body_mac,
        *receipts.RECEIPT_COLUMNS,
    )
    .join(log, log.c.position == messages.c.number)
    .where(messages.c.message_id.in_(bindparam("ids", expanding=True)))
)

Name: TypeAlias = tuple[AgencyRef, MessageId]
"""What makes a message unique."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A message to record, and who signs for it."""

    acceptance: Acceptance
    sign: SignReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A message that is in the ledger, or will be with this group."""

    body_mac: bytes = field(repr=False)
    receipt: Receipt

    def answer(self, body_mac: bytes) -> Recorded | IdTaken:
        """Answer somebody who brings this name again."""
        if compare_digest(self.body_mac, body_mac):
            return Recorded(receipt=self.receipt, replayed=True)
        return IdTaken()


def record_all(
    transaction: Transaction, recordings: Sequence[Recording]
) -> Sequence[Recorded | IdTaken | Overtaken]:
    """Record what is new; the ledger's lock keeps all others from recording meanwhile."""
    known = _look_up(
        transaction.connection, [recording.acceptance.message_id for recording in recordings]
    )
    recalled = Recalled.of(
        transaction.connection, [recording.acceptance for recording in recordings]
    )
    rows = Rows()
    taken_back: list[TakingBack | None] = []
    answers: list[Recorded | IdTaken | Overtaken] = []
    for recording in recordings:
        acceptance = recording.acceptance
        name = (acceptance.sender, acceptance.message_id)
        if name in known:
            answers.append(known[name].answer(acceptance.body_mac))
            continue
        # Whoever changes the directory, or recalls, holds the same lock: neither can happen
        # between this look and the commit.
        has_moved = acceptance.directory_version not in {None, transaction.head.directory}
        if has_moved or recalled.overtakes(acceptance):
            answers.append(Overtaken())
            continue
        receipt = receipts.draw(transaction, _accepted(acceptance), recording.sign)
        known[name] = Known(body_mac=acceptance.body_mac, receipt=receipt)
        hidden = _desk_receipts(acceptance, receipt, recording.sign)
        rows.add(transaction, acceptance, receipt, desk_receipts=hidden)
        answers.append(Recorded(receipt=receipt, replayed=False))
        taken_back.append(TakingBack.of(acceptance, recording.sign))
        recalled.note(acceptance)
    rows.insert(transaction)
    for each in taken_back:
        if each is not None:
            take_back(transaction, each)
    return answers


RECORD = Sort(apply=record_all)


def find_one(connection: Connection, *, name: Name) -> Known | None:
    """Look up what is known by this name."""
    _, message_id = name
    return _look_up(connection, [message_id]).get(name)


class StoredMessages:
    """The ledger's ``MessageLedger``."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits

    async def find(
        self, sender: AgencyRef, message_id: MessageId, *, body_mac: bytes
    ) -> Recorded | IdTaken | None:
        """See ``MessageLedger.find``."""
        found = await self._database.read(partial(find_one, name=(sender, message_id)))
        return None if found is None else found.answer(body_mac)

    async def record(
        self, acceptance: Acceptance, *, sign: SignReceipt
    ) -> Recorded | IdTaken | Overtaken:
        """See ``MessageLedger.record``."""
        return await self._commits.submit(RECORD, Recording(acceptance=acceptance, sign=sign))

    async def known(self, ids: Collection[MessageId]) -> Mapping[MessageId, Sequence[KnownMessage]]:
        """See ``MessageLedger.known``."""
        return await self._database.read(partial(known_messages, ids=ids))

    async def status(self, sender: AgencyRef, message_id: MessageId) -> MessageStatus | None:
        """See ``MessageLedger.status``."""
        return await self._database.read(
            partial(message_status, sender=sender, message_id=message_id)
        )


def _look_up(connection: Connection, ids: Sequence[MessageId]) -> dict[Name, Known]:
    # By id alone: another agency's message with the same id comes along and is not asked for.
    return {
        (
            AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
            MessageId(row.message_id),
        ): Known(body_mac=row.body_mac, receipt=receipts.read_receipt(row))
        for row in connection.execute(KNOWN, {"ids": padded(ids)})
    }


def _desk_receipts(
    acceptance: Acceptance, receipt: Receipt, sign: SignReceipt
) -> Mapping[DeskRef, str]:
    """Sign the same acceptance once more for each desk that may see only itself (SG-12).

    At the same place in the log, so that it proves no second event.
    """
    if not acceptance.hides_recipients:
        return {}
    event = _accepted(acceptance)
    return {
        desk: sign(
            replace(event, recipients={desk: kid}, rules={desk: event.rules[desk]}),
            receipt.position,
        )
        for desk, kid in event.recipients.items()
    }


def _accepted(acceptance: Acceptance) -> Event:
    return Event(
        kind=EventKind.ACCEPTED,
        at=acceptance.accepted_at,
        message_id=acceptance.message_id,
        sender=acceptance.sender,
        content_hash=acceptance.content_hash,
        recipients=acceptance.recipient_keys,
        rules={route.desk: route.rule for route in acceptance.routes},
        facts_digest=acceptance.facts_digest,
    )

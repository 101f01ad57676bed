"""What did the desk say, and does it still change anything?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Row, bindparam, select

from broker.model.answers import DeskAnswer
from broker.model.events import DeliveryState, EventKind, Receipt, RefusalReason
from broker.model.names import ContentHash, DeliveryNumber, DeskRef, MessageId
from broker.ports.deliveries import Answered
from broker.ports.receipts import SignReceipt
from broker.ports.requests import RETURNED
from broker.storage import receipts
from broker.storage.clocks import close_clocks, reopen, run_on
from broker.storage.group_commit import Sort
from broker.storage.settling import EVENT_COLUMNS, Settlement, draw_receipt, settle
from broker.storage.tables import deliveries, log, messages
from broker.storage.transaction import Transaction, padded
from schemas.vocabulary import Compartment, Country

HANDED_OVER = (
    select(*EVENT_COLUMNS, deliveries.c.state, *receipts.RECEIPT_COLUMNS)
    .join(messages, messages.c.number == deliveries.c.message)
    .outerjoin(log, log.c.position == deliveries.c.receipt)
    .where(
        messages.c.message_id.in_(bindparam("ids", expanding=True)),
        # A desk cannot answer for what it was never given.
        deliveries.c.hand_over.is_not(None),
    )
)
ANSWERED = frozenset({DeliveryState.ACKNOWLEDGED, DeliveryState.REFUSED})
GIVEN_UP = frozenset({DeliveryState.DEAD_LETTERED, DeliveryState.EXPIRED, DeliveryState.RECALLED})
"""The exchange stopped trying, but the desk may have the message all the same."""
NO_ANSWER = frozenset(
    {
        RefusalReason.CANNOT_OPEN,
        RefusalReason.SIGNATURE_NOT_VALID,
        RefusalReason.RECEIPT_NOT_VALID,
        RefusalReason.CONTENT_NOT_VALID,
        RefusalReason.FACTS_NOT_TRUE,
    }
)
"""A reply that was returned so has told its desk nothing that it may believe."""
NOT_HANDED_OVER = Answered(deliveries=(), state=None, receipt=None)

Subject: TypeAlias = tuple[DeskRef, MessageId, ContentHash]
"""What an answer is about; the desk is part of it, so no desk answers for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """An answer to record, and who signs for it."""

    answer: DeskAnswer
    now: datetime
    sign: SignReceipt


@dataclass(slots=True, kw_only=True)
class Handed:
    """A delivery as it stands within this group."""

    row: Row[*tuple[object, ...]]
    state: DeliveryState
    answer: Receipt | None


def answer_all(transaction: Transaction, answerings: Sequence[Answering]) -> Sequence[Answered]:
    """Record the answers that come first; tell the others what stands."""
    handed = _look_up(transaction, answerings)
    settlements: list[Settlement] = []
    answered: list[Answered] = []
    read_after_all: list[int] = []
    for answering in answerings:
        answer = answering.answer
        found = handed.get((answer.desk, answer.message_id, answer.content_hash))
        if found is None:
            answered.append(NOT_HANDED_OVER)
            continue
        if _counts(found.state, answer):
            if found.state is DeliveryState.EXPIRED:
                read_after_all.append(found.row.number)
            settlement = _settlement(transaction, found, answering)
            settlements.append(settlement)
            found.state, found.answer = settlement.state, settlement.receipt
        answered.append(
            Answered(
                deliveries=(DeliveryNumber(found.row.number),),
                state=found.state,
                receipt=found.answer,
            )
        )
    settle(transaction, settlements)
    # A request that was read owes its answer, also when the desk says only now that it was.
    reopen(transaction, read_after_all)
    for one in settlements:
        if one.state is DeliveryState.REFUSED:
            # Its sender has the desk's signed reason, and nobody there will answer it.
            close_clocks(transaction, [one.row.number], outcome=RETURNED, at=one.receipt.at)
            if one.reason in NO_ANSWER:
                run_on(transaction, one.row.message, asker=Country(one.row.desk_country))
    return answered


ANSWER = Sort(apply=answer_all)


def _look_up(transaction: Transaction, answerings: Sequence[Answering]) -> Mapping[Subject, Handed]:
    ids = {answering.answer.message_id for answering in answerings}
    rows = transaction.connection.execute(HANDED_OVER, {"ids": padded(sorted(ids))})
    return {_subject(row): _handed(row) for row in rows}


def _subject(row: Row[*tuple[object, ...]]) -> Subject:
    desk = DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment))
    return desk, MessageId(row.message_id), ContentHash(row.content_hash)


def _handed(row: Row[*tuple[object, ...]]) -> Handed:
    state = DeliveryState(row.state)
    answer = receipts.read_receipt(row) if state in ANSWERED else None
    return Handed(row=row, state=state, answer=answer)


def _counts(state: DeliveryState, answer: DeskAnswer) -> bool:
    return not state.is_final or (answer.reason is None and state in GIVEN_UP)


def _settlement(transaction: Transaction, found: Handed, answering: Answering) -> Settlement:
    reason = answering.answer.reason
    acknowledged = reason is None
    receipt = draw_receipt(
        transaction,
        found.row,
        kind=EventKind.ACKNOWLEDGED if acknowledged else EventKind.REFUSED,
        now=answering.now,
        sign=answering.sign,
        reason=reason,
    )
    return Settlement(
        row=found.row,
        state=DeliveryState.ACKNOWLEDGED if acknowledged else DeliveryState.REFUSED,
        receipt=receipt,
        reason=reason,
        evidence=answering.answer.token,
    )

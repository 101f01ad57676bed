"""What did the desk say, and does it still change anything?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Row, bindparam, select

from broker.model.answers import DeskAnswer
from broker.model.events import DeliveryState, Event, EventKind, Receipt, RefusalReason
from broker.model.names import ContentHash, DeliveryNumber, DeskRef, MessageId
from broker.ports.deliveries import Answered, TellFinding
from broker.ports.receipts import SignReceipt
from broker.ports.requests import RETURNED
from broker.storage import receipts
from broker.storage.clocks import close_clocks, reopen, run_on
from broker.storage.findings import keep_finding, tell_of
from broker.storage.group_commit import Sort
from broker.storage.settling import (
    EVENT_COLUMNS,
    Settlement,
    draw_receipt,
    event_of,
    settle,
)
from broker.storage.tables import deliveries, log, messages
from broker.storage.transaction import Transaction, padded
from schemas.vocabulary import Compartment, Country

HANDED_OVER = (
    select(*EVENT_COLUMNS, deliveries.c.state, deliveries.c.reason, *receipts.RECEIPT_COLUMNS)
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
    tell: TellFinding


@dataclass(slots=True, kw_only=True)
class Handed:
    """A delivery as it stands within this group."""

    row: Row[*tuple[object, ...]]
    state: DeliveryState
    reason: RefusalReason | None
    answer: Receipt | None


def answer_all(transaction: Transaction, answerings: Sequence[Answering]) -> Sequence[Answered]:
    """Record the answers that come first; tell the others what stands."""
    handed = _look_up(transaction, answerings)
    settlements: list[Settlement] = []
    answered: list[Answered] = []
    to_tell: list[tuple[Handed, Answering]] = []
    for answering in answerings:
        answer = answering.answer
        found = handed.get((answer.desk, answer.message_id, answer.content_hash))
        if found is None:
            answered.append(NOT_HANDED_OVER)
            continue
        # What says that its copy was a lie already needs no second word for it.
        is_news = _is_finding(answer.reason) and not _is_finding(found.reason)
        finding = None
        if _counts(found.state, answer):
            settlement = _settlement(transaction, found, answering)
            settlements.append(settlement)
            found.state, found.answer = settlement.state, settlement.receipt
            found.reason = settlement.reason
        elif is_news:
            finding = _keep(transaction, found, answering)
        if is_news:
            to_tell.append((found, answering))
        answered.append(
            Answered(
                deliveries=(DeliveryNumber(found.row.number),),
                state=found.state,
                receipt=found.answer,
                finding=finding,
            )
        )
    settle(transaction, settlements)
    _move_clocks(transaction, settlements)
    for found, answering in to_tell:
        tell_of(transaction, _event(found, answering), answering.tell)
    return answered


ANSWER = Sort(apply=answer_all)


def _move_clocks(transaction: Transaction, settlements: Sequence[Settlement]) -> None:
    """End the wait for who returned a request, and let it go on for who has read one after all."""
    # What expired is settled once more only by its acknowledgement.
    expired = [one for one in settlements if one.row.state == DeliveryState.EXPIRED.value]
    reopen(transaction, [one.row.number for one in expired])
    for one in settlements:
        if one.state is DeliveryState.REFUSED:
            # Its sender has the desk's signed reason, and nobody there will answer it.
            close_clocks(transaction, [one.row.number], outcome=RETURNED, at=one.receipt.at)
            if one.reason in NO_ANSWER:
                run_on(transaction, one.row.message, asker=Country(one.row.desk_country))


def _look_up(transaction: Transaction, answerings: Sequence[Answering]) -> Mapping[Subject, Handed]:
    ids = {answering.answer.message_id for answering in answerings}
    rows = transaction.connection.execute(HANDED_OVER, {"ids": padded(sorted(ids))})
    return {_subject(row): _handed(row) for row in rows}


def _subject(row: Row[*tuple[object, ...]]) -> Subject:
    desk = DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment))
    return desk, MessageId(row.message_id), ContentHash(row.content_hash)


def _handed(row: Row[*tuple[object, ...]]) -> Handed:
    state = DeliveryState(row.state)
    return Handed(
        row=row,
        state=state,
        reason=None if row.reason is None else RefusalReason(row.reason),
        answer=receipts.read_receipt(row) if state in ANSWERED else None,
    )


def _counts(state: DeliveryState, answer: DeskAnswer) -> bool:
    return not state.is_final or (answer.reason is None and state in GIVEN_UP)


def _is_finding(reason: RefusalReason | None) -> bool:
    return reason is not None and reason.is_finding


def _keep(transaction: Transaction, found: Handed, answering: Answering) -> Receipt:
    """Keep a finding beside a copy that ended as it did."""
    receipt = keep_finding(
        transaction, found.row, answering.answer, now=answering.now, sign=answering.sign
    )
    # It may be a reply that stopped a clock, and was taken back when it had.
    run_on(transaction, found.row.message, asker=Country(found.row.desk_country))
    return receipt


def _event(found: Handed, answering: Answering) -> Event:
    event = event_of(found.row, kind=EventKind.REFUSED, now=answering.now)
    return replace(event, reason=answering.answer.reason)


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

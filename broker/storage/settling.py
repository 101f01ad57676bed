"""What does every change that the log records have in common?"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Row, bindparam, select, update

from broker.model.events import DeliveryState, Event, EventKind, Receipt, RefusalReason
from broker.model.names import AgencyRef, ContentHash, DeskRef, MessageId
from broker.ports.receipts import SignReceipt
from broker.storage import receipts
from broker.storage.tables import deliveries, messages
from broker.storage.transaction import Transaction
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country

EVENT_COLUMNS = (
    deliveries.c.number,
    deliveries.c.message,
    deliveries.c.desk_country,
    deliveries.c.compartment,
    deliveries.c.key_id,
    messages.c.message_id,
    messages.c.origin_country,
    messages.c.origin_agency,
    messages.c.content_hash,
)
"""What an event says of one delivery."""
FACTS = select(*EVENT_COLUMNS).join(messages, messages.c.number == deliveries.c.message)

SETTLE = (
    update(deliveries)
    .where(deliveries.c.number == bindparam("delivery"))
    .values(
        state=bindparam("next_state"),
        changed_at=bindparam("moment"),
        reason=bindparam("next_reason"),
        desk_token=bindparam("evidence"),
        receipt=bindparam("next_receipt"),
        claimed_by=None,
        claimed_until=None,
        leased_by=None,
        leased_until=None,
    )
)
SEND_AGAIN = (
    update(deliveries)
    .where(deliveries.c.number == bindparam("delivery"))
    .values(
        state="accepted",
        changed_at=bindparam("moment"),
        reason=None,
        receipt=None,
        # Counted anew: or the next hand-over would be one too many at once.
        attempts=0,
        first_handed_at=None,
        claimed_by=None,
        claimed_until=None,
        leased_by=None,
        leased_until=None,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How one delivery ends."""

    row: Row[*tuple[object, ...]]
    """Has the ``EVENT_COLUMNS``."""
    state: DeliveryState
    receipt: Receipt
    reason: RefusalReason | None = None
    evidence: str | None = field(default=None, repr=False)


def draw_receipt(
    transaction: Transaction,
    row: Row[*tuple[object, ...]],
    *,
    kind: EventKind,
    now: datetime,
    sign: SignReceipt,
    reason: RefusalReason | None = None,
) -> Receipt:
    """Give what happened to one delivery its place and receipt."""
    event = replace(event_of(row, kind=kind, now=now), reason=reason)
    return receipts.draw(transaction, event, sign)


def event_of(row: Row[*tuple[object, ...]], *, kind: EventKind, now: datetime) -> Event:
    """Say what happened to one delivery, by its ``EVENT_COLUMNS``."""
    desk = DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment))
    return Event(
        kind=kind,
        at=now,
        message_id=MessageId(row.message_id),
        sender=AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
        content_hash=ContentHash(row.content_hash),
        recipients={desk: KeyId(row.key_id)},
    )


def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> None:
    """Write how deliveries end, each with its entry in the log."""
    if not settlements:
        return
    receipts.LOG.execute(
        transaction.connection,
        [
            receipts.log_row(one.receipt, message=one.row.message, delivery=one.row.number)
            for one in settlements
        ],
    )
    # A crash before the commit loses state and log entry together: one is never without the
    # other. The desk, or the round that ends deliveries, comes again.
    transaction.connection.execute(
        SETTLE,
        [
            {
                "delivery": one.row.number,
                "next_state": one.state.value,
                "moment": one.receipt.at,
                "next_reason": one.reason,
                "evidence": one.evidence,
                "next_receipt": one.receipt.position,
            }
            for one in settlements
        ],
    )


def send_again(
    transaction: Transaction, rows: Sequence[Row[*tuple[object, ...]]], drawn: Sequence[Receipt]
) -> None:
    """Write that deliveries start over, each with its entry in the log."""
    if not rows:
        return
    pairs = list(zip(rows, drawn, strict=True))
    receipts.LOG.execute(
        transaction.connection,
        [receipts.log_row(one, message=row.message, delivery=row.number) for row, one in pairs],
    )
    # A crash before the commit leaves them where they were; the operator repeats the command.
    transaction.connection.execute(
        SEND_AGAIN, [{"delivery": row.number, "moment": one.at} for row, one in pairs]
    )

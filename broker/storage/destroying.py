"""Which content may go, and what is left of what went? (SG-07, SG-08)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, or_, select, update

from broker.model.events import Event, EventKind
from broker.model.names import ContentHash, DeskRef, LogPosition, MessageId
from broker.ports.receipts import SignReceipt
from broker.ports.retention import Keeping
from broker.storage import receipts
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.holds import origin_of
from broker.storage.tables import IS_UNANSWERED, IS_UNENDED, deliveries, holds, messages, orders
from broker.storage.transaction import Transaction, padded
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country, Kind

NOW = bindparam("now", type_=messages.c.expires.type)
MESSAGES = select(
    messages.c.number,
    messages.c.message_id,
    messages.c.origin_country,
    messages.c.origin_agency,
    messages.c.expires,
    messages.c.review_by,
    messages.c.content_hash,
).where(messages.c.destroyed_at.is_(None))
IS_EXPIRED = messages.c.expires <= NOW
RECALLS = select(orders.c.subject).where(orders.c.kind == Kind.RECALL.value)
OF_THIS = RECALLS.where(orders.c.subject == messages.c.number).correlate(messages)
# A recall opens an order at each desk of its message: without one there was none. What a
# rectification asks of a desk concerns the desk's copy alone.
IS_TAKEN_BACK: ColumnElement[bool] = and_(
    OF_THIS.exists(), ~OF_THIS.where(IS_UNANSWERED).correlate(messages).exists()
)
"""Recalled, and no desk has still to answer: nobody will be handed it any more."""
ONE = MESSAGES.where(messages.c.number == bindparam("number"), or_(IS_EXPIRED, IS_TAKEN_BACK))
NUMBERS = bindparam("numbers", type_=messages.c.number.type, expanding=True)
UNENDED = select(deliveries.c.message).where(deliveries.c.message.in_(NUMBERS), IS_UNENDED)
HELD = (
    select(holds.c.message, func.max(holds.c.until).label("until"))
    .where(holds.c.message.in_(NUMBERS), holds.c.lifted_at.is_(None), holds.c.until > NOW)
    .group_by(holds.c.message)
)
COPIES = select(deliveries.c.desk_country, deliveries.c.compartment, deliveries.c.key_id).where(
    deliveries.c.message == bindparam("number")
)
DESTROY = (
    update(messages)
    .where(messages.c.number == bindparam("which"))
    .values(sealed=b"", destroyed_at=bindparam("moment"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroying:
    """A message that may go, and who signs for it."""

    number: LogPosition
    now: datetime
    sign: SignReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What keeps some messages from being destroyed."""

    unended: frozenset[int]
    held: Mapping[int, datetime]

    def why(self, number: int) -> Keeping | None:
        """None: nothing keeps it."""
        if number in self.held:
            return Keeping.HOLD
        return Keeping.OPEN if number in self.unended else None


def what_keeps(connection: Connection, numbers: Sequence[int], now: datetime) -> Kept:
    """Look up holds, and deliveries whose end nobody was told yet."""
    asked = {"numbers": padded(numbers)}
    return Kept(
        unended=frozenset(connection.execute(UNENDED, asked).scalars()),
        held={row.message: row.until for row in connection.execute(HELD, {**asked, "now": now})},
    )


def destroy(transaction: Transaction, wanted: Destroying) -> bool:
    """Destroy what may go: asked again here, under the lock, whatever a list said before."""
    connection = transaction.connection
    asked = {"number": wanted.number, "now": wanted.now}
    row = connection.execute(ONE, asked).one_or_none()
    if row is None or what_keeps(connection, [row.number], wanted.now).why(row.number) is not None:
        return False
    bury(transaction, row, now=wanted.now, sign=wanted.sign)
    return True


def bury(
    transaction: Transaction, row: Row[*tuple[object, ...]], *, now: datetime, sign: SignReceipt
) -> None:
    """Leave a tombstone of a message that has the columns of ``MESSAGES``, and log it."""
    connection = transaction.connection
    event = Event(
        kind=EventKind.DESTROYED,
        at=now,
        message_id=MessageId(row.message_id),
        sender=origin_of(row),
        content_hash=ContentHash(row.content_hash),
        recipients=_copies(connection, row.number),
    )
    receipt = receipts.draw(transaction, event, sign)
    log_row = receipts.log_row(receipt, message=row.number, delivery=None)
    receipts.LOG.execute(connection, [log_row])
    # A crash before the commit leaves the content and no entry; the command is given again.
    connection.execute(DESTROY, {"which": row.number, "moment": now})


DESTROY_ONE = Sort(apply=one_by_one(destroy))


def _copies(connection: Connection, number: int) -> Mapping[DeskRef, KeyId]:
    return {
        DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment)): (
            KeyId(row.key_id)
        )
        for row in connection.execute(COPIES, {"number": number})
    }

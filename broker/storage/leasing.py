"""Who holds which delivery, and until when?"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam, or_, select, update

from broker.errors import UnsealError
from broker.model.delivery import HandOver
from broker.model.names import (
    AgencyRef,
    ContentHash,
    DeliveryNumber,
    HandOverNumber,
    MessageId,
    QueueName,
)
from broker.sealing.wire import only_entry
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.tables import IS_LEASED, IS_OPEN, deliveries, log, messages
from broker.storage.transaction import Transaction, padded
from keys.identifiers import KeyId
from schemas.vocabulary import Country, Urgency

EMPTY = b"{}"
NOW = bindparam("now", type_=deliveries.c.leased_until.type)
IS_FREE = or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= NOW)
"""A lease that has ended binds nobody, whether or not its row was cleared."""
IS_IN_TIME = deliveries.c.expires > NOW
"""What is past its time is handed to nobody, whether or not the sweep has ended it."""

FREE = (
    select(
        deliveries.c.number,
        deliveries.c.queue,
        deliveries.c.key_id,
        deliveries.c.attempts,
        deliveries.c.first_handed_at,
        deliveries.c.desk_receipt,
        messages.c.origin_country,
        messages.c.origin_agency,
        messages.c.message_id,
        messages.c.content_hash,
        messages.c.urgency,
        messages.c.sealed,
        log.c.token,
    )
    .join(messages, messages.c.number == deliveries.c.message)
    .join(log, log.c.position == messages.c.number)
    .where(
        deliveries.c.number.in_(bindparam("numbers", expanding=True)),
        deliveries.c.queue.in_(bindparam("queues", expanding=True)),
        IS_OPEN,
        IS_FREE,
        IS_IN_TIME,
    )
    .order_by(deliveries.c.number)
)
LEASE = (
    update(deliveries)
    .where(deliveries.c.number == bindparam("delivery"))
    .values(
        state="delivered",
        changed_at=bindparam("moment"),
        leased_by=bindparam("holder"),
        leased_until=bindparam("lease_end"),
        hand_over=bindparam("next_hand_over"),
        attempts=bindparam("attempt"),
        first_handed_at=bindparam("first"),
        claimed_by=None,
        claimed_until=None,
    )
)
RELEASE = (
    update(deliveries)
    .where(
        IS_LEASED,
        deliveries.c.leased_by == bindparam("holder"),
        deliveries.c.queue.in_(bindparam("queues", expanding=True)),
        deliveries.c.leased_until > NOW,
        deliveries.c.hand_over > bindparam("after"),
    )
    .values(state="dispatched", changed_at=NOW, leased_by=None, leased_until=None)
    .returning(deliveries.c.number)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants to lease what."""

    numbers: Collection[DeliveryNumber]
    queues: Collection[QueueName]
    holder: str
    now: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """Whose leases end, and where."""

    queues: Collection[QueueName]
    holder: str
    after: HandOverNumber
    now: datetime


def lease(transaction: Transaction, wish: Wish) -> Sequence[HandOver]:
    """Lease what is free, the oldest first."""
    if not wish.numbers:
        return []
    connection = transaction.connection
    asked = {"numbers": padded(wish.numbers), "queues": padded(wish.queues), "now": wish.now}
    rows = connection.execute(FREE, asked).all()
    taken = [_hand_over(row, transaction.head.next_hand_over(), wish) for row in rows]
    if taken:
        # A crash after the commit leaves them leased to nobody until the lease ends.
        connection.execute(
            LEASE,
            [
                {
                    "delivery": one.number,
                    "moment": wish.now,
                    "holder": wish.holder,
                    "lease_end": wish.until,
                    "next_hand_over": one.hand_over,
                    "attempt": one.attempt,
                    "first": one.first_handed_at,
                }
                for one in taken
            ],
        )
    return taken


def release(transaction: Transaction, wanted: Return) -> Sequence[DeliveryNumber]:
    """End what still runs; a lease that has ended by itself is not said to end."""
    asked = {
        "queues": padded(wanted.queues),
        "holder": wanted.holder,
        "after": wanted.after,
        "now": wanted.now,
    }
    found = transaction.connection.execute(RELEASE, asked).scalars()
    return [DeliveryNumber(number) for number in sorted(found)]


LEASE_NUMBERS = Sort(apply=one_by_one(lease))
RELEASE_HOLDER = Sort(apply=one_by_one(release))


def _hand_over(row: Row[*tuple[object, ...]], number: int, wish: Wish) -> HandOver:
    return HandOver(
        number=DeliveryNumber(row.number),
        hand_over=HandOverNumber(number),
        queue=QueueName(row.queue),
        origin=AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
        message_id=MessageId(row.message_id),
        content_hash=ContentHash(row.content_hash),
        urgency=Urgency(row.urgency),
        attempt=row.attempts + 1,
        first_handed_at=row.first_handed_at or wish.now,
        lease_until=wish.until,
        receipt=row.desk_receipt or row.token,
        sealed=row.sealed if row.desk_receipt is None else _own_copy(row.sealed, row.key_id),
    )


def _own_copy(sealed: bytes, kid: str) -> bytes:
    """Show a desk its own entry only, where a charter hides the others (SG-12)."""
    try:
        return only_entry(sealed, KeyId(kid))
    except UnsealError:
        # What is damaged here must not hold up the others; the desk refuses it.
        return EMPTY

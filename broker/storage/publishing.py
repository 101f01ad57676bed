"""What does the relay still have to publish?"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, func, not_, or_, select, update

from broker.model.delivery import Outgoing
from broker.model.names import ContentHash, DeliveryNumber, MessageId, QueueName
from broker.ports.deliveries import Republished
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.leasing import IS_FREE
from broker.storage.tables import IS_OPEN, IS_UNPUBLISHED, deliveries, messages
from broker.storage.transaction import Transaction, padded
from schemas.vocabulary import Urgency

NOW = bindparam("now", type_=deliveries.c.claimed_until.type)
OUTGOING = select(
    deliveries.c.number,
    deliveries.c.queue,
    messages.c.message_id,
    messages.c.content_hash,
    messages.c.urgency,
    messages.c.expires,
    messages.c.sealed,
).join(messages, messages.c.number == deliveries.c.message)
UNCLAIMED = (
    OUTGOING.where(
        IS_UNPUBLISHED,
        or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= NOW),
    )
    .order_by(deliveries.c.number)
    .limit(bindparam("most"))
    # Relays of other processes take what stands behind, instead of waiting.
    .with_for_update(skip_locked=True, of=deliveries)
)
NUMBERED = deliveries.c.number.in_(bindparam("numbers", expanding=True))
CLAIM = (
    update(deliveries)
    .where(NUMBERED)
    .values(claimed_by=bindparam("claimant"), claimed_until=bindparam("claim_end"))
)
UNCLAIM = (
    update(deliveries)
    .where(NUMBERED, IS_UNPUBLISHED, deliveries.c.claimed_by == bindparam("claimant"))
    .values(claimed_by=None, claimed_until=None)
)
DISPATCH = (
    update(deliveries)
    .where(NUMBERED, IS_UNPUBLISHED)
    .values(
        state="dispatched",
        changed_at=bindparam("moment"),
        claimed_by=None,
        claimed_until=None,
    )
)
REPUBLISH = (
    update(deliveries)
    .where(NUMBERED, IS_OPEN, IS_FREE)
    .values(
        state="accepted",
        changed_at=bindparam("moment"),
        claimed_by=None,
        claimed_until=None,
        leased_by=None,
        leased_until=None,
    )
    .returning(deliveries.c.number)
)
HELD = OUTGOING.where(NUMBERED, IS_OPEN, not_(IS_FREE)).order_by(deliveries.c.number)
UNPUBLISHED = select(func.count()).select_from(deliveries).where(IS_UNPUBLISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A relay that asks for work."""

    limit: int
    claimant: str
    now: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclaiming:
    """A relay that could not do all of its work."""

    numbers: Collection[DeliveryNumber]
    claimant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """Deliveries of which the transport has told something."""

    numbers: Collection[DeliveryNumber]
    at: datetime


def claim(transaction: Transaction, wanted: Claim) -> Sequence[Outgoing]:
    """Take the oldest that nobody claims."""
    connection = transaction.connection
    rows = connection.execute(UNCLAIMED, {"now": wanted.now, "most": wanted.limit}).all()
    if rows:
        # A crash after the commit leaves them claimed and unpublished until the claim ends.
        connection.execute(
            CLAIM,
            {
                "numbers": padded(row.number for row in rows),
                "claimant": wanted.claimant,
                "claim_end": wanted.until,
            },
        )
    return [_outgoing(row) for row in rows]


def unclaim(transaction: Transaction, wanted: Unclaiming) -> None:
    """Give back what is this relay's still; another may have claimed it, or a desk have it."""
    if wanted.numbers:
        # A crash before the commit leaves them claimed until the claim ends.
        transaction.connection.execute(
            UNCLAIM, {"numbers": padded(wanted.numbers), "claimant": wanted.claimant}
        )


def dispatch(transaction: Transaction, marking: Marking) -> None:
    """Mark what is still ``ACCEPTED``; a desk may have been faster than this mark."""
    if marking.numbers:
        # A crash before the commit has them published a second time; the ledger drops the
        # second copy when it is handed over.
        transaction.connection.execute(
            DISPATCH, {"numbers": padded(marking.numbers), "moment": marking.at}
        )


def republish(transaction: Transaction, marking: Marking) -> Republished:
    """Hand back to the relay what the transport has lost, as long as no desk has it.

    No event: nothing happened to the message. Its status says ``accepted`` until the relay
    has published it.
    """
    if not marking.numbers:
        return Republished(returned=(), held=())
    connection = transaction.connection
    lost = {"numbers": padded(marking.numbers), "now": marking.at}
    # A crash before the commit leaves them where they were; the transport tells it again.
    held = [_outgoing(row) for row in connection.execute(HELD, lost)]
    returned = connection.execute(REPUBLISH, lost | {"moment": marking.at}).scalars()
    return Republished(returned=[DeliveryNumber(number) for number in sorted(returned)], held=held)


CLAIM_UNPUBLISHED = Sort(apply=one_by_one(claim), rank=1, exclusive=False)
UNCLAIM_NUMBERS = Sort(apply=one_by_one(unclaim))
MARK_DISPATCHED = Sort(apply=one_by_one(dispatch))
REPUBLISH_NUMBERS = Sort(apply=one_by_one(republish))


def count_unpublished(connection: Connection) -> int:
    """Count what no transport has confirmed."""
    return connection.execute(UNPUBLISHED).scalar_one()


def _outgoing(row: Row[*tuple[object, ...]]) -> Outgoing:
    return Outgoing(
        number=DeliveryNumber(row.number),
        queue=QueueName(row.queue),
        message_id=MessageId(row.message_id),
        content_hash=ContentHash(row.content_hash),
        urgency=Urgency(row.urgency),
        expires=row.expires,
        sealed=row.sealed,
    )

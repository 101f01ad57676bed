"""What was decided about messages whose ``review_by`` was past? (SG-08)"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select

from broker.model.names import AgencyRef, MessageId
from broker.ports.receipts import SignReceipt
from broker.ports.retention import Keeping, NotReviewed, Review
from broker.storage.destroying import IS_TAKEN_BACK, MESSAGES, NOW, bury, what_keeps
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.holds import named, origin_of
from broker.storage.tables import messages, reviews
from broker.storage.transaction import Transaction
from schemas.vocabulary import LegalHoldReason

DAY: Final = timedelta(days=1)
# Also what an earlier review has kept: whoever sees that it is not needed need not wait.
REVIEWABLE = MESSAGES.where(
    messages.c.message_id == bindparam("id"),
    messages.c.origin_country == bindparam("country"),
    messages.c.origin_agency == bindparam("agency"),
    messages.c.review_by <= NOW,
    messages.c.expires > NOW,
)
# What was recalled and answered for goes, whatever is said of it.
KEEPABLE = REVIEWABLE.where(~IS_TAKEN_BACK)
LAST = select(func.coalesce(func.max(reviews.c.number), 0))
NEWEST = (
    select(reviews.c.until)
    .where(reviews.c.message == messages.c.number)
    .order_by(reviews.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
IS_TO_REVIEW = (
    messages.c.review_by <= NOW,
    messages.c.expires > NOW,
    func.coalesce(NEWEST, messages.c.review_by) <= NOW,
)
"""Past its ``review_by``, and not kept by a review any more."""
REVIEWS = (
    select(reviews, messages.c.message_id, messages.c.origin_country, messages.c.origin_agency)
    .join(messages, messages.c.number == reviews.c.message)
    .order_by(reviews.c.number)
)
UNREVIEWED = {Keeping.HOLD: NotReviewed.HELD, Keeping.OPEN: NotReviewed.OPEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingOn:
    """A message that is still needed."""

    origin: AgencyRef
    message_id: MessageId
    reason: LegalHoldReason
    by: str
    until: datetime
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarding:
    """A message that is not, and who signs for its end."""

    origin: AgencyRef
    message_id: MessageId
    by: str
    now: datetime
    sign: SignReceipt


def keep(transaction: Transaction, wanted: KeepingOn) -> Review | NotReviewed:
    """Record why it stays, and until when."""
    row = _find(transaction, wanted, KEEPABLE)
    if row is None:
        return NotReviewed.NOT_DUE
    if wanted.until - DAY > row.expires:
        return NotReviewed.TOO_LONG
    until = min(wanted.until, row.expires)
    return _record(transaction, row, wanted, reason=wanted.reason, until=until)


def discard(transaction: Transaction, wanted: Discarding) -> Review | NotReviewed:
    """Destroy it, and record who said so."""
    row = _find(transaction, wanted, REVIEWABLE)
    if row is None:
        return NotReviewed.NOT_DUE
    kept = what_keeps(transaction.connection, [row.number], wanted.now).why(row.number)
    if kept is not None:
        return UNREVIEWED[kept]
    bury(transaction, row, now=wanted.now, sign=wanted.sign)
    return _record(transaction, row, wanted, reason=None, until=None)


KEEP_ONE = Sort(apply=one_by_one(keep))
DISCARD_ONE = Sort(apply=one_by_one(discard))


def list_reviews(connection: Connection) -> Sequence[Review]:
    """List all of them."""
    return [
        Review(
            number=row.number,
            id=MessageId(row.message_id),
            origin=origin_of(row),
            by=row.by,
            at=row.at,
            reason=None if row.reason is None else LegalHoldReason(row.reason),
            until=row.until,
        )
        for row in connection.execute(REVIEWS)
    ]


def _find(
    transaction: Transaction, wanted: KeepingOn | Discarding, among: Select[*tuple[object, ...]]
) -> Row[*tuple[object, ...]] | None:
    asked = {**named(wanted.origin, wanted.message_id), "now": wanted.now}
    return transaction.connection.execute(among, asked).one_or_none()


def _record(
    transaction: Transaction,
    row: Row[*tuple[object, ...]],
    wanted: KeepingOn | Discarding,
    *,
    reason: LegalHoldReason | None,
    until: datetime | None,
) -> Review:
    connection = transaction.connection
    review = Review(
        number=connection.execute(LAST).scalar_one() + 1,
        id=wanted.message_id,
        origin=wanted.origin,
        by=wanted.by,
        at=wanted.now,
        reason=reason,
        until=until,
    )
    values = {
        "number": review.number,
        "message": row.number,
        "reason": None if reason is None else reason.value,
        "by": review.by,
        "at": review.at,
        "until": until,
    }
    connection.execute(insert(reviews), values)
    return review

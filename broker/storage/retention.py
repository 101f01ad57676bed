"""Which content must go, and which must be looked at again? (SG-08)"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Row, Select, bindparam, select, tuple_

from broker.model.names import AgencyRef, ContentHash, LogPosition, MessageId, QueueName
from broker.ports.receipts import SignReceipt
from broker.ports.retention import Hold, NotReviewed, Overdue, Review
from broker.storage.database import Database
from broker.storage.destroying import (
    DESTROY_ONE,
    IS_EXPIRED,
    IS_TAKEN_BACK,
    MESSAGES,
    NOW,
    NUMBERS,
    RECALLS,
    Destroying,
    what_keeps,
)
from broker.storage.group_commit import GroupCommit
from broker.storage.holds import HOLD_ONE, LIFT_ONE, Holding, Lifting, list_holds, origin_of
from broker.storage.reviews import (
    DISCARD_ONE,
    IS_TO_REVIEW,
    KEEP_ONE,
    Discarding,
    KeepingOn,
    list_reviews,
)
from broker.storage.tables import deliveries, messages
from broker.storage.transaction import padded
from schemas.vocabulary import LegalHoldReason

PAGE = MESSAGES.order_by(messages.c.expires, messages.c.number).limit(bindparam("most"))
LAST = messages.alias("last")
BEHIND = tuple_(messages.c.expires, messages.c.number) > tuple_(
    select(LAST.c.expires).where(LAST.c.number == bindparam("after")).scalar_subquery(),
    bindparam("after", type_=messages.c.number.type),
)
"""By what the index is sorted by: behind a number alone, a page would read the whole history."""
EXPIRED = PAGE.where(IS_EXPIRED)
# Few messages are recalled: without the list of them every message would be asked.
TAKEN_BACK = PAGE.where(messages.c.number.in_(RECALLS), IS_TAKEN_BACK, messages.c.expires > NOW)
TO_REVIEW = PAGE.where(*IS_TO_REVIEW, ~IS_TAKEN_BACK)
ROADS = (
    select(deliveries.c.message, deliveries.c.queue)
    .where(deliveries.c.message.in_(NUMBERS))
    .order_by(deliveries.c.number)
)


class StoredRetention:
    """The ledger's ``RetentionLedger``; the port says what each method promises."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits

    async def expired(
        self, *, now: datetime, after: LogPosition | None = None, limit: int
    ) -> Sequence[Overdue]:
        """See ``RetentionLedger.expired``."""
        return await self._list(EXPIRED, now, after, limit)

    async def recalled(
        self, *, now: datetime, after: LogPosition | None = None, limit: int
    ) -> Sequence[Overdue]:
        """See ``RetentionLedger.recalled``."""
        return await self._list(TAKEN_BACK, now, after, limit)

    async def to_review(
        self, *, now: datetime, after: LogPosition | None = None, limit: int
    ) -> Sequence[Overdue]:
        """See ``RetentionLedger.to_review``."""
        return await self._list(TO_REVIEW, now, after, limit)

    async def destroy(self, number: LogPosition, *, now: datetime, sign: SignReceipt) -> bool:
        """See ``RetentionLedger.destroy``."""
        wanted = Destroying(number=number, now=now, sign=sign)
        return await self._commits.submit(DESTROY_ONE, wanted)

    async def keep(
        self,
        origin: AgencyRef,
        message_id: MessageId,
        *,
        reason: LegalHoldReason,
        by: str,
        until: datetime,
        now: datetime,
    ) -> Review | NotReviewed:
        """See ``RetentionLedger.keep``."""
        wanted = KeepingOn(
            origin=origin, message_id=message_id, reason=reason, by=by, until=until, now=now
        )
        return await self._commits.submit(KEEP_ONE, wanted)

    async def destroy_reviewed(
        self,
        origin: AgencyRef,
        message_id: MessageId,
        *,
        by: str,
        now: datetime,
        sign: SignReceipt,
    ) -> Review | NotReviewed:
        """See ``RetentionLedger.destroy_reviewed``."""
        wanted = Discarding(origin=origin, message_id=message_id, by=by, now=now, sign=sign)
        return await self._commits.submit(DISCARD_ONE, wanted)

    async def reviews(self) -> Sequence[Review]:
        """See ``RetentionLedger.reviews``."""
        return await self._database.read(list_reviews)

    async def hold(
        self,
        origin: AgencyRef,
        message_id: MessageId,
        *,
        reason: LegalHoldReason,
        by: str,
        until: datetime,
        now: datetime,
    ) -> Hold | None:
        """See ``RetentionLedger.hold``."""
        wanted = Holding(
            origin=origin, message_id=message_id, reason=reason, by=by, until=until, now=now
        )
        return await self._commits.submit(HOLD_ONE, wanted)

    async def lift(self, origin: AgencyRef, message_id: MessageId, *, now: datetime) -> int:
        """See ``RetentionLedger.lift``."""
        wanted = Lifting(origin=origin, message_id=message_id, now=now)
        return await self._commits.submit(LIFT_ONE, wanted)

    async def holds(self) -> Sequence[Hold]:
        """See ``RetentionLedger.holds``."""
        return await self._database.read(list_holds)

    async def _list(
        self,
        statement: Select[*tuple[object, ...]],
        now: datetime,
        after: LogPosition | None,
        limit: int,
    ) -> Sequence[Overdue]:
        asked: dict[str, object] = {"now": now, "most": limit}
        if after is not None:
            statement, asked = statement.where(BEHIND), {**asked, "after": after}
        return await self._database.read(partial(_page, statement=statement, asked=asked, now=now))


def _page(
    connection: Connection,
    *,
    statement: Select[*tuple[object, ...]],
    asked: Mapping[str, object],
    now: datetime,
) -> Sequence[Overdue]:
    return _overdue(connection, connection.execute(statement, dict(asked)).all(), now)


def _overdue(
    connection: Connection, rows: Sequence[Row[*tuple[object, ...]]], now: datetime
) -> Sequence[Overdue]:
    if not rows:
        return []
    numbers = [row.number for row in rows]
    roads: dict[int, list[QueueName]] = {}
    for each in connection.execute(ROADS, {"numbers": padded(numbers)}):
        roads.setdefault(each.message, []).append(QueueName(each.queue))
    kept = what_keeps(connection, numbers, now)
    return [
        Overdue(
            number=LogPosition(row.number),
            id=MessageId(row.message_id),
            origin=origin_of(row),
            roads=tuple(roads.get(row.number, ())),
            expires=row.expires,
            review_by=row.review_by,
            content_hash=ContentHash(row.content_hash),
            kept=kept.why(row.number),
            held_until=kept.held.get(row.number),
        )
        for row in rows
    ]

"""Which content must go, which must stay, and what is left of what went? (SG-08)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    insert,
    select,
    tuple_,
    update,
)

from broker.model.events import Event, EventKind
from broker.model.names import AgencyRef, ContentHash, DeskRef, LogPosition, MessageId, QueueName
from broker.ports.receipts import SignReceipt
from broker.ports.retention import Hold, Keeping, Overdue
from broker.storage import receipts
from broker.storage.database import Database
from broker.storage.group_commit import GroupCommit, Sort, one_by_one
from broker.storage.tables import IS_OPEN, deliveries, holds, messages
from broker.storage.transaction import Transaction, padded
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country, LegalHoldReason

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
PAGE = MESSAGES.order_by(messages.c.expires, messages.c.number).limit(bindparam("most"))
LAST = messages.alias("last")
BEHIND = tuple_(messages.c.expires, messages.c.number) > tuple_(
    select(LAST.c.expires).where(LAST.c.number == bindparam("after")).scalar_subquery(),
    bindparam("after", type_=messages.c.number.type),
)
"""By what the index is sorted by: behind a number alone, a page would read the whole history."""
EXPIRED = PAGE.where(messages.c.expires <= NOW)
TO_REVIEW = PAGE.where(messages.c.review_by <= NOW, messages.c.expires > NOW)
ONE = MESSAGES.where(messages.c.number == bindparam("number"), messages.c.expires <= NOW)
NUMBERS = bindparam("numbers", type_=messages.c.number.type, expanding=True)
ROADS = (
    select(deliveries.c.message, deliveries.c.queue)
    .where(deliveries.c.message.in_(NUMBERS))
    .order_by(deliveries.c.number)
)
UNDER_WAY = select(deliveries.c.message).where(deliveries.c.message.in_(NUMBERS), IS_OPEN)
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
NAMED = select(messages.c.number).where(
    messages.c.message_id == bindparam("id"),
    messages.c.origin_country == bindparam("country"),
    messages.c.origin_agency == bindparam("agency"),
    messages.c.destroyed_at.is_(None),
)
LAST_HOLD = select(func.coalesce(func.max(holds.c.number), 0))
LIFT = (
    update(holds)
    .where(
        holds.c.message == bindparam("which"),
        holds.c.lifted_at.is_(None),
        holds.c.until > bindparam("moment", type_=holds.c.until.type),
    )
    .values(lifted_at=bindparam("moment", type_=holds.c.until.type))
)
HOLDS = (
    select(holds, messages.c.message_id, messages.c.origin_country, messages.c.origin_agency)
    .join(messages, messages.c.number == holds.c.message)
    .order_by(holds.c.number)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroying:
    """A message that may go, and who signs for it."""

    number: LogPosition
    now: datetime
    sign: SignReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A hold that begins."""

    origin: AgencyRef
    message_id: MessageId
    reason: LegalHoldReason
    by: str
    until: datetime
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifting:
    """Holds that end."""

    origin: AgencyRef
    message_id: MessageId
    now: datetime


def destroy(transaction: Transaction, wanted: Destroying) -> bool:
    """Destroy what may go: asked again here, under the lock, whatever a list said before."""
    connection = transaction.connection
    asked = {"number": wanted.number, "now": wanted.now}
    row = connection.execute(ONE, asked).one_or_none()
    if row is None or _overdue(connection, [row], wanted.now)[0].kept is not None:
        return False
    event = Event(
        kind=EventKind.DESTROYED,
        at=wanted.now,
        message_id=MessageId(row.message_id),
        sender=_origin(row),
        content_hash=ContentHash(row.content_hash),
        recipients=_copies(connection, wanted.number),
    )
    receipt = receipts.draw(transaction, event, wanted.sign)
    log_row = receipts.log_row(receipt, message=wanted.number, delivery=None)
    receipts.LOG.execute(connection, [log_row])
    # A crash before the commit leaves the content and no entry; the command is given again.
    connection.execute(DESTROY, {"which": wanted.number, "moment": wanted.now})
    return True


def hold(transaction: Transaction, wanted: Holding) -> Hold | None:
    """Begin a hold."""
    connection = transaction.connection
    message = connection.execute(NAMED, _name(wanted.origin, wanted.message_id)).scalar()
    if message is None:
        return None
    number = connection.execute(LAST_HOLD).scalar_one() + 1
    values = {
        "number": number,
        "message": message,
        "reason": wanted.reason.value,
        "by": wanted.by,
        "at": wanted.now,
        "until": wanted.until,
    }
    connection.execute(insert(holds), values)
    return Hold(
        number=number,
        id=wanted.message_id,
        origin=wanted.origin,
        reason=wanted.reason,
        by=wanted.by,
        at=wanted.now,
        until=wanted.until,
        lifted_at=None,
    )


def lift(transaction: Transaction, wanted: Lifting) -> int:
    """End what runs."""
    connection = transaction.connection
    message = connection.execute(NAMED, _name(wanted.origin, wanted.message_id)).scalar()
    if message is None:
        return 0
    return connection.execute(LIFT, {"which": message, "moment": wanted.now}).rowcount


DESTROY_ONE = Sort(apply=one_by_one(destroy))
HOLD_ONE = Sort(apply=one_by_one(hold))
LIFT_ONE = Sort(apply=one_by_one(lift))


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

    async def to_review(
        self, *, now: datetime, after: LogPosition | None = None, limit: int
    ) -> Sequence[Overdue]:
        """See ``RetentionLedger.to_review``."""
        return await self._list(TO_REVIEW, now, after, limit)

    async def destroy(self, number: LogPosition, *, now: datetime, sign: SignReceipt) -> bool:
        """See ``RetentionLedger.destroy``."""
        wanted = Destroying(number=number, now=now, sign=sign)
        return await self._commits.submit(DESTROY_ONE, wanted)

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
        return await self._database.read(_holds)

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
    numbers = {"numbers": padded([row.number for row in rows])}
    roads: dict[int, list[QueueName]] = {}
    for each in connection.execute(ROADS, numbers):
        roads.setdefault(each.message, []).append(QueueName(each.queue))
    under_way = set(connection.execute(UNDER_WAY, numbers).scalars())
    held = {each.message: each.until for each in connection.execute(HELD, {**numbers, "now": now})}
    return [
        Overdue(
            number=LogPosition(row.number),
            id=MessageId(row.message_id),
            origin=_origin(row),
            roads=tuple(roads.get(row.number, ())),
            expires=row.expires,
            review_by=row.review_by,
            content_hash=ContentHash(row.content_hash),
            kept=_kept(row.number, under_way, held),
            held_until=held.get(row.number),
        )
        for row in rows
    ]


def _kept(number: int, under_way: set[int], held: Mapping[int, datetime]) -> Keeping | None:
    if number in held:
        return Keeping.HOLD
    return Keeping.OPEN if number in under_way else None


def _copies(connection: Connection, number: int) -> Mapping[DeskRef, KeyId]:
    return {
        DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment)): (
            KeyId(row.key_id)
        )
        for row in connection.execute(COPIES, {"number": number})
    }


def _holds(connection: Connection) -> Sequence[Hold]:
    return [
        Hold(
            number=row.number,
            id=MessageId(row.message_id),
            origin=_origin(row),
            reason=LegalHoldReason(row.reason),
            by=row.by,
            at=row.at,
            until=row.until,
            lifted_at=row.lifted_at,
        )
        for row in connection.execute(HOLDS)
    ]


def _origin(row: Row[*tuple[object, ...]]) -> AgencyRef:
    return AgencyRef(country=Country(row.origin_country), agency=row.origin_agency)


def _name(origin: AgencyRef, message_id: MessageId) -> dict[str, str]:
    return {"id": message_id, "country": origin.country.value, "agency": origin.agency}

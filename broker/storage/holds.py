"""Legal holds: what is held stays, for a reason and until a day (SG-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from broker.model.names import AgencyRef, MessageId
from broker.ports.retention import Hold
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.tables import holds, messages
from broker.storage.transaction import Transaction
from schemas.vocabulary import Country, LegalHoldReason

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


def hold(transaction: Transaction, wanted: Holding) -> Hold | None:
    """Begin a hold."""
    connection = transaction.connection
    message = connection.execute(NAMED, named(wanted.origin, wanted.message_id)).scalar()
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
    message = connection.execute(NAMED, named(wanted.origin, wanted.message_id)).scalar()
    if message is None:
        return 0
    return connection.execute(LIFT, {"which": message, "moment": wanted.now}).rowcount


def list_holds(connection: Connection) -> Sequence[Hold]:
    """List all of them, those that ended among them."""
    return [
        Hold(
            number=row.number,
            id=MessageId(row.message_id),
            origin=origin_of(row),
            reason=LegalHoldReason(row.reason),
            by=row.by,
            at=row.at,
            until=row.until,
            lifted_at=row.lifted_at,
        )
        for row in connection.execute(HOLDS)
    ]


HOLD_ONE = Sort(apply=one_by_one(hold))
LIFT_ONE = Sort(apply=one_by_one(lift))


def named(origin: AgencyRef, message_id: MessageId) -> dict[str, str]:
    """Name a message, as ``NAMED`` asks for it."""
    return {"id": message_id, "country": origin.country.value, "agency": origin.agency}


def origin_of(row: Row[*tuple[object, ...]]) -> AgencyRef:
    """Read whose message a row is about."""
    return AgencyRef(country=Country(row.origin_country), agency=row.origin_agency)

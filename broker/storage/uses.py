"""May this desk read this message for that purpose? If so, it is written down for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select

from broker.errors import Code
from broker.model.answers import StatedUse, UseStatement
from broker.model.events import DeliveryState
from broker.model.names import DeliveryNumber
from broker.ports.deliveries import UseDenied, UseNoted
from broker.storage.granting import STILL_COUNTS
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.tables import deliveries, grants, messages, orders, uses
from broker.storage.transaction import Transaction
from schemas.vocabulary import Disposition

MOST_READERS: Final = 100
"""Different roles and purposes of one delivery: a desk has fewer, and all are shown."""
GIVEN_BACK: Final = frozenset({DeliveryState.REFUSED, DeliveryState.RECALLED})

NOW = bindparam("now", type_=messages.c.expires.type)
HELD = (
    select(deliveries.c.number, deliveries.c.state, deliveries.c.message, messages.c.purpose)
    .join(messages, messages.c.number == deliveries.c.message)
    .where(
        messages.c.message_id == bindparam("id"),
        messages.c.content_hash == bindparam("hash"),
        # Destroyed early, by a recall or a review, is what the gateway had; the desk has its own.
        or_(messages.c.destroyed_at.is_(None), messages.c.expires > NOW),
        deliveries.c.desk_country == bindparam("country"),
        deliveries.c.compartment == bindparam("compartment"),
        # A desk cannot read what it was never given.
        deliveries.c.hand_over.is_not(None),
    )
)
GRANTS = select(grants.c.countries, grants.c.purposes, grants.c.until).where(
    grants.c.subject == bindparam("subject"), STILL_COUNTS
)
DESTROYED = (
    select(orders.c.delivery)
    .join(deliveries, deliveries.c.number == orders.c.delivery)
    .where(
        orders.c.subject == bindparam("subject"),
        orders.c.disposition == Disposition.DESTROYED.value,
        deliveries.c.desk_country == bindparam("country"),
        deliveries.c.compartment == bindparam("compartment"),
    )
)
NOTED = select(uses.c.at).where(
    uses.c.delivery == bindparam("delivery"), uses.c.token == bindparam("token")
)
READERS = (
    select(uses.c.reader, uses.c.purpose)
    .where(uses.c.delivery == bindparam("delivery"))
    .distinct()
    .limit(MOST_READERS)
)
LAST = select(func.coalesce(func.max(uses.c.number), 0))
FIRST = (
    select(func.min(uses.c.number).label("number"), func.count().label("times"))
    .join(deliveries, deliveries.c.number == uses.c.delivery)
    .where(deliveries.c.message == bindparam("message"))
    .group_by(uses.c.delivery, uses.c.reader, uses.c.purpose)
    .subquery()
)
STATED = (
    select(uses.c.delivery, uses.c.at, uses.c.reader, uses.c.purpose, uses.c.token, FIRST.c.times)
    .join(FIRST, FIRST.c.number == uses.c.number)
    .order_by(uses.c.number)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stating:
    """A verified statement, and when it came."""

    statement: UseStatement
    now: datetime


def note_use(transaction: Transaction, stating: Stating) -> UseNoted | UseDenied:
    """Note a statement once; the ledger's lock keeps two from noting it at the same time."""
    connection, statement = transaction.connection, stating.statement
    held = _held(connection, stating)
    if held is None:
        return UseDenied(code=Code.DELIVERY_UNKNOWN)
    asked = {"delivery": held.number, "token": statement.token}
    noted = connection.execute(NOTED, asked).scalar_one_or_none()
    if noted is not None:
        return UseNoted(at=noted)
    if not _is_allowed(connection, held, stating):
        return UseDenied(code=Code.PURPOSE_DENIED)
    known = {tuple(each) for each in connection.execute(READERS, {"delivery": held.number})}
    if len(known) >= MOST_READERS and (statement.reader, statement.purpose) not in known:
        return UseDenied(code=Code.USE_INVALID)
    values = {
        "number": connection.execute(LAST).scalar_one() + 1,
        "delivery": held.number,
        "at": stating.now,
        "reader": statement.reader,
        "purpose": statement.purpose,
        "token": statement.token,
    }
    connection.execute(insert(uses), values)
    return UseNoted(at=stating.now)


NOTE_USE = Sort(apply=one_by_one(note_use))


def stated_uses(
    connection: Connection, *, message: int
) -> dict[DeliveryNumber, tuple[StatedUse, ...]]:
    """Tell for what each copy was read: every role and purpose, by its first statement."""
    found: dict[DeliveryNumber, list[StatedUse]] = {}
    for row in connection.execute(STATED, {"message": message}):
        stated = StatedUse(
            at=row.at, reader=row.reader, purpose=row.purpose, times=row.times, token=row.token
        )
        found.setdefault(DeliveryNumber(row.delivery), []).append(stated)
    return {number: tuple(each) for number, each in found.items()}


def _held(connection: Connection, stating: Stating) -> Row[*tuple[object, ...]] | None:
    statement = stating.statement
    desk = {
        "country": statement.desk.country.value,
        "compartment": statement.desk.compartment.value,
    }
    content = {
        "id": statement.message_id,
        "hash": statement.content_hash,
        "now": stating.now,
    }
    held = connection.execute(HELD, {**content, **desk}).one_or_none()
    if held is None or DeliveryState(held.state) in GIVEN_BACK:
        return None
    # The desk has signed that it destroyed its copy when the message was recalled.
    destroyed = connection.execute(DESTROYED, {"subject": held.message, **desk}).first()
    return held if destroyed is None else None


def _is_allowed(connection: Connection, held: Row[*tuple[object, ...]], stating: Stating) -> bool:
    purpose = stating.statement.purpose
    # What was accepted before purposes were noted may be read; its originator sees for what.
    if held.purpose in {"", purpose}:
        return True
    rows: Sequence[Row[*tuple[object, ...]]] = connection.execute(
        GRANTS, {"subject": held.message}
    ).all()
    country = stating.statement.desk.country.value
    return any(
        purpose in row.purposes.split()
        and (not row.countries or country in row.countries.split())
        and (row.until is None or stating.now <= row.until)
        for row in rows
    )

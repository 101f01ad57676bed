"""Which deliveries did a key ever open, or vouch for? Looks, and changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, or_, select

from broker.model.events import DeliveryState
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef, MessageId, QueueName
from broker.ports.keys import AffectedDelivery
from broker.storage.tables import IS_SECOND_SIGNED, IS_SIGNED, deliveries, messages, rewraps
from broker.storage.transaction import padded
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country

KID = bindparam("kid", type_=deliveries.c.key_id.type)
AFTER = bindparam("after", type_=deliveries.c.number.type)
MOST = bindparam("most", type_=deliveries.c.number.type)
SINCE = bindparam("since", type_=messages.c.accepted_at.type)
SEALED = (
    select(deliveries.c.number)
    .where(deliveries.c.key_id == KID, deliveries.c.number > AFTER)
    .order_by(deliveries.c.number)
    .limit(MOST)
)
SEALED_ONCE = (
    select(rewraps.c.delivery)
    .where(rewraps.c.old_key == KID, rewraps.c.delivery > AFTER)
    .order_by(rewraps.c.delivery)
    .limit(MOST)
)
LAST_MESSAGE = select(deliveries.c.message).where(deliveries.c.number == AFTER).scalar_subquery()


def _signed(column: ColumnElement[str], condition: ColumnElement[bool]) -> Select[int]:
    return (
        select(deliveries.c.number)
        .join(messages, messages.c.number == deliveries.c.message)
        .where(
            condition,
            column == KID,
            # Deliveries are numbered in the order of their messages, so the index leads here at
            # once, without reading what was listed before.
            messages.c.number >= func.coalesce(LAST_MESSAGE, 0),
            or_(SINCE.is_(None), messages.c.accepted_at >= SINCE),
            deliveries.c.number > AFTER,
        )
        .order_by(messages.c.number, deliveries.c.number)
        .limit(MOST)
    )


SIGNED = (
    _signed(messages.c.signing_key, IS_SIGNED),
    _signed(messages.c.second_signing_key, IS_SECOND_SIGNED),
)
FACTS = (
    select(
        deliveries.c.number,
        deliveries.c.queue,
        deliveries.c.desk_country,
        deliveries.c.compartment,
        deliveries.c.state,
        messages.c.message_id,
        messages.c.origin_country,
        messages.c.origin_agency,
        messages.c.accepted_at,
    )
    .join(messages, messages.c.number == deliveries.c.message)
    .where(deliveries.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(deliveries.c.number)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which key, and which part of the list."""

    kid: KeyId
    since: datetime | None
    after: DeliveryNumber | None
    limit: int


def list_affected(connection: Connection, *, asked: Question) -> Sequence[AffectedDelivery]:
    """List the next few; a key has one use, so at most two of the four questions find any."""
    values = {"kid": asked.kid, "after": asked.after or 0, "most": asked.limit}
    numbers: set[int] = set()
    for question in (SEALED, SEALED_ONCE):
        numbers.update(connection.execute(question, values).scalars())
    for question in SIGNED:
        numbers.update(connection.execute(question, {**values, "since": asked.since}).scalars())
    first = sorted(numbers)[: asked.limit]
    return [_affected(row) for row in connection.execute(FACTS, {"numbers": padded(first)})]


def _affected(row: Row[*tuple[object, ...]]) -> AffectedDelivery:
    return AffectedDelivery(
        number=DeliveryNumber(row.number),
        message_id=MessageId(row.message_id),
        origin=AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
        desk=DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment)),
        queue=QueueName(row.queue),
        state=DeliveryState(row.state),
        accepted_at=row.accepted_at,
    )

"""What is sealed to each key, and when was it last used? Looks, and changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Select, bindparam, case, func, literal_column, select

from broker.model.names import QueueName
from broker.ports.keys import InFlight, Place
from broker.storage.tables import (
    HAS_CONTENT,
    IS_SECOND_SIGNED,
    IS_SIGNED,
    IS_UNOPENED,
    deliveries,
    log,
    messages,
    rewraps,
)
from broker.storage.transaction import padded
from keys.identifiers import KeyId

PLACE = case(
    (deliveries.c.state == "delivered", Place.LEASED.value),
    (deliveries.c.state == "dead-lettered", Place.DEAD_LETTERED.value),
    (deliveries.c.state == "expired", Place.RETENTION.value),
    else_=Place.QUEUED.value,
).label("place")
IN_FLIGHT = (
    select(
        deliveries.c.key_id,
        deliveries.c.queue,
        PLACE,
        func.count().label("number"),
        func.min(messages.c.accepted_at).label("oldest"),
    )
    .join(messages, messages.c.number == deliveries.c.message)
    .where(IS_UNOPENED, HAS_CONTENT)
    .group_by(deliveries.c.key_id, deliveries.c.queue, PLACE)
    .order_by(deliveries.c.key_id, deliveries.c.queue, PLACE)
)
IN_FLIGHT_OF = IN_FLIGHT.where(
    deliveries.c.key_id.in_(bindparam("kids", expanding=True)),
    # True of all: SQLite prefers the partial index only if it uses more of it than of the other,
    # which holds the whole history of a key.
    deliveries.c.desk_country > literal_column("''"),
)

KID = bindparam("kid", type_=deliveries.c.key_id.type)


def _accepted_at(number: Select[int]) -> Select[datetime]:
    return (
        select(messages.c.accepted_at)
        .join(deliveries, deliveries.c.message == messages.c.number)
        .where(deliveries.c.number == number.scalar_subquery())
    )


# Each asks an index for its last entry. Numbers rise in the order of acceptance.
LAST_USES = (
    _accepted_at(select(func.max(deliveries.c.number)).where(deliveries.c.key_id == KID)),
    _accepted_at(select(func.max(rewraps.c.delivery)).where(rewraps.c.old_key == KID)),
    select(log.c.at).where(
        log.c.position
        == select(func.max(rewraps.c.position)).where(rewraps.c.new_key == KID).scalar_subquery()
    ),
    select(messages.c.accepted_at).where(
        messages.c.number
        == select(func.max(messages.c.number))
        .where(messages.c.signing_key == KID, IS_SIGNED)
        .scalar_subquery()
    ),
    select(messages.c.accepted_at).where(
        messages.c.number
        == select(func.max(messages.c.number))
        .where(messages.c.second_signing_key == KID, IS_SECOND_SIGNED)
        .scalar_subquery()
    ),
)
UNOPENED = (
    select(deliveries.c.number)
    .join(messages, messages.c.number == deliveries.c.message)
    .where(deliveries.c.key_id == KID, IS_UNOPENED, HAS_CONTENT)
    # The order of the partial index, so that SQLite takes that one and not the whole history's.
    .order_by(deliveries.c.desk_country, deliveries.c.compartment, deliveries.c.number)
    .limit(1)
)
SETTLED = (
    select(func.max(deliveries.c.changed_at)).where(deliveries.c.key_id == KID),
    select(func.max(log.c.at))
    .join(rewraps, rewraps.c.position == log.c.position)
    .where(rewraps.c.old_key == KID),
)


def count_in_flight(
    connection: Connection, *, kids: Collection[KeyId] | None
) -> Sequence[InFlight]:
    """Count by key, queue and place, in one statement: so it is as of one moment."""
    if kids is None:
        rows = connection.execute(IN_FLIGHT)
    else:
        rows = connection.execute(IN_FLIGHT_OF, {"kids": padded(sorted(kids))})
    return [
        InFlight(
            kid=KeyId(row.key_id),
            queue=QueueName(row.queue),
            place=Place(row.place),
            count=row.number,
            oldest_accepted_at=row.oldest,
        )
        for row in rows
    ]


def read_last_uses(connection: Connection, *, kids: Collection[KeyId]) -> Mapping[KeyId, datetime]:
    """Ask for each key by itself: five looks into an index, however long the history."""
    found = {kid: _latest(connection, LAST_USES, kid) for kid in kids}
    return {kid: at for kid, at in found.items() if at is not None}


def read_emptied(connection: Connection, *, kids: Collection[KeyId]) -> Mapping[KeyId, datetime]:
    """Tell when the last delivery of each was settled, or taken to another key."""
    empty = [kid for kid in kids if connection.execute(UNOPENED, {"kid": kid}).first() is None]
    found = {kid: _latest(connection, SETTLED, kid) for kid in empty}
    return {kid: at for kid, at in found.items() if at is not None}


def _latest(
    connection: Connection, questions: Sequence[Select[datetime]], kid: KeyId
) -> datetime | None:
    rows = [connection.execute(each, {"kid": kid}).one_or_none() for each in questions]
    return max((row[0] for row in rows if row is not None and row[0] is not None), default=None)

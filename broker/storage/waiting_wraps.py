"""Which deliveries does a desk still hold by this key? Looks, and changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, select

from broker.errors import UnsealError
from broker.model.names import AgencyRef, ContentHash, DeliveryNumber, DeskRef, MessageId
from broker.ports.keys import WaitingWrap
from broker.sealing import wire
from broker.storage.tables import HAS_CONTENT, IS_UNOPENED, deliveries, messages
from keys.identifiers import KeyId
from schemas.vocabulary import Country

WAITING = (
    select(
        deliveries.c.number,
        deliveries.c.key_id,
        messages.c.message_id,
        messages.c.origin_country,
        messages.c.origin_agency,
        messages.c.content_hash,
        messages.c.sealed,
    )
    .join(messages, messages.c.number == deliveries.c.message)
    .where(
        IS_UNOPENED,
        HAS_CONTENT,
        deliveries.c.key_id == bindparam("kid"),
        deliveries.c.desk_country == bindparam("country"),
        deliveries.c.compartment == bindparam("compartment"),
        deliveries.c.number > bindparam("after"),
    )
    .order_by(deliveries.c.number)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whose, sealed to which key, and which part of the list."""

    desk: DeskRef
    kid: KeyId
    after: DeliveryNumber | None
    limit: int


def list_waiting_wraps(connection: Connection, *, asked: Question) -> Sequence[WaitingWrap]:
    """List the next few, the oldest first, without their contents."""
    rows = connection.execute(
        WAITING,
        {
            "kid": asked.kid,
            "country": asked.desk.country.value,
            "compartment": asked.desk.compartment.value,
            "after": asked.after or 0,
            "most": asked.limit,
        },
    )
    return [one for row in rows if (one := _waiting(row)) is not None]


def _waiting(row: Row[*tuple[object, ...]]) -> WaitingWrap | None:
    try:
        jwe = wire.parse(row.sealed).only_for(KeyId(row.key_id))
    except UnsealError:
        # A broken row must not hide the others; it is still counted, so its key is kept.
        return None
    return WaitingWrap(
        number=DeliveryNumber(row.number),
        message_id=MessageId(row.message_id),
        origin=AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
        content_hash=ContentHash(row.content_hash),
        protected=jwe.protected,
        recipient=jwe.recipients[0],
    )

"""What may the originator know of a message?"""

from datetime import date

from sqlalchemy import Connection, Row, bindparam, select

from broker.admission.acknowledge import rule_in
from broker.model.answers import StatedUse
from broker.model.events import DeliveryState, RefusalReason
from broker.model.names import AgencyRef, ContentHash, DeskRef, MessageId
from broker.model.status import MessageStatus, OrderStatus, RecipientStatus
from broker.storage.findings import FINDING_COLUMNS, FINDING_LOG, read_finding
from broker.storage.tables import deliveries, findings, log, messages, orders
from broker.storage.uses import stated_uses
from schemas.vocabulary import Compartment, Country, Disposition, KeptReason, Kind

MESSAGE = (
    select(
        messages.c.number,
        messages.c.kind,
        messages.c.accepted_at,
        messages.c.expires,
        messages.c.content_hash,
        log.c.token,
    )
    .join(log, log.c.position == messages.c.number)
    .where(
        messages.c.message_id == bindparam("id"),
        messages.c.origin_country == bindparam("country"),
        messages.c.origin_agency == bindparam("agency"),
    )
)
ORDER_LOG = log.alias("order_log")
ORDER_COLUMNS = (
    orders.c.delivery.label("ordered"),
    orders.c.answered_at,
    orders.c.disposition,
    orders.c.reason.label("because"),
    orders.c.until,
    orders.c.token.label("order_token"),
)
RECIPIENTS = (
    select(
        deliveries.c.number,
        deliveries.c.desk_country,
        deliveries.c.compartment,
        deliveries.c.state,
        deliveries.c.changed_at,
        deliveries.c.attempts,
        deliveries.c.reason,
        deliveries.c.desk_token,
        log.c.token,
        *ORDER_COLUMNS,
        ORDER_LOG.c.token.label("order_receipt"),
        *FINDING_COLUMNS,
    )
    .outerjoin(log, log.c.position == deliveries.c.receipt)
    .outerjoin(orders, orders.c.delivery == deliveries.c.number)
    .outerjoin(ORDER_LOG, ORDER_LOG.c.position == orders.c.receipt)
    .outerjoin(findings, findings.c.delivery == deliveries.c.number)
    .outerjoin(FINDING_LOG, FINDING_LOG.c.position == findings.c.receipt)
    .where(deliveries.c.message == bindparam("message"))
    .order_by(deliveries.c.number)
)


def message_status(
    connection: Connection, *, sender: AgencyRef, message_id: MessageId
) -> MessageStatus | None:
    """Say how far a message has come; the sender is part of the question."""
    row = connection.execute(
        MESSAGE, {"id": message_id, "country": sender.country.value, "agency": sender.agency}
    ).one_or_none()
    if row is None:
        return None
    recipients = connection.execute(RECIPIENTS, {"message": row.number})
    uses = stated_uses(connection, message=row.number)
    return MessageStatus(
        id=message_id,
        kind=Kind(row.kind),
        accepted_at=row.accepted_at,
        expires=row.expires,
        content_hash=ContentHash(row.content_hash),
        receipt=row.token,
        recipients=tuple(
            _recipient(recipient, uses.get(recipient.number, ())) for recipient in recipients
        ),
    )


def _recipient(row: Row[*tuple[object, ...]], uses: tuple[StatedUse, ...]) -> RecipientStatus:
    reason = None if row.reason is None else RefusalReason(row.reason)
    return RecipientStatus(
        desk=DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment)),
        state=DeliveryState(row.state),
        changed_at=row.changed_at,
        attempts=row.attempts,
        reason=reason,
        # The word that was verified when it came says it; nothing else keeps it.
        rule=None if reason is None or row.desk_token is None else rule_in(row.desk_token),
        desk_evidence=row.desk_token,
        receipt=row.token,
        finding=read_finding(row),
        uses=uses,
        order=None if row.ordered is None else read_order(row),
    )


def read_order(row: Row[*tuple[object, ...]]) -> OrderStatus:
    """Read an order from a row that has the ``ORDER_COLUMNS``, and ``order_receipt``."""
    return OrderStatus(
        answered_at=row.answered_at,
        disposition=None if row.disposition is None else Disposition(row.disposition),
        because=None if row.because is None else KeptReason(row.because),
        until=None if row.until is None else date.fromisoformat(row.until),
        desk_evidence=row.order_token,
        receipt=row.order_receipt,
    )

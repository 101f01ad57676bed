"""Which desks have still to say what they did, and what did the others say? (SG-07)"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Row, Select, bindparam, select, update

from broker.model.answers import DeskDisposition
from broker.model.events import DeliveryState, EventKind
from broker.model.names import AgencyRef, ContentHash, DeliveryNumber, DeskRef, MessageId
from broker.ports.recalls import Disposed, NotFitting, Order
from broker.ports.receipts import SignReceipt
from broker.storage import receipts
from broker.storage.database import Database
from broker.storage.group_commit import GroupCommit, Sort, one_by_one
from broker.storage.settling import EVENT_COLUMNS, event_of
from broker.storage.status import ORDER_COLUMNS, read_order
from broker.storage.tables import IS_UNANSWERED, deliveries, log, messages, orders
from broker.storage.transaction import Transaction
from schemas.vocabulary import Compartment, Country, Disposition, Kind

ORDER_RECEIPT = log.c.token.label("order_receipt")
SUBJECTS = messages.alias("subjects")
ORDERED = (
    select(*EVENT_COLUMNS, *ORDER_COLUMNS, orders.c.kind, ORDER_RECEIPT, *receipts.RECEIPT_COLUMNS)
    .join(deliveries, deliveries.c.number == orders.c.delivery)
    .join(messages, messages.c.number == deliveries.c.message)
    .join(SUBJECTS, SUBJECTS.c.number == orders.c.subject)
    .outerjoin(log, log.c.position == orders.c.receipt)
    .where(
        messages.c.message_id == bindparam("id"),
        messages.c.origin_country == bindparam("country"),
        messages.c.origin_agency == bindparam("agency"),
        messages.c.content_hash == bindparam("hash"),
        SUBJECTS.c.message_id == bindparam("of"),
        # The desk is part of the question, so no desk answers for another.
        deliveries.c.desk_country == bindparam("desk"),
        deliveries.c.compartment == bindparam("room"),
    )
)
DISPOSE = (
    update(orders)
    .where(orders.c.delivery == bindparam("number"))
    .values(
        answered_at=bindparam("moment"),
        disposition=bindparam("done"),
        reason=bindparam("why"),
        until=bindparam("end"),
        token=bindparam("evidence"),
        receipt=bindparam("position"),
    )
)
LIST = (
    select(
        *EVENT_COLUMNS,
        *ORDER_COLUMNS,
        orders.c.kind,
        deliveries.c.state,
        messages.c.accepted_at,
        SUBJECTS.c.message_id.label("subject_id"),
        ORDER_RECEIPT,
    )
    .join(deliveries, deliveries.c.number == orders.c.delivery)
    .join(messages, messages.c.number == deliveries.c.message)
    .join(SUBJECTS, SUBJECTS.c.number == orders.c.subject)
    .outerjoin(log, log.c.position == orders.c.receipt)
    .where(orders.c.delivery > bindparam("after"))
    .order_by(orders.c.delivery)
    .limit(bindparam("most"))
)
SENT = LIST.where(
    orders.c.origin_country == bindparam("country"),
    messages.c.origin_agency == bindparam("part"),
)
RECEIVED = LIST.where(
    orders.c.desk_country == bindparam("country"),
    orders.c.compartment == bindparam("part"),
)
FITTING = {
    Kind.RECALL: frozenset({Disposition.DESTROYED, Disposition.KEPT}),
    Kind.RECTIFICATION: frozenset(Disposition),
}
"""What can be said to a recall or rectification: nobody corrects what was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposing:
    """An answer to record, and who signs for it."""

    answer: DeskDisposition
    now: datetime
    sign: SignReceipt


def dispose(transaction: Transaction, wanted: Disposing) -> Disposed | NotFitting | None:
    """Record what counts; tell what stands."""
    answer = wanted.answer
    row = transaction.connection.execute(ORDERED, _asked(answer)).one_or_none()
    if row is None:
        return None
    if answer.disposition not in FITTING[Kind(row.kind)]:
        return NotFitting()
    if row.answered_at is not None and not _may_follow(row, answer):
        return _standing(row, answer)
    event = event_of(row, kind=EventKind.DISPOSED, now=wanted.now)
    receipt = receipts.draw(
        transaction, replace(event, disposition=answer.disposition), wanted.sign
    )
    receipts.LOG.execute(
        transaction.connection,
        [receipts.log_row(receipt, message=row.message, delivery=row.number)],
    )
    # A crash before the commit loses answer and log entry together: the desk answers again.
    transaction.connection.execute(
        DISPOSE,
        {
            "number": row.number,
            "moment": wanted.now,
            "done": answer.disposition.value,
            "why": answer.because,
            "end": None if answer.until is None else answer.until.isoformat(),
            "evidence": answer.token,
            "position": receipt.position,
        },
    )
    return Disposed(stands=answer.disposition, counts=True, receipt=receipt)


DISPOSE_ORDER = Sort(apply=one_by_one(dispose))


def list_orders(
    connection: Connection,
    *,
    party: AgencyRef | DeskRef,
    only_open: bool,
    after: DeliveryNumber,
    limit: int,
) -> Sequence[Order]:
    """List the next few."""
    is_agency = isinstance(party, AgencyRef)
    statement: Select[*tuple[object, ...]] = SENT if is_agency else RECEIVED
    if only_open:
        statement = statement.where(IS_UNANSWERED)
    part = party.agency if isinstance(party, AgencyRef) else party.compartment.value
    asked = {"country": party.country.value, "part": part, "after": after, "most": limit}
    return [_order(row) for row in connection.execute(statement, asked)]


class StoredRecalls:
    """The ledger's ``RecallLedger``; the port says what each method promises."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits

    async def dispose(
        self, answer: DeskDisposition, *, now: datetime, sign: SignReceipt
    ) -> Disposed | NotFitting | None:
        """See ``RecallLedger.dispose``."""
        wanted = Disposing(answer=answer, now=now, sign=sign)
        return await self._commits.submit(DISPOSE_ORDER, wanted)

    async def orders(
        self,
        party: AgencyRef | DeskRef,
        *,
        only_open: bool,
        after: DeliveryNumber | None = None,
        limit: int,
    ) -> Sequence[Order]:
        """See ``RecallLedger.orders``."""
        return await self._database.read(
            partial(
                list_orders,
                party=party,
                only_open=only_open,
                after=after or DeliveryNumber(0),
                limit=limit,
            )
        )


def _asked(answer: DeskDisposition) -> dict[str, str]:
    return {
        "id": answer.recall,
        "country": answer.origin.country.value,
        "agency": answer.origin.agency,
        "hash": answer.content_hash,
        "of": answer.subject,
        "desk": answer.desk.country.value,
        "room": answer.desk.compartment.value,
    }


def _standing(row: Row[*tuple[object, ...]], answer: DeskDisposition) -> Disposed:
    status = read_order(row)
    stood = (status.disposition, status.because, status.until)
    return Disposed(
        stands=Disposition(row.disposition),
        counts=stood == (answer.disposition, answer.because, answer.until),
        receipt=receipts.read_receipt(row),
    )


def _may_follow(row: Row[*tuple[object, ...]], answer: DeskDisposition) -> bool:
    was_kept = row.disposition == Disposition.KEPT.value
    return was_kept and answer.disposition is not Disposition.KEPT


def _order(row: Row[*tuple[object, ...]]) -> Order:
    return Order(
        number=DeliveryNumber(row.number),
        kind=Kind(row.kind),
        id=MessageId(row.message_id),
        origin=AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
        subject=MessageId(row.subject_id),
        desk=DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment)),
        content_hash=ContentHash(row.content_hash),
        accepted_at=row.accepted_at,
        state=DeliveryState(row.state),
        status=read_order(row),
    )

"""Which requests are due, overdue and closed? Looking only, but for one note: see ``clocks``."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    func,
    or_,
    select,
    tuple_,
)

from broker.model.events import Notice
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef, MessageId, QueueName
from broker.ports.requests import (
    ConvenedQuestion,
    ConvenedRequest,
    Request,
    RequestQuestion,
    RequestState,
    RoadRequests,
    SentFrom,
)
from broker.storage.clocks import ESCALATE_ONE, Escalation
from broker.storage.convened import list_convened
from broker.storage.database import Database
from broker.storage.group_commit import GroupCommit
from broker.storage.tables import IS_RUNNING, IS_UNTOLD, clocks, deliveries, messages
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, Kind, Urgency

NOW = bindparam("now", type_=clocks.c.due.type)
IS_OVERDUE = IS_RUNNING & (clocks.c.due <= NOW)
REQUESTS = (
    select(
        clocks,
        deliveries.c.queue,
        messages.c.message_id,
        messages.c.origin_agency,
        messages.c.kind,
        messages.c.channel,
        messages.c.urgency,
        messages.c.accepted_at,
    )
    .join(deliveries, deliveries.c.number == clocks.c.delivery)
    .join(messages, messages.c.number == clocks.c.message)
    .limit(bindparam("most"))
)
PAGE = REQUESTS.where(clocks.c.delivery > bindparam("after")).order_by(clocks.c.delivery)
TO_ESCALATE = REQUESTS.where(IS_UNTOLD, clocks.c.due <= NOW).order_by(
    clocks.c.due, clocks.c.delivery
)
BEHIND = tuple_(clocks.c.due, clocks.c.delivery) > tuple_(
    bindparam("after_due", type_=clocks.c.due.type),
    bindparam("after", type_=clocks.c.delivery.type),
)
OVERDUE = func.sum(case((clocks.c.due <= NOW, 1), else_=0))
BY_ROAD = (
    select(
        deliveries.c.queue,
        messages.c.channel,
        func.count().label("waiting"),
        OVERDUE.label("overdue"),
        func.min(clocks.c.due, type_=clocks.c.due.type).label("first_due"),
    )
    .select_from(clocks)
    .join(deliveries, deliveries.c.number == clocks.c.delivery)
    .join(messages, messages.c.number == clocks.c.message)
    .where(IS_RUNNING)
    .group_by(deliveries.c.queue, messages.c.channel)
    .order_by(deliveries.c.queue)
)
STATES: dict[RequestState, ColumnElement[bool]] = {
    RequestState.OPEN: IS_RUNNING & (clocks.c.due > NOW),
    RequestState.OVERDUE: IS_OVERDUE,
    RequestState.CLOSED: clocks.c.closed_at.is_not(None),
}


SIBLINGS = clocks.alias("siblings")
LATE = (
    select(func.count())
    .select_from(clocks)
    .join(SIBLINGS, SIBLINGS.c.message == clocks.c.message)
    .where(SIBLINGS.c.delivery == bindparam("delivery"), IS_OVERDUE)
)


class StoredRequests:
    """The ledger's ``RequestLedger``; the port says what each method promises."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits

    async def requests(self, asked: RequestQuestion) -> Sequence[Request]:
        """See ``RequestLedger.requests``."""
        return await self._database.read(partial(list_requests, asked=asked))

    async def to_escalate(
        self, *, now: datetime, after: Request | None = None, limit: int
    ) -> Sequence[Request]:
        """See ``RequestLedger.to_escalate``."""
        return await self._database.read(
            partial(list_to_escalate, now=now, after=after, limit=limit)
        )

    async def late(self, delivery: DeliveryNumber, *, now: datetime) -> int:
        """See ``RequestLedger.late``."""
        return await self._database.read(partial(count_late, delivery=delivery, now=now))

    async def escalate(
        self, delivery: DeliveryNumber, notices: Sequence[Notice], *, at: datetime
    ) -> bool:
        """See ``RequestLedger.escalate``."""
        wanted = Escalation(delivery=delivery, notices=notices, at=at)
        return await self._commits.submit(ESCALATE_ONE, wanted)

    async def convened(self, asked: ConvenedQuestion) -> Sequence[ConvenedRequest]:
        """See ``RequestLedger.convened``."""
        return await self._database.read(partial(list_convened, asked=asked))

    async def waiting_by_road(self, *, now: datetime) -> Sequence[RoadRequests]:
        """See ``RequestLedger.waiting_by_road``."""
        return await self._database.read(partial(count_by_road, now=now))


def list_requests(connection: Connection, *, asked: RequestQuestion) -> Sequence[Request]:
    """List one page of what was asked by an agency's country, or of a desk."""
    query = _of(PAGE, asked.whose)
    if asked.state is not None:
        query = query.where(STATES[asked.state])
    values: dict[str, object] = {"after": asked.after, "most": asked.limit}
    if asked.state in {RequestState.OPEN, RequestState.OVERDUE}:
        values["now"] = asked.now
    return [_request(row) for row in connection.execute(query, values)]


def list_to_escalate(
    connection: Connection, *, now: datetime, after: Request | None, limit: int
) -> Sequence[Request]:
    """List the next few of which nobody was told yet."""
    query, asked = TO_ESCALATE, {"now": now, "most": limit}
    if after is not None:
        query = query.where(BEHIND)
        asked |= {"after_due": after.due, "after": after.delivery}
    return [_request(row) for row in connection.execute(query, asked)]


def count_late(connection: Connection, *, delivery: DeliveryNumber, now: datetime) -> int:
    """Count whom to ask why nobody has answered, of one message."""
    return connection.execute(LATE, {"delivery": delivery, "now": now}).scalar_one()


def count_by_road(connection: Connection, *, now: datetime) -> Sequence[RoadRequests]:
    """Count what waits for an answer on each road."""
    return [
        RoadRequests(
            road=QueueName(row.queue),
            channel=None if row.channel is None else ChannelName(row.channel),
            open=row.waiting - row.overdue,
            overdue=row.overdue,
            first_due=row.first_due,
        )
        for row in connection.execute(BY_ROAD, {"now": now})
    ]


def _of(
    query: Select[*tuple[object, ...]], whose: SentFrom | DeskRef
) -> Select[*tuple[object, ...]]:
    if isinstance(whose, DeskRef):
        return query.where(
            clocks.c.desk_country == whose.country.value,
            clocks.c.compartment == whose.compartment.value,
        )
    return query.where(
        clocks.c.origin_country == whose.agency.country.value,
        or_(
            messages.c.origin_agency == whose.agency.agency,
            clocks.c.compartment.in_(sorted(each.value for each in whose.compartments)),
        ),
    )


def _request(row: Row[*tuple[object, ...]]) -> Request:
    return Request(
        delivery=DeliveryNumber(row.delivery),
        message_id=MessageId(row.message_id),
        kind=Kind(row.kind),
        origin=AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
        desk=DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment)),
        road=QueueName(row.queue),
        channel=None if row.channel is None else ChannelName(row.channel),
        urgency=Urgency(row.urgency),
        asked_at=row.accepted_at,
        due=row.due,
        closed_at=row.closed_at,
        outcome=row.outcome,
        ground=row.ground,
        escalated_at=row.escalated_at,
    )

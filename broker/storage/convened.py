"""What is not answered in the channels that somebody convenes?"""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import Connection, Row, Select, bindparam, select

from broker.model.names import AgencyRef, DeskRef, LogPosition, MessageId
from broker.ports.requests import ConvenedQuestion, ConvenedRequest
from broker.storage.tables import IS_RUNNING, clocks, messages
from broker.storage.transaction import padded
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, Kind, Urgency

WAITING = (
    select(clocks.c.message)
    .distinct()
    .join(messages, messages.c.number == clocks.c.message)
    .where(
        IS_RUNNING,
        messages.c.channel.in_(bindparam("channels", expanding=True)),
        clocks.c.message > bindparam("after"),
    )
    .order_by(clocks.c.message)
    .limit(bindparam("most"))
)
LATE = WAITING.where(clocks.c.due <= bindparam("now", type_=clocks.c.due.type))


def _clocks_of(page: Select[int]) -> Select[*tuple[object, ...]]:
    # One statement: an answer that comes meanwhile takes no request out of its page.
    return (
        select(
            clocks,
            messages.c.message_id,
            messages.c.origin_agency,
            messages.c.kind,
            messages.c.channel,
            messages.c.urgency,
            messages.c.accepted_at,
        )
        .join(messages, messages.c.number == clocks.c.message)
        .where(IS_RUNNING, clocks.c.message.in_(page))
        .order_by(clocks.c.delivery)
    )


ALL_CLOCKS = _clocks_of(WAITING)
LATE_CLOCKS = _clocks_of(LATE)


def list_convened(connection: Connection, *, asked: ConvenedQuestion) -> Sequence[ConvenedRequest]:
    """List one page, with the desks that have not answered."""
    if not asked.channels:
        return []
    values: dict[str, object] = {
        "channels": padded(sorted(asked.channels)),
        "after": asked.after,
        "most": asked.limit,
    }
    if asked.only_overdue:
        values["now"] = asked.now
    rows = connection.execute(LATE_CLOCKS if asked.only_overdue else ALL_CLOCKS, values)
    # The copies of one message have numbers side by side.
    return [_request(list(of)) for _, of in groupby(rows, key=lambda row: row.message)]


def _request(running: Sequence[Row[*tuple[object, ...]]]) -> ConvenedRequest:
    first = running[0]
    return ConvenedRequest(
        number=LogPosition(first.message),
        message_id=MessageId(first.message_id),
        kind=Kind(first.kind),
        origin=AgencyRef(country=Country(first.origin_country), agency=first.origin_agency),
        channel=ChannelName(first.channel),
        compartment=Compartment(first.compartment),
        urgency=Urgency(first.urgency),
        asked_at=first.accepted_at,
        due=first.due,
        desks=tuple(
            DeskRef(country=Country(each.desk_country), compartment=Compartment(each.compartment))
            for each in running
        ),
        escalated_at=min(
            (each.escalated_at for each in running if each.escalated_at), default=None
        ),
    )

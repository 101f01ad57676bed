"""What is known of the messages that a new one names?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, bindparam, or_, select

from broker.model.facts import Evaluation, Grant, KnownMessage
from broker.model.names import AgencyRef, DeskRef, LogPosition, MessageId
from broker.storage.granting import STILL_COUNTS
from broker.storage.overtaken import IS_RECALLED
from broker.storage.tables import IS_OPEN, deliveries, grants, messages
from broker.storage.transaction import padded
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind

AT_ONCE: Final = 1024
"""Ids in one question: no database takes more than some thirty thousand values."""
MESSAGES = select(
    messages.c.number,
    messages.c.message_id,
    messages.c.origin_country,
    messages.c.origin_agency,
    messages.c.kind,
    messages.c.handling,
    messages.c.compartment,
    messages.c.channel,
    messages.c.purpose,
    messages.c.evaluation,
    messages.c.roots,
    IS_RECALLED,
).where(messages.c.message_id.in_(bindparam("ids", expanding=True)))
DESKS = select(
    deliveries.c.message,
    deliveries.c.desk_country,
    deliveries.c.compartment,
    # A hand-over number stays for good. What ended without one came to nobody.
    or_(deliveries.c.hand_over.is_not(None), IS_OPEN).label("is_held"),
).where(deliveries.c.message.in_(bindparam("numbers", expanding=True)))
GRANTS = (
    select(grants, messages.c.message_id)
    .join(messages, messages.c.number == grants.c.subject)
    .where(grants.c.subject.in_(bindparam("numbers", expanding=True)), STILL_COUNTS)
)


def known_messages(
    connection: Connection, *, ids: Collection[MessageId]
) -> Mapping[MessageId, Sequence[KnownMessage]]:
    """Look up what is known by these ids, of whatever agency."""
    found: dict[MessageId, Sequence[KnownMessage]] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), AT_ONCE):
        found.update(_known_by(connection, wanted[start : start + AT_ONCE]))
    return found


def _known_by(
    connection: Connection, ids: Sequence[MessageId]
) -> Mapping[MessageId, Sequence[KnownMessage]]:
    rows = connection.execute(MESSAGES, {"ids": padded(ids)}).all()
    if not rows:
        return {}
    numbers = {"numbers": padded([row.number for row in rows])}
    desks: dict[int, set[DeskRef]] = {}
    held_by: dict[int, set[DeskRef]] = {}
    for each in connection.execute(DESKS, numbers):
        desk = DeskRef(
            country=Country(each.desk_country), compartment=Compartment(each.compartment)
        )
        desks.setdefault(each.message, set()).add(desk)
        if each.is_held:
            held_by.setdefault(each.message, set()).add(desk)
    granted: dict[int, list[Grant]] = {}
    permitted_by: dict[int, set[LogPosition]] = {}
    for each in connection.execute(GRANTS, numbers):
        granted.setdefault(each.subject, []).append(_grant(each))
        permitted_by.setdefault(each.subject, set()).add(LogPosition(each.message))
    found: dict[MessageId, list[KnownMessage]] = {}
    for row in rows:
        one = replace(
            _known(row, frozenset(desks.get(row.number, ()))),
            held_by=frozenset(held_by.get(row.number, ())),
            grants=tuple(granted.get(row.number, ())),
            not_recalled=frozenset(
                permitted_by.get(row.number, set()) | (set() if row.is_recalled else {row.number})
            ),
        )
        found.setdefault(one.id, []).append(one)
    return found


def _known(row: Row[*tuple[object, ...]], desks: frozenset[DeskRef]) -> KnownMessage:
    message_id = MessageId(row.message_id)
    roots = frozenset(MessageId(each) for each in (row.roots or "").split())
    return KnownMessage(
        id=message_id,
        sender=AgencyRef(country=Country(row.origin_country), agency=row.origin_agency),
        kind=Kind(row.kind),
        # What was not noted when it came counts as the strictest.
        handling=HandlingCode(row.handling or HandlingCode.H3),
        compartment=Compartment(row.compartment or next(desk.compartment for desk in desks)),
        channel=None if row.channel is None else ChannelName(row.channel),
        purpose=row.purpose,
        evaluation=_evaluation(row.evaluation),
        roots=roots or frozenset({message_id}),
        desks=desks,
    )


def _grant(row: Row[*tuple[object, ...]]) -> Grant:
    until: datetime | None = row.until
    return Grant(
        of=frozenset({MessageId(row.message_id)}),
        to_countries=frozenset(Country(each) for each in row.countries.split()),
        purposes=frozenset(row.purposes.split()),
        until=until,
    )


def _evaluation(text: str | None) -> Evaluation | None:
    if text is None:
        return None
    scheme, source, information = text.split("/")
    return Evaluation(scheme=scheme, source=source, information=information)

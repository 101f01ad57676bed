"""Which requests wait for an answer, and what ends the wait (SG-13)?

Clocks are opened with the request and closed with the reply, each in the transaction that
records the message: a crash leaves both or neither.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam, exists, or_, select, update

from broker.admission.reply_clock import answers, due_at
from broker.model.events import Notice
from broker.model.message import Acceptance
from broker.model.names import DeliveryNumber, LogPosition
from broker.ports.requests import EXPIRED
from broker.storage.bulk import BulkInsert, Values
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.notices import add_notice
from broker.storage.tables import IS_RUNNING, IS_UNTOLD, clocks, messages, orders
from broker.storage.transaction import Transaction, padded
from schemas.vocabulary import Country, Kind

CLOCKS = BulkInsert(
    clocks, "delivery", "message", "origin_country", "desk_country", "compartment", "due"
)
ASKED = (
    select(
        clocks.c.delivery,
        clocks.c.message,
        clocks.c.origin_country,
        # Compared in ``_reaches``: asked here, SQLite would rather go through everything that
        # the desk was ever asked than through the few clocks of one message.
        clocks.c.desk_country,
        clocks.c.compartment,
        messages.c.channel,
    )
    .join(messages, messages.c.number == clocks.c.message)
    .where(
        messages.c.message_id == bindparam("message_id"),
        # What came with the same group, but later, was not there to be answered.
        messages.c.number < bindparam("reply"),
    )
    .order_by(messages.c.number)
)
CLOSED_AT = bindparam("ends", type_=clocks.c.closed_at.type)
# What was taken back since is to be answered by nobody.
IS_WANTED = ~exists().where(
    orders.c.subject == clocks.c.message, orders.c.kind == Kind.RECALL.value
)
NOTE_REPLY = (
    update(clocks)
    # Whatever comes after the answer changes nothing about it. What seems to have run out unread
    # was read by whoever answers it.
    .where(clocks.c.delivery == bindparam("asked"), or_(IS_RUNNING, clocks.c.outcome == EXPIRED))
    .values(
        closed_at=CLOSED_AT,
        outcome=bindparam("said"),
        ground=bindparam("because"),
        reply=bindparam("by"),
    )
)
END = (
    update(clocks)
    .where(IS_RUNNING)
    # No word that was said before ended it: whoever returns that one later opens nothing.
    .values(closed_at=CLOSED_AT, outcome=bindparam("ending"), ground=None, reply=None)
)
END_DELIVERIES = END.where(clocks.c.delivery.in_(bindparam("numbers", expanding=True)))
RUN_ON = (
    update(clocks)
    .where(
        clocks.c.reply == bindparam("returned"),
        clocks.c.origin_country == bindparam("asker"),
        IS_WANTED,
    )
    .values(closed_at=None, outcome=None, ground=None, reply=None)
)
REOPEN = (
    update(clocks)
    .where(
        clocks.c.delivery.in_(bindparam("numbers", expanding=True)),
        clocks.c.outcome == EXPIRED,
        IS_WANTED,
    )
    .values(closed_at=None, outcome=None)
)
ESCALATE = (
    update(clocks)
    .where(
        clocks.c.delivery == bindparam("asked"),
        IS_UNTOLD,
        clocks.c.due <= CLOSED_AT,
    )
    .values(escalated_at=CLOSED_AT)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """An overdue request, and what is told of it."""

    delivery: DeliveryNumber
    notices: Sequence[Notice]
    at: datetime


def clock_rows(
    acceptance: Acceptance, number: LogPosition, deliveries: Sequence[int]
) -> Sequence[Values]:
    """Say which clocks a message opens: one for each recipient of a request.

    Args:
        acceptance: The message; its routes stand in the order of the deliveries.
        number: Of the message.
        deliveries: Their numbers.
    """
    due = due_at(
        acceptance.kind,
        acceptance.urgency,
        accepted_at=acceptance.accepted_at,
        reply_by=None if acceptance.facts is None else acceptance.facts.reply_by,
    )
    if due is None:
        return ()
    origin = acceptance.sender.country
    return [
        (delivery, number, origin.value, desk.country.value, desk.compartment.value, due)
        for delivery, desk in zip(
            deliveries, (route.desk for route in acceptance.routes), strict=True
        )
        # Its own country's copy of a channel's message asks that country nothing.
        if desk.country is not origin
    ]


def note_replies(
    transaction: Transaction, recorded: Sequence[tuple[LogPosition, Acceptance]]
) -> None:
    """Let the replies among new messages end the clocks that they answer, in their order."""
    for number, acceptance in recorded:
        if acceptance.kind is Kind.REPLY:
            _note_reply(transaction, number, acceptance)


def close_clocks(
    transaction: Transaction, deliveries: Collection[int], *, outcome: str, at: datetime
) -> None:
    """End the clocks of these deliveries without an answer; what has ended stays as it is.

    Deliveries of other kinds may be among them: they have no clock.
    """
    if deliveries:
        transaction.connection.execute(
            END_DELIVERIES, {"numbers": padded(deliveries), "ending": outcome, "ends": at}
        )


def reopen(transaction: Transaction, deliveries: Collection[int]) -> None:
    """Let the clocks run on of requests that expired unread, as it seemed, but were read."""
    if deliveries:
        transaction.connection.execute(REOPEN, {"numbers": padded(deliveries)})


def run_on(transaction: Transaction, reply: int, *, asker: Country) -> None:
    """Let the clocks run on that a reply stopped which the asking country could not take.

    An answer that is none, that says under its seal something else than outside, or that was
    taken back or ran out unread, would end the wait of somebody who still waits.
    """
    transaction.connection.execute(RUN_ON, {"returned": reply, "asker": asker.value})


def escalate(transaction: Transaction, wanted: Escalation) -> bool:
    """Note it and write its notices; the ledger's lock keeps two from doing it at once."""
    connection = transaction.connection
    noted = connection.execute(ESCALATE, {"asked": wanted.delivery, "ends": wanted.at})
    if noted.rowcount == 0:
        return False
    # A crash before the commit takes the note and the notices back: the next round tells.
    for notice in wanted.notices:
        add_notice(transaction, notice)
    return True


ESCALATE_ONE = Sort(apply=one_by_one(escalate))


def _note_reply(transaction: Transaction, number: LogPosition, reply: Acceptance) -> None:
    facts = reply.facts
    if facts is None or facts.in_reply_to is None or facts.reply_outcome is None:
        return
    found = transaction.connection.execute(
        ASKED,
        {"message_id": facts.in_reply_to, "reply": number},
    )
    # An id is its agency's own, and another may have copied it. The first one is meant: the
    # copy came after somebody knew the id, and must not take the answer for itself.
    asked = next((row for row in found if _reaches(reply, row)), None)
    if asked is None:
        return
    ends = reply.accepted_at if answers(facts.reply_outcome) else None
    transaction.connection.execute(
        NOTE_REPLY,
        {
            "asked": asked.delivery,
            "ends": ends,
            "said": facts.reply_outcome,
            "because": facts.refusal_ground,
            "by": number,
        },
    )


def _reaches(reply: Acceptance, asked: Row[*tuple[object, ...]]) -> bool:
    """Whether it is of who was asked, and goes back over its channel or to the country that asked.

    As its thread says; but there a copy of the id may have let it pass, and here it does not.
    """
    # An agency answers where it sends: police do not answer for the protection desk.
    desk = reply.sender.country.value, reply.compartment.value
    if (asked.desk_country, asked.compartment) != desk:
        return False
    if reply.channel is not None or asked.channel is not None:
        return bool(reply.channel == asked.channel)
    return Country(asked.origin_country) in {route.desk.country for route in reply.routes}

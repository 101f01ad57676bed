"""Which deliveries does the exchange itself give up, and which does it send again?"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam

from broker.model.events import DeliveryState, EventKind
from broker.model.names import DeliveryNumber, QueueName
from broker.ports import requests
from broker.ports.deliveries import TellUnread
from broker.ports.receipts import SignReceipt
from broker.storage.clocks import close_clocks, run_on
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.notices import add_notice
from broker.storage.settling import (
    FACTS,
    Settlement,
    draw_receipt,
    event_of,
    send_again,
    settle,
)
from broker.storage.tables import HAS_CONTENT, IS_DEAD_LETTERED, IS_OPEN, deliveries
from broker.storage.transaction import Transaction, padded
from schemas.vocabulary import Country

REQUEUED_AT_ONCE = 256
"""Deliveries in one transaction: some 20 ms during which nobody else writes."""

OPEN = FACTS.where(IS_OPEN).order_by(deliveries.c.number)
NUMBERED = OPEN.where(deliveries.c.number.in_(bindparam("numbers", expanding=True)))
PAST = (
    FACTS.where(deliveries.c.expires <= bindparam("now", type_=deliveries.c.expires.type))
    .order_by(deliveries.c.expires, deliveries.c.number)
    .limit(bindparam("most"))
)
# Two questions, since each has an index of its own.
OVERDUE = PAST.where(IS_OPEN)
GIVEN_UP = PAST.where(IS_DEAD_LETTERED)
IN_QUEUE = (
    deliveries.c.queue == bindparam("queue"),
    deliveries.c.number > bindparam("after"),
)
LOST = OPEN.where(*IN_QUEUE).limit(REQUEUED_AT_ONCE)
DEAD = (
    FACTS.where(IS_DEAD_LETTERED, HAS_CONTENT, *IN_QUEUE)
    .order_by(deliveries.c.number)
    .limit(REQUEUED_AT_ONCE)
)


DEAD_LETTERED = (DeliveryState.DEAD_LETTERED, EventKind.DEAD_LETTERED)
EXPIRED = (DeliveryState.EXPIRED, EventKind.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivingUp:
    """Deliveries that were handed over too often."""

    numbers: Collection[DeliveryNumber]
    now: datetime
    sign: SignReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A look for what is overdue."""

    now: datetime
    limit: int
    sign: SignReceipt
    tell: TellUnread


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeueing:
    """A part of a queue that is to be sent again."""

    queue: QueueName
    dead_letters_only: bool
    after: DeliveryNumber
    now: datetime
    sign: SignReceipt


def give_up(transaction: Transaction, wanted: GivingUp) -> None:
    """Dead-letter what is not final."""
    if wanted.numbers:
        rows = transaction.connection.execute(NUMBERED, {"numbers": padded(wanted.numbers)}).all()
        _end(transaction, rows, ending=DEAD_LETTERED, now=wanted.now, sign=wanted.sign)


def expire(transaction: Transaction, wanted: Round) -> int:
    """Expire what is overdue, the longest overdue first, and then what was given up before.

    A dead letter was never opened either: its sender is told when nobody can revive it any more.
    """
    rows = _overdue(transaction, wanted)
    _end(transaction, rows, ending=EXPIRED, now=wanted.now, sign=wanted.sign)
    close_clocks(transaction, [row.number for row in rows], outcome=requests.EXPIRED, at=wanted.now)
    for row in rows:
        # Whoever gives his answer a short time does not end the wait by it either.
        run_on(transaction, row.message, asker=Country(row.desk_country))
    # Receipt, state and notice are one transaction: nobody's message runs out untold.
    for notice in wanted.tell(
        [event_of(row, kind=EventKind.EXPIRED, now=wanted.now) for row in rows]
    ):
        add_notice(transaction, notice)
    return len(rows)


def requeue(transaction: Transaction, wanted: Requeueing) -> Sequence[DeliveryNumber]:
    """Send the next few again; say which, so that the caller knows where to go on."""
    statement = DEAD if wanted.dead_letters_only else LOST
    rows = transaction.connection.execute(
        statement, {"queue": wanted.queue, "after": wanted.after}
    ).all()
    drawn = [
        draw_receipt(transaction, row, kind=EventKind.REQUEUED, now=wanted.now, sign=wanted.sign)
        for row in rows
    ]
    send_again(transaction, rows, drawn)
    return [DeliveryNumber(row.number) for row in rows]


DEAD_LETTER = Sort(apply=one_by_one(give_up))
EXPIRE = Sort(apply=one_by_one(expire))
REQUEUE = Sort(apply=one_by_one(requeue))


def _overdue(transaction: Transaction, wanted: Round) -> Sequence[Row[*tuple[object, ...]]]:
    connection, now = transaction.connection, wanted.now
    rows = connection.execute(OVERDUE, {"now": now, "most": wanted.limit}).all()
    left = {"now": now, "most": wanted.limit - len(rows)}
    return [*rows, *connection.execute(GIVEN_UP, left)]


def _end(
    transaction: Transaction,
    rows: Sequence[Row[*tuple[object, ...]]],
    *,
    ending: tuple[DeliveryState, EventKind],
    now: datetime,
    sign: SignReceipt,
) -> None:
    state, kind = ending
    settle(
        transaction,
        [
            Settlement(
                row=row,
                state=state,
                receipt=draw_receipt(transaction, row, kind=kind, now=now, sign=sign),
            )
            for row in rows
        ],
    )

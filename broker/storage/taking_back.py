"""What does a recall or rectification do to the copies of the message that it names?

In the transaction that records it: whoever leases holds the same lock, so that no copy is
leased once the recall has its receipt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Row, bindparam, select

from broker.model.events import DeliveryState, EventKind
from broker.model.message import Acceptance
from broker.model.names import AgencyRef, DeskRef, LogPosition, MessageId
from broker.ports.receipts import SignReceipt
from broker.ports.requests import RECALLED
from broker.storage.bulk import BulkInsert, Values
from broker.storage.clocks import close_clocks, run_on
from broker.storage.settling import EVENT_COLUMNS, Settlement, draw_receipt, settle
from broker.storage.tables import deliveries, messages, orders
from broker.storage.transaction import Transaction
from schemas.vocabulary import Compartment, Country, Disposition, Kind

TAKING_BACK = frozenset({Kind.RECALL, Kind.RECTIFICATION})
COPIES = (
    select(*EVENT_COLUMNS, deliveries.c.state, deliveries.c.hand_over)
    .join(messages, messages.c.number == deliveries.c.message)
    .where(
        messages.c.message_id == bindparam("id"),
        messages.c.origin_country == bindparam("country"),
        messages.c.origin_agency == bindparam("agency"),
    )
    .order_by(deliveries.c.number)
)
ORDERS = BulkInsert(
    orders,
    "delivery",
    "subject",
    "origin_country",
    "desk_country",
    "compartment",
    "kind",
    "answered_at",
    "disposition",
    "receipt",
)
REVOCABLE = frozenset(
    {
        DeliveryState.ACCEPTED,
        DeliveryState.DISPATCHED,
        DeliveryState.DELIVERED,
        DeliveryState.DEAD_LETTERED,
    }
)
"""What might be handed over, or handed over again. A leased copy too: when its lease ended it
would come once more. Its desk may still acknowledge it."""

Copy: TypeAlias = Row[*tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingBack:
    """A recall or rectification that was recorded just now."""

    kind: Kind
    sender: AgencyRef
    id: MessageId
    concerns: MessageId
    at: datetime
    sign: SignReceipt

    @classmethod
    def of(cls, acceptance: Acceptance, sign: SignReceipt) -> "TakingBack | None":
        """Read one from what was recorded; most messages are none."""
        facts = acceptance.facts
        if acceptance.kind not in TAKING_BACK or facts is None or facts.concerns is None:
            return None
        return cls(
            kind=acceptance.kind,
            sender=acceptance.sender,
            id=acceptance.message_id,
            concerns=facts.concerns,
            at=acceptance.accepted_at,
            sign=sign,
        )


def take_back(transaction: Transaction, wanted: TakingBack) -> None:
    """Stop what may be stopped, and open an order at every desk that may hold a copy.

    A crash before the commit loses the recall with all its effects: its sender has no receipt.
    """
    copies = _copies(transaction, wanted, wanted.concerns)
    own = _copies(transaction, wanted, wanted.id)
    ending = [copy for copy in copies.values() if _is_ended_by(wanted, copy)]
    # Nobody answers for what was never in his hands, and nobody is told of it either.
    spared = [own[desk] for desk, copy in copies.items() if _was_never_held(wanted, copy)]
    settlements = [_recalled(transaction, row, wanted) for row in (*ending, *spared)]
    settle(transaction, settlements)
    if wanted.kind is Kind.RECALL:
        # Also where it was read: nobody owes an answer to what was never to be asked.
        numbers = [copy.number for copy in copies.values()]
        close_clocks(transaction, numbers, outcome=RECALLED, at=wanted.at)
        for copy in ending:
            # And if it was itself an answer: who never read it waits for another.
            run_on(transaction, copy.message, asker=Country(copy.desk_country))
    receipts = {one.row.number: one.receipt.position for one in settlements}
    ORDERS.execute(
        transaction.connection,
        [_order(own[desk], copy, wanted, receipts) for desk, copy in copies.items()],
    )


def _copies(
    transaction: Transaction, wanted: TakingBack, message_id: MessageId
) -> Mapping[DeskRef, Copy]:
    sender = wanted.sender
    asked = {"id": message_id, "country": sender.country.value, "agency": sender.agency}
    return {
        DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment)): row
        for row in transaction.connection.execute(COPIES, asked)
    }


def _is_ended_by(wanted: TakingBack, copy: Copy) -> bool:
    return wanted.kind is Kind.RECALL and DeliveryState(copy.state) in REVOCABLE


def _was_never_held(wanted: TakingBack, copy: Copy) -> bool:
    # A hand-over number stays for good: whoever has one may have the message.
    will_not_come = wanted.kind is Kind.RECALL or DeliveryState(copy.state).is_final
    return copy.hand_over is None and will_not_come


def _recalled(transaction: Transaction, row: Copy, wanted: TakingBack) -> Settlement:
    receipt = draw_receipt(
        transaction, row, kind=EventKind.RECALLED, now=wanted.at, sign=wanted.sign
    )
    return Settlement(row=row, state=DeliveryState.RECALLED, receipt=receipt)


def _order(
    own: Copy, copy: Copy, wanted: TakingBack, receipts: Mapping[int, LogPosition]
) -> Values:
    spared = receipts.get(own.number)
    answer = (None, None) if spared is None else (wanted.at, Disposition.DESTROYED.value)
    sides = (own.origin_country, own.desk_country, own.compartment)
    return (own.number, copy.message, *sides, wanted.kind.value, *answer, spared)

"""What the ledger knows of recalls and rectifications; a suite tests each docstring (SG-07)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from broker.model.answers import DeskDisposition
from broker.model.events import DeliveryState, Receipt
from broker.model.names import AgencyRef, ContentHash, DeliveryNumber, DeskRef, MessageId
from broker.model.status import OrderStatus
from broker.ports.receipts import SignReceipt
from schemas.vocabulary import Disposition, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A recall or rectification at one desk."""

    number: DeliveryNumber
    """Of the recall's own delivery to this desk."""
    kind: Kind
    id: MessageId
    """The recall."""
    origin: AgencyRef
    subject: MessageId
    """The message that is recalled or rectified."""
    desk: DeskRef
    content_hash: ContentHash
    """Of the recall; the desk's answer names it."""
    accepted_at: datetime
    state: DeliveryState
    """How far the recall itself has come."""
    status: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposed:
    """The ledger's word on a desk's answer."""

    stands: Disposition
    counts: bool
    """Whether what stands is what was answered; else an earlier answer is final."""
    receipt: Receipt
    """The receipt of the answer that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFitting:
    """Nobody corrects what was taken back: a recall is answered otherwise."""


class RecallLedger(Protocol):
    """Orders, open until their desk has answered."""

    async def dispose(
        self, answer: DeskDisposition, *, now: datetime, sign: SignReceipt
    ) -> Disposed | NotFitting | None:
        """Record a desk's answer, its entry in the log and its receipt in one transaction.

        Found by desk, recall (its id, sender and content hash) and the message concerned.
        The first answer stands, but for one: what was kept may be destroyed or corrected
        later. Repeating an answer changes nothing and gives its receipt.

        Returns:
            None if this desk has no such order.
        """

    async def orders(
        self,
        party: AgencyRef | DeskRef,
        *,
        only_open: bool,
        after: DeliveryNumber | None = None,
        limit: int,
    ) -> Sequence[Order]:
        """List what an agency has sent, or a desk received; sorted by number, behind ``after``."""

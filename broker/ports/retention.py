"""What the ledger knows of time limits and legal holds; a suite tests each docstring (SG-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from broker.model.names import AgencyRef, ContentHash, LogPosition, MessageId, QueueName
from broker.ports.receipts import SignReceipt
from schemas.vocabulary import LegalHoldReason


class Keeping(StrEnum):
    """Why a message whose time is over is not destroyed."""

    HOLD = "hold"
    """A legal hold runs."""
    OPEN = "open"
    """A delivery is still on its way: the sweep ends it first, and tells the sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A message whose content is still there, and whose ``expires`` or ``review_by`` is past."""

    number: LogPosition
    id: MessageId
    origin: AgencyRef
    roads: tuple[QueueName, ...]
    expires: datetime
    review_by: datetime | None
    content_hash: ContentHash
    kept: Keeping | None
    """None: it may go."""
    held_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a message stays, by whom, and until when."""

    number: int
    id: MessageId
    origin: AgencyRef
    reason: LegalHoldReason
    by: str
    at: datetime
    until: datetime
    lifted_at: datetime | None

    def runs(self, now: datetime) -> bool:
        """Whether nothing of the message may be destroyed now."""
        return self.lifted_at is None and now < self.until


class RetentionLedger(Protocol):
    """Content that must go, and content that must stay."""

    async def expired(
        self, *, now: datetime, after: LogPosition | None = None, limit: int
    ) -> Sequence[Overdue]:
        """List what is past its ``expires`` and not destroyed, the longest first.

        From behind the message of number ``after``, destroyed in between or not.
        """

    async def to_review(
        self, *, now: datetime, after: LogPosition | None = None, limit: int
    ) -> Sequence[Overdue]:
        """List what is past its ``review_by``, neither expired nor destroyed."""

    async def destroy(self, number: LogPosition, *, now: datetime, sign: SignReceipt) -> bool:
        """Destroy the sealed content of one message, with an entry in the log; once.

        False if it must stay: it is not expired, a delivery is on its way, a hold runs; or if
        it is destroyed already. What stays: names, times, states, hash, log, receipts.
        """

    async def hold(
        self,
        origin: AgencyRef,
        message_id: MessageId,
        *,
        reason: LegalHoldReason,
        by: str,
        until: datetime,
        now: datetime,
    ) -> Hold | None:
        """Begin a hold; None for an unknown message, or one that is destroyed already."""

    async def lift(self, origin: AgencyRef, message_id: MessageId, *, now: datetime) -> int:
        """End all holds on a message that run; say how many."""

    async def holds(self) -> Sequence[Hold]:
        """List every hold, sorted by number, those that ended among them."""

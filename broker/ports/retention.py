"""What the ledger knows of time limits and legal holds; a suite tests each docstring (SG-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from broker.model.names import AgencyRef, ContentHash, LogPosition, MessageId, QueueName
from broker.ports.receipts import SignReceipt
from schemas.vocabulary import LegalHoldReason

BEHIND_UTC: Final = timedelta(hours=12)
"""Where a day ends last: a court's last day is over when it is over everywhere."""


class Keeping(StrEnum):
    """Why a message whose time is over is not destroyed."""

    HOLD = "hold"
    """A legal hold runs."""
    OPEN = "open"
    """A delivery is on its way, or was given up: the sweep ends it first, and tells the sender."""


class NotReviewed(StrEnum):
    """Why a review is not recorded; nothing has changed."""

    NOT_DUE = "not-due"
    """No such message with content, or its ``review_by`` is not past, or it has expired."""
    TOO_LONG = "too-long"
    """It would be kept beyond the day on which it expires."""
    HELD = "held"
    """A legal hold runs: it is not destroyed."""
    OPEN = "open"
    """A delivery is still on its way, or was given up: it is not destroyed unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A message whose content is still there, and whose time is over, or that was taken back."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a person decided about a message whose ``review_by`` was past."""

    number: int
    id: MessageId
    origin: AgencyRef
    by: str
    at: datetime
    reason: LegalHoldReason | None
    until: datetime | None
    """Why it stays and until when; None for both: its content was destroyed."""


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
        """List what is past its ``review_by``, and what its newest review kept until now.

        Neither expired nor destroyed, nor listed by ``recalled``.
        """

    async def recalled(
        self, *, now: datetime, after: LogPosition | None = None, limit: int
    ) -> Sequence[Overdue]:
        """List what was recalled, and what no desk has still to answer for, by its end.

        Neither expired nor destroyed. Whatever the desks have answered: they speak of their own
        copies, and nobody will be handed another.
        """

    async def destroy(self, number: LogPosition, *, now: datetime, sign: SignReceipt) -> bool:
        """Destroy the sealed content of one message, with an entry in the log; once.

        False if it must stay: it is neither expired nor listed by ``recalled``, a delivery is on
        its way or was given up and its sender not told yet, a hold runs; or if it is destroyed
        already. What stays: names, times, states, hash, log, receipts.
        """

    async def keep(
        self,
        origin: AgencyRef,
        message_id: MessageId,
        *,
        reason: LegalHoldReason,
        by: str,
        until: datetime,
        now: datetime,
    ) -> Review | NotReviewed:
        """Record that a message past its ``review_by`` is still needed; the newest word counts.

        ``until`` ends its last day, and is cut at the message's ``expires``.
        """

    async def destroy_reviewed(
        self,
        origin: AgencyRef,
        message_id: MessageId,
        *,
        by: str,
        now: datetime,
        sign: SignReceipt,
    ) -> Review | NotReviewed:
        """Destroy a message past its ``review_by`` that is not needed, as ``destroy`` does.

        The review, the entry in the log and the tombstone are one transaction.
        """

    async def reviews(self) -> Sequence[Review]:
        """List every review, sorted by number."""

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

"""What the originator may know of what became of his message."""

from dataclasses import dataclass
from datetime import date, datetime

from broker.model.answers import StatedUse
from broker.model.events import DeliveryState, RefusalReason
from broker.model.names import ContentHash, DeskRef, MessageId
from schemas.vocabulary import Disposition, KeptReason, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientStatus:
    """How far one recipient's copy has come, with the evidence for it."""

    desk: DeskRef
    state: DeliveryState
    changed_at: datetime
    attempts: int
    reason: RefusalReason | None
    rule: str | None = None
    """The safeguard by which the desk refused it, if it was one."""
    desk_evidence: str | None
    """The desk's own signature over its answer."""
    receipt: str | None
    """The gateway's receipt for the final event."""
    finding: "Finding | None" = None
    """What the desk found under the seal, where its copy had ended otherwise by then."""
    uses: tuple[StatedUse, ...] = ()
    """Which purposes it was opened for."""
    order: "OrderStatus | None" = None
    """Of a recall or rectification: what the desk did with its copy of the other message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A refusal that came when the copy was recalled, expired, given up or answered already."""

    reason: RefusalReason
    rule: str | None
    """The safeguard that the content breaks, if it is one."""
    at: datetime
    desk_evidence: str
    """The desk's own signature over its refusal."""
    receipt: str
    """The gateway's receipt for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatus:
    """A recall or rectification at one desk: open, or answered (SG-07)."""

    answered_at: datetime | None
    """None: open."""
    disposition: Disposition | None
    because: KeptReason | None
    until: date | None
    """Until when the desk means to keep it."""
    desk_evidence: str | None
    """The desk's own signature; none where its copy was never handed over."""
    receipt: str | None
    """The gateway's receipt for the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus:
    """What the originator may know of a message."""

    id: MessageId
    kind: Kind
    accepted_at: datetime
    expires: datetime
    content_hash: ContentHash
    receipt: str
    recipients: tuple[RecipientStatus, ...]

"""What a desk says, signed: of a copy, of a recall, of who reads."""

from dataclasses import dataclass, field
from datetime import date, datetime

from broker.model.events import RefusalReason
from broker.model.names import AgencyRef, ContentHash, DeskRef, MessageId
from schemas.vocabulary import Disposition, KeptReason


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskAnswer:
    """A desk's signed word on one delivery, verified by ``admission.acknowledge``."""

    desk: DeskRef
    message_id: MessageId
    content_hash: ContentHash
    reason: RefusalReason | None
    """None acknowledges; a reason refuses."""
    answered_at: datetime
    """When the desk says it signed."""
    token: str = field(repr=False)
    """The desk's compact JWS, kept as evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseStatement:
    """What a desk has signed about one reading; its purpose is a code, and not yet allowed."""

    desk: DeskRef
    message_id: MessageId
    content_hash: ContentHash
    reader: str
    """A role, never a person's name."""
    purpose: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDisposition:
    """A desk's signed word on a recall or rectification, verified by ``admission.dispose``."""

    desk: DeskRef
    recall: MessageId
    origin: AgencyRef
    """Who recalls: several agencies may use one id."""
    content_hash: ContentHash
    """Of the recall."""
    subject: MessageId
    """The message that is recalled or rectified."""
    disposition: Disposition
    because: KeptReason | None
    """Of what is kept: why."""
    until: date | None
    """Of what is kept: until when, if the desk knows."""
    answered_at: datetime
    """When the desk says it signed."""
    token: str = field(repr=False)
    """The desk's compact JWS, kept as evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedUse:
    """A role that reads a message, and for what, by its desk's signed word (SG-06)."""

    at: datetime
    """When it was first said."""
    reader: str
    purpose: str
    times: int
    """How often it was said."""
    token: str = field(repr=False)
    """The desk's first signature over it."""

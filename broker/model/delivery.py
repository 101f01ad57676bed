"""A recipient's copy on its way out: to the transport, and to the desk."""

from dataclasses import dataclass, field
from datetime import datetime

from broker.model.names import (
    AgencyRef,
    ContentHash,
    DeliveryNumber,
    HandOverNumber,
    MessageId,
    QueueName,
)
from schemas.vocabulary import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A recorded delivery that the transport has not confirmed yet."""

    number: DeliveryNumber
    queue: QueueName
    message_id: MessageId
    content_hash: ContentHash
    urgency: Urgency
    expires: datetime
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A delivery leased to a desk, as it goes over the wire."""

    number: DeliveryNumber
    hand_over: HandOverNumber
    queue: QueueName
    origin: AgencyRef
    message_id: MessageId
    content_hash: ContentHash
    urgency: Urgency
    attempt: int
    """1 at the first hand-over."""
    first_handed_at: datetime
    lease_until: datetime
    receipt: str
    """The gateway's receipt for the acceptance; the desk verifies it."""
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """What waits in one queue of a desk."""

    queue: QueueName
    waiting: int
    leased: int
    oldest_accepted_at: datetime | None

"""What happens to a message, what becomes of it at each desk, and the signed word for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from broker.model.names import AgencyRef, ContentHash, DeskRef, LogPosition, MessageId
from keys.identifiers import KeyId
from schemas.vocabulary import Country, Disposition


class DeliveryState(StrEnum):
    """How far one recipient's copy has come; final from ``ACKNOWLEDGED`` on."""

    ACCEPTED = "accepted"
    """Recorded; the sender has a receipt."""
    DISPATCHED = "dispatched"
    """The transport has confirmed it."""
    DELIVERED = "delivered"
    """Handed to a desk that has not answered yet."""
    ACKNOWLEDGED = "acknowledged"
    """The desk opened it, stored it and signed for it."""
    REFUSED = "refused"
    """The desk returned it with a reason, signed."""
    DEAD_LETTERED = "dead-lettered"
    """Handed over too often without an answer; an operator can send it again."""
    EXPIRED = "expired"
    """Its time ended before a desk acknowledged it."""
    RECALLED = "recalled"
    """The originator took it back."""
    NOT_SEALED = "not-sealed"
    """A recall or rectification whose desk had no current key: it got no copy (SG-07)."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be handed over (an operator can revive a dead letter)."""
        return self not in _OPEN


_OPEN = frozenset({DeliveryState.ACCEPTED, DeliveryState.DISPATCHED, DeliveryState.DELIVERED})


class EventKind(StrEnum):
    """What the log records and a receipt can prove."""

    ACCEPTED = "accepted"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    DEAD_LETTERED = "dead-lettered"
    EXPIRED = "expired"
    REQUEUED = "requeued"
    REWRAPPED = "rewrapped"
    """A desk took its copy from one of its keys to the next; the content did not change."""
    RECALLED = "recalled"
    """The originator took it back; it is not handed over any more."""
    DISPOSED = "disposed"
    """A desk answered a recall or rectification; the receipt says how."""
    DESTROYED = "destroyed"
    """The exchange destroyed the sealed content; its hash stays."""


class RefusalReason(StrEnum):
    """Why a desk returns a message; the code list ``refusal-reasons`` has the labels."""

    CANNOT_OPEN = "cannot-open"
    SIGNATURE_NOT_VALID = "signature-not-valid"
    RECEIPT_NOT_VALID = "receipt-not-valid"
    CONTENT_NOT_VALID = "content-not-valid"
    NOT_COMPETENT = "not-competent"
    LEGAL_OBSTACLE = "legal-obstacle"
    FACTS_NOT_TRUE = "facts-not-true"

    @property
    def is_finding(self) -> bool:
        """Whether the desk looked under the seal and found what nobody had vouched for.

        Such a word is kept whatever became of the copy: who sealed it must not be able to take
        it away by a recall, or by a time that ends soon.
        """
        return self in _FINDINGS


_FINDINGS = frozenset(
    {
        RefusalReason.SIGNATURE_NOT_VALID,
        RefusalReason.CONTENT_NOT_VALID,
        RefusalReason.FACTS_NOT_TRUE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a message, before it has its place in the log."""

    kind: EventKind
    at: datetime
    message_id: MessageId
    sender: AgencyRef
    content_hash: ContentHash
    recipients: Mapping[DeskRef, KeyId]
    """The desks concerned, with the key that was sealed to, or ``NO_KEY``: all of them for
    ``ACCEPTED``, the answering one otherwise."""
    rules: Mapping[DeskRef, str] = field(default_factory=dict)
    """Of ``ACCEPTED``: the rule that allowed each (SG-12)."""
    facts_digest: str | None = None
    """Of ``ACCEPTED``, sealed by its origin: what the facts were said to be."""
    reason: RefusalReason | None = None
    disposition: Disposition | None = None
    """Of ``DISPOSED``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A signed statement of the gateway; ``token`` is all that a verifier needs."""

    event: EventKind
    position: LogPosition
    at: datetime
    token: str
    """Compact JWS, ``typ`` ``enlace-receipt+jws``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the exchange tells a country: of a key, of a request, of a message that failed."""

    country: Country
    at: datetime
    event: str
    kid: KeyId | None = None
    """The key, if it is about one."""
    subject: bytes
    """SHA-256 of what it is about: a country is told of it once."""
    token: str = field(repr=False)
    """The exchange's signed statement of it."""

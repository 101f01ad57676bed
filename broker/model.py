"""One frozen type per boundary that a message crosses.

``Posting`` → ``SignedPosting`` → ``Message`` → ``RoutedMessage`` → ``SealedMessage`` (in
``sealing``) → ``Acceptance`` → ``Delivery``. Each is made by exactly one stage; holding one
proves that the stage was passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NewType, TypeAlias

from keys.charter import ChannelName
from keys.identifiers import KeyId
from keys.strict_json import JsonValue
from schemas.vocabulary import (
    Compartment,
    Country,
    Disposition,
    HandlingCode,
    KeptReason,
    Kind,
    Urgency,
)

Json: TypeAlias = JsonValue
"""What strict JSON can hold."""

MessageId = NewType("MessageId", str)
"""A UUIDv7 in lower case, chosen by the sender; unique for its agency."""
ContentHash = NewType("ContentHash", str)
"""Base64url SHA-256 of a sealed content, 43 characters; what receipts and signatures name."""
QueueName = NewType("QueueName", str)
"""``MX.GT.intelligence`` of a pair, ``hlsg-mx-gt.GT`` of a channel; built by :func:`pair_queue`
and :func:`channel_queue` from the directory, never from input."""
DeliveryNumber = NewType("DeliveryNumber", int)
"""One recipient's copy of one message; rises in the order of acceptance."""
HandOverNumber = NewType("HandOverNumber", int)
"""One handing of one delivery to a desk; rises with every hand-over; the SSE event id."""
LogPosition = NewType("LogPosition", int)
"""Where an event stands in the ledger's log; rises by one, without gaps."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AgencyRef:
    """An agency of a country: who writes messages."""

    country: Country
    agency: str
    """``[a-z0-9-]``, at most 32 characters, unique in its country."""

    def __str__(self) -> str:
        return f"{self.country}/{self.agency}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DeskRef:
    """A country's desk for one compartment: who receives messages."""

    country: Country
    compartment: Compartment

    def __str__(self) -> str:
        return f"{self.country}.{self.compartment}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """The one-way road from a country to a desk; open only if the directory says so."""

    origin: Country
    desk: DeskRef

    @property
    def queue(self) -> QueueName:
        """The RabbitMQ queue, and routing key, of this road."""
        return pair_queue(self.origin, self.desk)


def pair_queue(origin: Country, desk: DeskRef) -> QueueName:
    """Name the queue from a country to a desk: ``MX.GT.intelligence``."""
    return QueueName(f"{origin}.{desk.country}.{desk.compartment}")


def channel_queue(channel: ChannelName, member: Country) -> QueueName:
    """Name a member's queue of a channel: ``hlsg-mx-gt.GT``.

    A channel's name is in lower case and a country's is not, so no pair has such a name.
    """
    return QueueName(f"{channel}.{member}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a message says it should go."""

    countries: tuple[Country, ...]
    compartment: Compartment | None
    channel: ChannelName | None
    """A High-Level Security Group channel; then the other two are empty."""
    own_copy: bool = False
    """Of a channel: whether the sender's own country asks for a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What a request carried: bytes that nobody has looked into yet."""

    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    """The ``Message-Signature`` header: a detached JWS, or two with a comma between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPosting:
    """Bytes that the calling agency provably wrote; still not parsed."""

    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    sender: AgencyRef
    signed_with: KeyId
    claims: "SignatureClaims"
    second_signed_with: KeyId | None = None
    """The key of a second officer of the same agency, who signed these bytes too (SG-03)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureClaims:
    """What the message signature says of the body; compared once the body is parsed."""

    message_id: str
    origin: str
    schema: str
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPosting:
    """What a request carried that its agency has sealed itself; nobody has looked into it yet."""

    jwe: bytes = field(repr=False)
    seal: str = field(repr=False)
    """The ``Origin-Seal`` header: a compact JWS over the content hash and the facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedPosting:
    """A sealed content that the calling agency provably vouches for, and what it says of it.

    Whether that is true, only a desk can see (``facts_digest``).
    """

    jwe: bytes = field(repr=False)
    sender: AgencyRef
    signed_with: KeyId
    message_id: MessageId
    content_hash: ContentHash
    schema: str
    facts: "Facts"
    facts_digest: str
    second_signed_with: KeyId | None = None
    """The key of a second officer who vouches for the same (SG-03)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is known of a valid message without its content: where it goes, and its facts."""

    id: MessageId
    kind: Kind
    version: str
    sender: AgencyRef
    to: Address
    created: datetime
    created_text: str
    """As the sender wrote it, so that the sealed route says what the body says."""
    expires: datetime
    expires_text: str
    urgency: Urgency
    handling: HandlingCode
    facts: "Facts"
    """What the rules need to know of what it says."""
    second_signed_with: KeyId | None = None
    """Proven: another message key of the sender than the author's. None: nobody co-signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Envelope):
    """A valid message: its signed bytes, and the facts that routing and sealing need."""

    body: bytes = field(repr=False)
    """The exact bytes that were signed; they are what is sealed and opened."""
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How sure the originator is, in a scheme of his; kept as given, never converted."""

    scheme: str
    source: str
    information: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An originator's permission to hand on what he wrote (SG-05)."""

    of: frozenset[MessageId]
    to_countries: frozenset[Country]
    """Empty: to whoever asked."""
    purposes: frozenset[str]
    """Empty: for the purposes of the message itself."""
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rules must know of a content; no name, no narrative, nothing of the case."""

    handling: HandlingCode
    purpose: str
    review_by: datetime
    reply_by: datetime | None = None
    evaluation: Evaluation | None = None
    in_reply_to: MessageId | None = None
    lineage: tuple[MessageId, ...] = ()
    concerns: MessageId | None = None
    """The message that is recalled or rectified."""
    replaced_by: MessageId | None = None
    """The message that stands in its place, of a rectification."""
    reply_outcome: str | None = None
    refusal_ground: str | None = None
    grant: Grant | None = None
    marked_origins: frozenset[Country] = frozenset()
    """Where those come from who are marked as seeking protection (SG-01)."""
    all_origins: frozenset[Country] = frozenset()
    """Where anybody comes from: in ``protection`` everybody counts as marked."""
    has_marked: bool = False
    """Whether somebody is marked as seeking protection, whatever his country."""
    has_children: bool = False
    """Whether somebody is under 18, or may be."""
    exposes_child: bool = False
    """Whether a child could be found by a field (SG-04)."""
    needs_second_officer: bool = False
    """Whether a migrant is said to have acted as guide or driver (SG-03)."""
    criminalises: bool = False
    """Whether being smuggled is made a suspicion, or acting as guide one without a basis."""
    addressed_to: AgencyRef | None = None
    """Of a referral: the agency whose service is asked for (SG-02)."""
    has_narrative: bool = False
    """Whether a protection body tells what happened in words (SG-10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMessage:
    """What the exchange still knows of an earlier message that this one names."""

    id: MessageId
    sender: AgencyRef
    kind: Kind
    handling: HandlingCode
    compartment: Compartment
    channel: ChannelName | None
    purpose: str
    evaluation: Evaluation | None
    roots: frozenset[MessageId]
    """Where its lineage ends; itself if it has none (SG-11)."""
    desks: frozenset[DeskRef]
    """Who received it."""
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedMessage:
    """A message that may go where it wants: the desks, and the rule that allows each."""

    message: Envelope
    compartment: Compartment
    roots: frozenset[MessageId] = frozenset()
    """Where its lineage ends (SG-11)."""
    deliveries: tuple["Route", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One allowed recipient of one message."""

    desk: DeskRef
    queue: QueueName
    rule: str
    """The rule that allows it, as a dry run shows it."""


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


NO_KEY: Final = KeyId("")
"""Stands for the key of a desk that got no copy of what takes a message back (SG-07)."""


class RefusalReason(StrEnum):
    """Why a desk returns a message; the code list ``refusal-reasons`` has the labels."""

    CANNOT_OPEN = "cannot-open"
    SIGNATURE_NOT_VALID = "signature-not-valid"
    RECEIPT_NOT_VALID = "receipt-not-valid"
    CONTENT_NOT_VALID = "content-not-valid"
    NOT_COMPETENT = "not-competent"
    LEGAL_OBSTACLE = "legal-obstacle"
    FACTS_NOT_TRUE = "facts-not-true"


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
class Acceptance:
    """What one accepted message adds to the ledger, before it has its place in the log."""

    message_id: MessageId
    sender: AgencyRef
    body_mac: bytes
    """HMAC-SHA-256 of the body under the gateways' shared secret: tells the same bytes from
    others, and nobody who holds only the ledger can test a guess against it."""
    kind: Kind
    version: str
    urgency: Urgency
    created: datetime
    expires: datetime
    accepted_at: datetime
    content_hash: ContentHash
    sealed: bytes = field(repr=False)
    """JWE General JSON."""
    routes: tuple[Route, ...]
    recipient_keys: Mapping[DeskRef, KeyId]
    """Each desk's key; ``NO_KEY`` where no copy was sealed for it."""
    signing_key: KeyId
    """The key that signed the message."""
    second_signing_key: KeyId | None = None
    """The key of the second officer, if there was one (SG-03)."""
    compartment: Compartment = Compartment.INTELLIGENCE
    channel: ChannelName | None = None
    facts: Facts | None = None
    """What is kept of it for the rules; of where people come from, nothing is."""
    roots: frozenset[MessageId] = frozenset()
    facts_digest: str | None = None
    """Of a message that its origin sealed: see ``admission.origin_seal``."""
    hides_recipients: bool = False
    """Whether a desk may not learn who else received it (SG-12)."""
    directory_version: int | None = None
    """The directory that said which keys are active; None is not compared with the ledger's."""


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
    stated_at: datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientStatus:
    """How far one recipient's copy has come, with the evidence for it."""

    desk: DeskRef
    state: DeliveryState
    changed_at: datetime
    attempts: int
    reason: RefusalReason | None
    desk_evidence: str | None
    """The desk's own signature over its answer."""
    receipt: str | None
    """The gateway's receipt for the final event."""
    uses: tuple[StatedUse, ...] = ()
    """Which purposes it was opened for."""
    order: "OrderStatus | None" = None
    """Of a recall or rectification: what the desk did with its copy of the other message."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the exchange tells a country: of a key, or of a request that nobody answers."""

    country: Country
    at: datetime
    event: str
    kid: KeyId | None = None
    """The key, if it is about one."""
    subject: bytes
    """SHA-256 of what it is about: a country is told of it once."""
    token: str = field(repr=False)
    """The exchange's signed statement of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """What waits in one queue of a desk."""

    queue: QueueName
    waiting: int
    leased: int
    oldest_accepted_at: datetime | None


class Scope(StrEnum):
    """What an access token is good for."""

    MESSAGES_SEND = "messages:send"
    MESSAGES_RECEIVE = "messages:receive"
    DIRECTORY_READ = "directory:read"
    ADMIN_COUNTRY = "admin:country"
    ADMIN_EXCHANGE = "admin:exchange"
    AUDIT_READ = "audit:read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, as proven by token and proof; never taken from the request."""

    client_id: str
    subject: AgencyRef | DeskRef
    scopes: frozenset[Scope]

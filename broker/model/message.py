"""A message on its way in: from bytes that nobody has looked into to what the ledger adds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from broker.model.facts import Facts
from broker.model.names import AgencyRef, ContentHash, DeskRef, LogPosition, MessageId, QueueName
from keys.charter import ChannelName
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency


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

    @property
    def posted(self) -> bytes:
        """What a repeated posting is known again by."""
        return self.body

    @property
    def message_id(self) -> MessageId:
        """Which message its author says that this is."""
        return MessageId(self.claims.message_id)


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
class RoutedMessage:
    """A message that may go where it wants: the desks, and the rule that allows each."""

    message: Envelope
    compartment: Compartment
    roots: frozenset[MessageId] = frozenset()
    """Where its lineage ends (SG-11)."""
    deliveries: tuple["Route", ...]
    relies_on: frozenset[LogPosition] = frozenset()
    """The earlier messages by which it was judged, as far as nobody had recalled them by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One allowed recipient of one message."""

    desk: DeskRef
    queue: QueueName
    rule: str
    """The rule that allows it, as a dry run shows it."""


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
    """Of a message that its origin sealed: see ``broker.origin_seal``."""
    hides_recipients: bool = False
    """Whether a desk may not learn who else received it (SG-12)."""
    relies_on: frozenset[LogPosition] = frozenset()
    """As of its :class:`RoutedMessage`: if one of them is recalled by now it is judged anew."""
    directory_version: int | None = None
    """The directory that said which keys are active; None is not compared with the ledger's."""

"""What the ledger knows of keys; each docstring is a contract that a suite tests.

A key is *in flight* while a delivery is sealed to it that its desk has not answered: those
are counted here, exactly, and taken from one key to the next.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from broker.model.events import DeliveryState, Notice, Receipt
from broker.model.names import AgencyRef, ContentHash, DeliveryNumber, DeskRef, MessageId, QueueName
from broker.ports.messages import Overtaken
from broker.ports.receipts import SignReceipt
from broker.sealing.wire import Recipient
from keys.identifiers import KeyId
from schemas.vocabulary import Country


class Place(StrEnum):
    """Where a delivery stands that its desk has not answered."""

    QUEUED = "queued"
    """Accepted or dispatched."""
    LEASED = "leased"
    """Handed to a desk, whether or not its lease still runs."""
    DEAD_LETTERED = "dead-lettered"
    """An operator can send it again."""
    RETENTION = "retention"
    """Expired; the sealed body is still kept, and the desk may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """How many deliveries in one place of one queue only this key opens."""

    kid: KeyId
    queue: QueueName
    place: Place
    count: int
    oldest_accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedDelivery:
    """A delivery that a key could open, or vouched for."""

    number: DeliveryNumber
    message_id: MessageId
    origin: AgencyRef
    desk: DeskRef
    queue: QueueName
    state: DeliveryState
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWrap:
    """What a desk needs to take one delivery to its next key; the content is not part of it."""

    number: DeliveryNumber
    message_id: MessageId
    origin: AgencyRef
    content_hash: ContentHash
    protected: str
    """The protected header, as it stands in the sealed form."""
    recipient: Recipient
    """The desk's entry, for its old key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrap:
    """A desk's signed wish to replace its entry, verified by ``admission.rewrap``."""

    desk: DeskRef
    message_id: MessageId
    content_hash: ContentHash
    old: KeyId
    recipient: Recipient
    """The new entry; its key is another than ``old``."""
    token: str = field(repr=False)
    """The desk's compact JWS, kept as evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """The delivery is sealed to the new key; ``replayed`` when it was already, by this wish."""

    number: DeliveryNumber
    kid: KeyId
    receipt: Receipt
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pickup:
    """By which version of the directory a process or client works."""

    party: str
    version: int
    at: datetime
    """When it last said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedNotice:
    """A notice, and its place among all of them."""

    number: int
    notice: Notice


class KeyLedger(Protocol):
    """What is sealed to each key, and was; who has taken up its successor."""

    async def in_flight(self, kids: Collection[KeyId] | None = None) -> Sequence[InFlight]:
        """Count what only these keys open, by key, queue and place; zeros are left out.

        Exact, as of one moment. None asks for every key. Sorted.
        """

    async def last_uses(self, kids: Collection[KeyId]) -> Mapping[KeyId, datetime]:
        """Tell when each was last used: sealed to, re-wraps included, or signed with.

        What was never used is left out. Costs the same however much was sealed.
        """

    async def emptied(self, kids: Collection[KeyId]) -> Mapping[KeyId, datetime]:
        """Tell since when nothing is sealed to these keys that a desk has not answered.

        The moment of the last answer or re-wrap. A key that is still in flight, or was never
        sealed to, is left out. Reads all that was ever sealed to the key.
        """

    async def affected(
        self,
        kid: KeyId,
        *,
        since: datetime | None = None,
        after: DeliveryNumber | None = None,
        limit: int,
    ) -> Sequence[AffectedDelivery]:
        """List each delivery that was ever sealed to this key, or whose message it signed.

        Exact: what was re-wrapped to another key was sealed to this one once, and is listed.
        Sorted by number, and from behind ``after``. ``since`` leaves out what was accepted
        before, among the signed; what was sealed to a key is readable by it however old.
        """

    async def waiting_wraps(
        self, desk: DeskRef, kid: KeyId, *, after: DeliveryNumber | None = None, limit: int
    ) -> Sequence[WaitingWrap]:
        """List what this desk has not answered and only this key opens, sorted by number."""

    async def rewrap(
        self,
        rewraps: Sequence[Rewrap],
        *,
        now: datetime,
        sign: SignReceipt,
        directory_version: int | None = None,
    ) -> Sequence[Rewrapped | None] | Overtaken:
        """Replace entries in one transaction; nothing kept opens with the old key afterwards.

        Found by desk, message id and content hash. None: there is no such delivery of this
        desk, it is answered, or it is not sealed to ``old``. Content hash, other entries and
        earlier receipts stay. Repeating a wish answers its first receipt. Two desks of one
        message may do it at once; a delivery may be leased meanwhile.
        """

    async def note_pickup(self, party: str, version: int, at: datetime) -> None:
        """Note by which version a party works, and when it last said so.

        An older version than is noted changes nothing.
        """

    async def pickups(self) -> Sequence[Pickup]:
        """List what was noted, sorted by party."""

    async def was_told(self, country: Country, subject: bytes) -> bool:
        """Say whether this country has a notice on this subject, before one is signed."""

    async def add_notice(self, notice: Notice) -> bool:
        """Write a notice, unless this country has one on this subject; say whether it was new."""

    async def notices(
        self, country: Country, *, after: int | None = None, limit: int
    ) -> Sequence[NumberedNotice]:
        """List a country's notices, sorted by number, from behind ``after``."""

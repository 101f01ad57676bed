"""What the flow needs of the world; each docstring is a contract that a suite tests.

Two adapters stand behind each port (SQLite and PostgreSQL, RabbitMQ and local), and one
contract suite runs against both. Every method raises ``LedgerUnavailableError`` or
``TransportUnavailableError`` when its world is away, and never anything foreign.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from broker.directory import AgencyRecord, ClientRecord, DirectoryRecord
from broker.errors import Code
from broker.model import (
    Acceptance,
    AgencyRef,
    DeliveryNumber,
    DeliveryState,
    DeskAnswer,
    DeskRef,
    Event,
    HandOver,
    HandOverNumber,
    KnownMessage,
    LogPosition,
    MessageId,
    MessageStatus,
    Notice,
    Outgoing,
    QueueDepth,
    QueueName,
    Receipt,
    UseStatement,
)
from schemas.vocabulary import Country

Clock = Callable[[], datetime]
"""Tells the time, aware and in UTC; read once per request or round, then passed on."""

SignReceipt = Callable[[Event, LogPosition], str]
"""Signs an event at its place in the log; called inside the ledger's transaction."""


TellUnread: TypeAlias = Callable[[Sequence[Event]], Sequence[Notice]]
"""Says who is told of messages that ran out unread; called inside the ledger's transaction."""


def tell_nobody(_: Sequence[Event]) -> Sequence[Notice]:
    """Tell nobody: a ``TellUnread`` for who has no key to sign with."""
    return ()


# --- the ledger: messages -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The message is in the ledger; ``replayed`` when it was already, with the same bytes."""

    receipt: Receipt
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTaken:
    """This agency's id already names a message with other bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryMoved:
    """Not recorded: since the message was sealed, administrators have changed the directory."""


class MessageLedger(Protocol):
    """Accepted messages and what became of them: the truth of the exchange."""

    async def find(
        self, sender: AgencyRef, message_id: MessageId, *, body_mac: bytes
    ) -> Recorded | IdTaken | None:
        """Answer whether this id was accepted before, so that nothing is sealed twice."""

    async def record(
        self, acceptance: Acceptance, *, sign: SignReceipt
    ) -> Recorded | IdTaken | DirectoryMoved:
        """Record a message, its deliveries and its receipt in one transaction.

        Durable when it returns: a power cut afterwards loses nothing. Concurrent calls are
        committed in groups; each still gets its own answer. Two records of one
        ``(sender, message_id)`` yield exactly one ``replayed=False``, across all processes.
        Positions rise by one without gaps, across all processes.

        If it raises ``LedgerUnavailableError`` the message may or may not be recorded: the
        commit can succeed and its answer be lost. Recording it again is safe, and answers
        ``replayed`` if it was. ``sign`` may be called from another thread.

        In the same transaction a request opens a clock for each recipient, and a reply closes
        the one that it answers: see ``request_ports``.

        A message that names a version of the directory is recorded only if that is the version
        at the moment of recording: none is sealed to a key that was not active then. What is
        known already is answered first, whatever the version.
        """

    async def known(self, ids: Collection[MessageId]) -> Mapping[MessageId, Sequence[KnownMessage]]:
        """Tell what is known of earlier messages; several agencies may use one id.

        An id that was never accepted is left out. What content was destroyed is still known.
        """

    async def status(self, sender: AgencyRef, message_id: MessageId) -> MessageStatus | None:
        """Say how far a message has come; None for another agency's, as for an unknown id."""


# --- the ledger: deliveries -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The ledger's word on a desk's answer."""

    deliveries: tuple[DeliveryNumber, ...]
    """The delivery that is settled now; empty when no such delivery was handed to this desk."""
    state: DeliveryState | None
    """Its state after the call. Differs from what was asked if it was already final."""
    receipt: Receipt | None
    """The receipt of the answer that settled it, the first one if asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseNoted:
    """The statement of use is in the ledger, since that moment."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UseDenied:
    """Not noted: the desk does not hold it, or may not read it for that."""

    code: Code


class DeliveryLedger(Protocol):
    """Deliveries on their way: relayed, leased, answered."""

    async def claim_unpublished(
        self, *, limit: int, claimant: str, now: datetime, until: datetime
    ) -> Sequence[Outgoing]:
        """Take the oldest ``ACCEPTED`` deliveries that nobody claims, for one relay.

        No two claimants hold one delivery before ``until``. A claimant that dies loses its
        claim then, and the deliveries are claimed, and published, again.
        """

    async def mark_dispatched(self, numbers: Collection[DeliveryNumber], *, at: datetime) -> None:
        """Note that the transport has confirmed these; repeating it changes nothing."""

    async def waiting(
        self, queues: Collection[QueueName], *, limit: int, now: datetime
    ) -> Sequence[tuple[DeliveryNumber, QueueName]]:
        """List, oldest first, what was dispatched and is neither leased nor final.

        The local transport hands over from here; a lease that has ended counts as waiting.
        """

    async def lease(
        self,
        numbers: Collection[DeliveryNumber],
        *,
        queues: Collection[QueueName],
        holder: str,
        now: datetime,
        until: datetime,
    ) -> Sequence[HandOver]:
        """Lease to one holder those that are free; the others are left out of the answer.

        Only deliveries of these queues count: what a transport brings is a number, and a
        number from elsewhere must open nothing.

        Free is what is not final and not leased beyond ``now`` by another holder, and not by
        this one either. Each lease gets the next hand-over number and adds one attempt. A
        delivery that is ``ACCEPTED`` may be leased: the transport was faster than the mark.
        """

    async def release(
        self,
        *,
        queues: Collection[QueueName],
        holder: str,
        after: HandOverNumber | None = None,
        now: datetime,
    ) -> Sequence[DeliveryNumber]:
        """End a holder's leases on these queues, all or those with a later hand-over number.

        Says which ended.

        They are ``DISPATCHED`` again, and free.
        """

    async def states(
        self, numbers: Collection[DeliveryNumber]
    ) -> Mapping[DeliveryNumber, DeliveryState]:
        """Tell the state of each; unknown numbers are left out."""

    async def answer(self, answer: DeskAnswer, *, now: datetime, sign: SignReceipt) -> Answered:
        """Record a desk's signed answer; the first one stands, repeating it changes nothing.

        Found by desk, message id and content hash. A dead-lettered delivery can still be
        acknowledged (the desk had it after all); an expired one too, for the same reason.
        """

    async def note_use(self, statement: UseStatement, *, now: datetime) -> UseNoted | UseDenied:
        """Note who reads a delivery and for what, for good; repeated, answer as at first.

        Only of what was handed to this desk, and neither returned nor taken back; only for the
        message's own purpose, or one that its originator has granted to the desk's country.
        """

    async def dead_letter(
        self, numbers: Collection[DeliveryNumber], *, now: datetime, sign: SignReceipt
    ) -> None:
        """Stop handing these over; final ones are left as they are."""

    async def republish(self, numbers: Collection[DeliveryNumber], *, now: datetime) -> None:
        """Return those that are not final to ``ACCEPTED``: unclaimed, unleased, for the relay."""

    async def expire(
        self,
        *,
        now: datetime,
        limit: int,
        sign: SignReceipt,
        tell: TellUnread | None = None,
    ) -> int:
        """End what is past its message's ``expires``; say how many. The sender sees it.

        What ``tell`` makes of them is written as notices in the same transaction.
        """

    async def requeue(
        self, queue: QueueName, *, dead_letters_only: bool, now: datetime, sign: SignReceipt
    ) -> int:
        """Send again: dead letters, or everything of a lost queue that is not final."""

    async def depths(self, queues: Collection[QueueName], *, now: datetime) -> Sequence[QueueDepth]:
        """Count what waits in each queue, in the order asked, zeros included.

        What is not published yet is not in a queue; a lease that has ended counts as waiting.
        """

    async def unpublished_count(self) -> int:
        """Count what the relay still has to publish (for readiness and metrics)."""


# --- the ledger: proofs ---------------------------------------------------------------


class ProofStore(Protocol):
    """Remembers single-use values, across all gateway processes."""

    async def spend(self, value: bytes, *, until: datetime, now: datetime) -> bool:
        """Spend a value once: True the first time, False ever after until ``until``.

        Exactly one of any number of concurrent callers gets True, or none if the ledger's
        answer to it was lost. ``value`` is a SHA-256.
        """


# --- the ledger: directory ------------------------------------------------------------


class DirectoryStore(Protocol):
    """Where administrators' decisions are kept. Every change is one transaction and one version."""

    async def version(self) -> int:
        """Tell the current version; cheap, so that every process can ask each second."""

    async def load(self) -> DirectoryRecord:
        """Read everything, as of one moment."""

    async def add_country(self, country: Country) -> None:
        """Add a country; repeating it changes nothing."""

    async def put_agency(self, record: AgencyRecord) -> None:
        """Add or change an agency."""

    async def put_client(self, record: ClientRecord) -> None:
        """Add or change a client."""

    async def add_desk(self, desk: DeskRef) -> None:
        """Add a desk; repeating it changes nothing."""

    async def add_statements(self, tokens: Sequence[str], *, at: datetime) -> None:
        """Add signed documents (roots, key statements, acts): all of them or none.

        They stand in the order given, behind all that came before. One that is there already
        stays where it is; if all are, nothing changes. ``at`` is kept as when they came.
        """

    async def versions(self) -> Mapping[str, int]:
        """Tell with which version each document came, where that was noted."""

    async def now(self) -> datetime:
        """Tell the time by the clock of the machine that keeps this, to a second; aware."""


# --- the transport --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A delivery as the transport brings it; the ledger decides what it is worth."""

    number: DeliveryNumber
    queue: QueueName
    tag: int
    """The transport's own handle, unique in its feed."""


class Feed(Protocol):
    """One consumer on some queues. What it takes is its own until settled or given back."""

    async def take(self, *, limit: int, wait: timedelta) -> Sequence[Arrival]:
        """Bring up to ``limit`` arrivals, in queue order; empty when none came in ``wait``.

        Raises ``TransportUnavailableError`` when the transport is away all that time.
        """

    async def settle(self, arrivals: Collection[Arrival]) -> None:
        """Forget these for good. Called only after the ledger knows their answer."""

    async def give_back(self, arrivals: Collection[Arrival]) -> None:
        """Return these to their queue for anybody to take."""

    async def dead_letter(self, arrivals: Collection[Arrival]) -> None:
        """Move these to the dead letters."""


class Transport(Protocol):
    """Carries recorded deliveries to where desks take them."""

    name: str
    """``rabbitmq`` or ``local``, for people."""

    async def declare(self, queues: Collection[QueueName]) -> None:
        """Make sure that these queues exist; repeating it, from any process, changes nothing."""

    async def publish(
        self, window: Sequence[Outgoing], *, timeout: timedelta
    ) -> Sequence[DeliveryNumber]:
        """Publish a window at once; return the deliveries that are confirmed as safe.

        Confirmed means: stored by a majority of the queue's replicas. What is missing from
        the answer may or may not have arrived; it is published again, and the ledger drops
        the second copy at hand-over. Within one queue the order of the window is kept.
        Returns within ``timeout``, lost connection or not.
        """

    def feed(
        self, queues: Collection[QueueName], *, prefetch: int
    ) -> AbstractAsyncContextManager[Feed]:
        """Consume from these queues; on leaving, everything not settled is given back.

        ``prefetch`` bounds what is under way, in each queue or in the feed as a whole.
        """

    def dead_letters(self) -> AsyncGenerator[DeliveryNumber, None]:
        """Bring what the transport itself has given up; never ends, so close it.

        Each leaves the transport when the next is asked for: by then the ledger has noted it.
        """

    async def ping(self, *, timeout: timedelta) -> None:
        """Return when the transport answers; else raise ``TransportUnavailableError``."""

"""What the ledger knows of deliveries: relayed, leased, answered, read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from broker.errors import Code
from broker.model.answers import DeskAnswer, UseStatement
from broker.model.delivery import HandOver, Outgoing, QueueDepth
from broker.model.events import DeliveryState, Event, Notice, Receipt
from broker.model.names import DeliveryNumber, HandOverNumber, QueueName
from broker.ports.receipts import SignReceipt

TellUnread: TypeAlias = Callable[[Sequence[Event]], Sequence[Notice]]
"""Says who is told of messages that ran out unread; called inside the ledger's transaction."""


TellFinding: TypeAlias = Callable[[Event], Sequence[Notice]]
"""Says who is told that a desk found under the seal what nobody had vouched for; likewise."""


def tell_nobody(_: Sequence[Event]) -> Sequence[Notice]:
    """Tell nobody: a ``TellUnread`` for who has no key to sign with."""
    return ()


def tell_of_no_finding(_: Event) -> Sequence[Notice]:
    """Tell nobody: a ``TellFinding`` for who has no key to sign with."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The ledger's word on a desk's answer."""

    deliveries: tuple[DeliveryNumber, ...]
    """The delivery that is settled now; empty when no such delivery was handed to this desk."""
    state: DeliveryState | None
    """Its state after the call. Differs from what was asked if it was already final."""
    receipt: Receipt | None
    """The receipt of the answer that settled it, the first one if asked again."""
    finding: Receipt | None = None
    """The receipt of a refusal that settled nothing any more and is kept all the same: of what
    this desk found under the seal. The first one if asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Republished:
    """What became of deliveries that the transport has lost; what is final is in neither."""

    returned: Sequence[DeliveryNumber]
    """``ACCEPTED`` again: the relay publishes them."""
    held: Sequence[Outgoing]
    """Leased by a desk, and left so: the transport needs another copy of them as they stand."""


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

    async def unclaim(self, numbers: Collection[DeliveryNumber], *, claimant: str) -> None:
        """Let these be claimed at once by anybody.

        Only what is ``ACCEPTED`` and this claimant's still: a desk that has leased one keeps it.
        """

    async def mark_dispatched(self, numbers: Collection[DeliveryNumber], *, at: datetime) -> None:
        """Note that the transport has confirmed these; repeating it changes nothing."""

    async def waiting(
        self, queues: Collection[QueueName], *, limit: int, now: datetime
    ) -> Sequence[tuple[DeliveryNumber, QueueName]]:
        """List, oldest first, what was dispatched and is neither leased, expired nor final.

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

        Free is what is not final, not past its message's ``expires``, and not leased beyond
        ``now`` by another holder, and not by this one either. Each lease gets the next
        hand-over number and adds one attempt. A delivery that is ``ACCEPTED`` may be leased:
        the transport was faster than the mark.
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

    async def answer(
        self,
        answer: DeskAnswer,
        *,
        now: datetime,
        sign: SignReceipt,
        tell: TellFinding | None = None,
    ) -> Answered:
        """Record a desk's signed answer; the first one stands, repeating it changes nothing.

        Found by desk, message id and content hash. A delivery that was dead-lettered, expired or
        recalled can still be acknowledged: the desk had it after all.

        What a desk found under the seal (``RefusalReason.is_finding``) is kept, too, when the
        delivery has ended: with a log entry and a receipt, and its state as it was. What
        ``tell`` makes of a finding, late or not, is written as notices in the same transaction.
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

    async def republish(self, numbers: Collection[DeliveryNumber], *, now: datetime) -> Republished:
        """Return to ``ACCEPTED``, unclaimed, what is neither final nor leased beyond ``now``."""

    async def expire(
        self,
        *,
        now: datetime,
        limit: int,
        sign: SignReceipt,
        tell: TellUnread | None = None,
    ) -> int:
        """End what is past its message's ``expires``; say how many. The sender sees it.

        Dead letters too: nobody has opened them, and from now on nobody sends them again.

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

"""The hand-over: what the transport brings is leased to a desk until the desk answers.

The ledger decides, the transport carries. An arrival is worth nothing until the ledger has
leased it; what the ledger knows as answered is dropped; what another session of the desk still
holds is *parked* and tried again. So a second copy, a lost confirm, a broken connection or a
gateway that died can delay a message, and cannot lose it or hand it to two at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from broker.attempt import attempt
from broker.model.answers import DeskAnswer
from broker.model.delivery import HandOver
from broker.model.events import DeliveryState
from broker.model.names import DeliveryNumber, HandOverNumber, QueueName
from broker.ports.clock import Clock
from broker.ports.deliveries import Answered, DeliveryLedger, TellFinding
from broker.ports.receipts import SignReceipt
from broker.ports.transport import Arrival, Feed, Transport

LEASE: Final = timedelta(seconds=60)
"""Long enough to open and store a batch, short enough that a dead desk delays little."""
MAX_ATTEMPTS: Final = 20
POISON_AGE: Final = timedelta(hours=24)
"""A message that a desk has not answered in more than twenty hand-overs over a day is poison to it.
Fewer, or faster, may be a desk that restarts in a circle, or a thief of its credential."""
PREFETCH: Final = 200
"""What a session may hold unanswered, in each of its queues over RabbitMQ. Bodies are not held:
they come from the ledger, with the lease."""
REVIEW: Final = timedelta(seconds=1)
"""How soon a session sees what was answered through another gateway, or became free."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Held:
    arrival: Arrival
    until: datetime


class DeskSession:
    """One desk connection's hold on its queues; made by :meth:`HandOvers.session`."""

    def __init__(
        self, world: "HandOvers", feed: Feed, *, queues: Collection[QueueName], holder: str
    ) -> None:
        self._world = world
        self.queues: Final = frozenset(queues)
        self._feed = feed
        self.holder: Final = holder
        self.is_over = False
        """Whether its client has resumed elsewhere: it leases nothing more, and should end."""
        self._held: dict[DeliveryNumber, _Held] = {}
        self._parked: dict[DeliveryNumber, Arrival] = {}

    async def take(self, *, limit: int, wait: timedelta) -> Sequence[HandOver]:
        """Bring up to ``limit`` leased messages; empty when none came free in ``wait``.

        Raises:
            UnavailableError: The ledger or the transport is away; nothing was handed over.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait.total_seconds()
        while not self.is_over:
            left = max(deadline - clock(), 0.0)
            arrivals = await self._feed.take(limit=limit, wait=min(REVIEW, timedelta(seconds=left)))
            # New ones first: a parked head that stays with another must not hold them up.
            retried = [*self._parked.values()][: max(limit - len(arrivals), 0)]
            handed = await self._lease([*arrivals, *retried])
            await self._park([*arrivals, *retried])
            if handed or clock() >= deadline:
                return handed
        return ()

    async def settle(self, numbers: Collection[DeliveryNumber]) -> None:
        """Forget what the ledger knows as answered."""
        held = [self._held.pop(number).arrival for number in numbers if number in self._held]
        parked = [self._parked.pop(number) for number in numbers if number in self._parked]
        if held or parked:
            await self._feed.settle([*held, *parked])

    async def review(self) -> None:
        """Settle what was answered elsewhere; park what this session no longer holds."""
        before = dict(self._held)
        numbers = [*before, *self._parked]
        if not numbers:
            return
        states = await self._world.ledger.states(numbers)
        await self.settle([n for n in numbers if n not in states or states[n].is_final])
        now = self._world.clock()
        for number, held in before.items():
            if self._held.get(number) is not held:
                # Answered, or leased anew, since the states were read.
                continue
            # A lease that ended early was ended by its own client, which has resumed
            # on another connection, or by an operator who sends everything again.
            is_ended = states.get(number) is not DeliveryState.DELIVERED
            self.is_over = self.is_over or is_ended
            if held.until <= now or is_ended:
                self._parked[number] = self._held.pop(number).arrival

    async def _lease(self, arrivals: Sequence[Arrival]) -> Sequence[HandOver]:
        if not arrivals:
            return ()
        now = self._world.clock()
        leased = await self._world.ledger.lease(
            [arrival.number for arrival in arrivals],
            queues=self.queues,
            holder=self.holder,
            now=now,
            until=now + self._world.lease,
        )
        by_number = {arrival.number: arrival for arrival in arrivals}
        for hand_over in leased:
            self._parked.pop(hand_over.number, None)
            arrival = by_number[hand_over.number]
            self._held[hand_over.number] = _Held(arrival, hand_over.lease_until)
        return await self._without_poison(leased)

    async def _without_poison(self, leased: Sequence[HandOver]) -> Sequence[HandOver]:
        poison = [one.number for one in leased if self._is_poison(one)]
        if poison:
            await self._world.dead_letter(poison)
            await self._feed.dead_letter(
                [held.arrival for held in map(self._forget, poison) if held]
            )
        return [one for one in leased if one.number not in poison]

    def _is_poison(self, one: HandOver) -> bool:
        return (
            one.attempt > MAX_ATTEMPTS and self._world.clock() - one.first_handed_at >= POISON_AGE
        )

    def _forget(self, number: DeliveryNumber) -> _Held | None:
        # A review may have settled it while the ledger was written.
        return self._held.pop(number, None)

    async def _park(self, arrivals: Sequence[Arrival]) -> None:
        spare = []
        for arrival in arrivals:
            held = self._held.get(arrival.number)
            kept = self._parked.pop(arrival.number, None) if held is None else held.arrival
            if kept is not None and kept.tag != arrival.tag:
                # The relay published it twice; one copy in hand is enough.
                spare.append(arrival)
            if held is None:
                self._parked[arrival.number] = kept or arrival
        if spare:
            await self._feed.settle(spare)


@dataclass(slots=True, kw_only=True)
class HandOvers:
    """All desk sessions of this process, and the desks' answers."""

    ledger: DeliveryLedger
    transport: Transport
    clock: Clock
    sign_receipt: SignReceipt
    tell_finding: TellFinding
    lease: timedelta = LEASE
    _sessions: set[DeskSession] = field(default_factory=set)

    @asynccontextmanager
    async def session(
        self, queues: Collection[QueueName], *, holder: str, resume_after: HandOverNumber | None
    ) -> AsyncIterator[DeskSession]:
        """Open a desk's hold on its queues; on leaving, what is unanswered stays leased.

        Args:
            queues: Must all be the desk's own.
            holder: The client, so that it finds its own leases again at any gateway.
            resume_after: The last hand-over that reached the client: later ones come again
                at once. None leaves earlier leases alone.
        """
        if resume_after is not None:
            # An older connection of this client may not know yet that it is dead. Here it
            # ends now; at another gateway its next review tells it.
            for older in self._sessions:
                if older.holder == holder and not older.queues.isdisjoint(queues):
                    older.is_over = True
            await self.ledger.release(
                queues=queues, holder=holder, after=resume_after, now=self.clock()
            )
        async with self.transport.feed(queues, prefetch=PREFETCH) as feed:
            session = DeskSession(self, feed, queues=queues, holder=holder)
            self._sessions.add(session)
            try:
                yield session
            finally:
                self._sessions.discard(session)

    async def answer(self, answer: DeskAnswer) -> Answered:
        """Record a desk's signed word, then let the transport forget the message.

        Raises:
            LedgerUnavailableError: The desk asks again; a repeated answer changes nothing.
        """
        answered = await self.ledger.answer(
            answer, now=self.clock(), sign=self.sign_receipt, tell=self.tell_finding
        )
        # A crash here leaves an answered message with the transport. It arrives once more,
        # the ledger knows its answer, and it is dropped.
        for session in tuple(self._sessions):
            await session.settle(answered.deliveries)
        return answered

    async def dead_letter(self, numbers: Collection[DeliveryNumber]) -> None:
        """Stop handing these over, and say so to an operator and to the sender."""
        await self.ledger.dead_letter(numbers, now=self.clock(), sign=self.sign_receipt)
        log.error("delivery:dead-lettered", deliveries=len(numbers))

    async def run(self) -> None:
        """Review all sessions each second until cancelled."""
        while True:
            await asyncio.sleep(REVIEW.total_seconds())
            for session in tuple(self._sessions):
                await attempt("review", session.review)

"""Where is each recipient's copy? Ties the parts of ``DeliveryLedger`` to one writer.

``publishing``: claimed and confirmed; ``leasing``: handed to a desk; ``answers``: the desk's
word; ``endings``: given up or sent again; ``queues``: looking only.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from broker.model.answers import DeskAnswer, UseStatement
from broker.model.delivery import HandOver, Outgoing, QueueDepth
from broker.model.events import DeliveryState
from broker.model.names import DeliveryNumber, HandOverNumber, QueueName
from broker.ports.deliveries import (
    Answered,
    Republished,
    TellFinding,
    TellUnread,
    UseDenied,
    UseNoted,
    tell_nobody,
    tell_of_no_finding,
)
from broker.ports.receipts import SignReceipt
from broker.storage.answers import ANSWER, Answering
from broker.storage.database import Database
from broker.storage.endings import (
    DEAD_LETTER,
    EXPIRE,
    REQUEUE,
    REQUEUED_AT_ONCE,
    GivingUp,
    Requeueing,
    Round,
)
from broker.storage.group_commit import GroupCommit
from broker.storage.leasing import LEASE_NUMBERS, RELEASE_HOLDER, Return, Wish
from broker.storage.publishing import (
    CLAIM_UNPUBLISHED,
    MARK_DISPATCHED,
    REPUBLISH_NUMBERS,
    UNCLAIM_NUMBERS,
    Claim,
    Marking,
    Unclaiming,
    count_unpublished,
)
from broker.storage.queues import count_depths, list_waiting, read_states
from broker.storage.uses import NOTE_USE, Stating


class StoredDeliveries:
    """The ledger's ``DeliveryLedger``; the port says what each method promises."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits

    async def claim_unpublished(
        self, *, limit: int, claimant: str, now: datetime, until: datetime
    ) -> Sequence[Outgoing]:
        """See ``DeliveryLedger.claim_unpublished``."""
        wanted = Claim(limit=limit, claimant=claimant, now=now, until=until)
        return await self._commits.submit(CLAIM_UNPUBLISHED, wanted)

    async def unclaim(self, numbers: Collection[DeliveryNumber], *, claimant: str) -> None:
        """See ``DeliveryLedger.unclaim``."""
        await self._commits.submit(UNCLAIM_NUMBERS, Unclaiming(numbers=numbers, claimant=claimant))

    async def mark_dispatched(self, numbers: Collection[DeliveryNumber], *, at: datetime) -> None:
        """See ``DeliveryLedger.mark_dispatched``."""
        await self._commits.submit(MARK_DISPATCHED, Marking(numbers=numbers, at=at))

    async def waiting(
        self, queues: Collection[QueueName], *, limit: int, now: datetime
    ) -> Sequence[tuple[DeliveryNumber, QueueName]]:
        """See ``DeliveryLedger.waiting``."""
        return await self._database.read(partial(list_waiting, queues=queues, limit=limit, now=now))

    async def lease(
        self,
        numbers: Collection[DeliveryNumber],
        *,
        queues: Collection[QueueName],
        holder: str,
        now: datetime,
        until: datetime,
    ) -> Sequence[HandOver]:
        """See ``DeliveryLedger.lease``."""
        wish = Wish(numbers=numbers, queues=queues, holder=holder, now=now, until=until)
        return await self._commits.submit(LEASE_NUMBERS, wish)

    async def release(
        self,
        *,
        queues: Collection[QueueName],
        holder: str,
        after: HandOverNumber | None = None,
        now: datetime,
    ) -> Sequence[DeliveryNumber]:
        """See ``DeliveryLedger.release``."""
        # Hand-over numbers begin at 1: all are later than 0.
        after = after or HandOverNumber(0)
        wanted = Return(queues=queues, holder=holder, after=after, now=now)
        return await self._commits.submit(RELEASE_HOLDER, wanted)

    async def states(
        self, numbers: Collection[DeliveryNumber]
    ) -> Mapping[DeliveryNumber, DeliveryState]:
        """See ``DeliveryLedger.states``."""
        return await self._database.read(partial(read_states, numbers=numbers))

    async def answer(
        self,
        answer: DeskAnswer,
        *,
        now: datetime,
        sign: SignReceipt,
        tell: TellFinding | None = None,
    ) -> Answered:
        """See ``DeliveryLedger.answer``."""
        answering = Answering(answer=answer, now=now, sign=sign, tell=tell or tell_of_no_finding)
        return await self._commits.submit(ANSWER, answering)

    async def note_use(self, statement: UseStatement, *, now: datetime) -> UseNoted | UseDenied:
        """See ``DeliveryLedger.note_use``."""
        return await self._commits.submit(NOTE_USE, Stating(statement=statement, now=now))

    async def dead_letter(
        self, numbers: Collection[DeliveryNumber], *, now: datetime, sign: SignReceipt
    ) -> None:
        """See ``DeliveryLedger.dead_letter``."""
        await self._commits.submit(DEAD_LETTER, GivingUp(numbers=numbers, now=now, sign=sign))

    async def republish(self, numbers: Collection[DeliveryNumber], *, now: datetime) -> Republished:
        """See ``DeliveryLedger.republish``."""
        return await self._commits.submit(REPUBLISH_NUMBERS, Marking(numbers=numbers, at=now))

    async def expire(
        self,
        *,
        now: datetime,
        limit: int,
        sign: SignReceipt,
        tell: TellUnread | None = None,
    ) -> int:
        """See ``DeliveryLedger.expire``."""
        wanted = Round(now=now, limit=limit, sign=sign, tell=tell or tell_nobody)
        return await self._commits.submit(EXPIRE, wanted)

    async def requeue(
        self, queue: QueueName, *, dead_letters_only: bool, now: datetime, sign: SignReceipt
    ) -> int:
        """See ``DeliveryLedger.requeue``; a long queue takes several transactions."""
        count, last = 0, DeliveryNumber(0)
        while True:
            wanted = Requeueing(
                queue=queue, dead_letters_only=dead_letters_only, after=last, now=now, sign=sign
            )
            done = await self._commits.submit(REQUEUE, wanted)
            count += len(done)
            if len(done) < REQUEUED_AT_ONCE:
                return count
            last = done[-1]

    async def depths(self, queues: Collection[QueueName], *, now: datetime) -> Sequence[QueueDepth]:
        """See ``DeliveryLedger.depths``."""
        return await self._database.read(partial(count_depths, queues=queues, now=now))

    async def unpublished_count(self) -> int:
        """See ``DeliveryLedger.unpublished_count``."""
        return await self._database.read(count_unpublished)

"""How do many writers share the price of one transaction, and of its flush to disk?

One task takes whatever waits, up to a group, and runs it in one transaction. While that is
being flushed the next group gathers by itself: alone a write waits for nobody, and under load
the groups fill up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection

from broker.errors import Code, LedgerUnavailableError
from broker.storage.database import Limits, Work
from broker.storage.transaction import Transaction

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Run: TypeAlias = Callable[[Work[Sequence[object]]], Awaitable[Sequence[object]]]
"""Runs work in one transaction: ``Database.write``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sort(Generic[Argument, Result]):
    """One sort of write, and how many of its kind are done at once."""

    apply: Callable[[Transaction, Sequence[Argument]], Sequence[Result]]
    """Does them in the order given and returns as many results."""
    rank: int = 2
    """Its place in a group. Whatever waits for a row must come before whatever keeps one,
    or two processes could wait for each other: proofs 0, claims 1, the rest 2."""
    exclusive: bool = True
    """Whether it needs the ledger's lock; only ranks 0 and 1 do without."""


GATHERING: Final = timedelta(milliseconds=4)
"""How long a busy ledger waits for company: about what one commit takes, so that latency
grows by a half at most and the work for a message falls to a third."""

CROWD: Final = 4
"""Writes in a group: more than one sender and the relay make together."""


def one_by_one(
    apply: Callable[[Transaction, Argument], Result],
) -> Callable[[Transaction, Sequence[Argument]], Sequence[Result]]:
    """Do a sort of write that gains nothing from doing many at once."""

    def apply_each(transaction: Transaction, arguments: Sequence[Argument]) -> Sequence[Result]:
        return [apply(transaction, argument) for argument in arguments]

    return apply_each


@dataclass(slots=True, kw_only=True, eq=False)
class Operation:
    """One write that waits."""

    sort: Sort[Any, Any]
    argument: object
    answer: "asyncio.Future[Any]" = field(repr=False)
    """Cancelled when the caller is; the write is done all the same."""
    overdue_at: float
    """On the event loop's clock; not begun by then, it never is."""


class GroupCommit:
    """The one writer of a process."""

    def __init__(self, run: Run, limits: Limits) -> None:
        self._run = run
        self._limits = limits
        self._queue: asyncio.Queue[Operation | None] = asyncio.Queue()
        self._closed = False
        self._last_size = 0
        self._task = asyncio.create_task(self._serve(), name="ledger-group-commit")

    async def submit(self, sort: Sort[Argument, Result], argument: Argument) -> Result:
        """Have a write done; durable when it returns.

        A caller that is cancelled meanwhile does not take its write back.

        Raises:
            LedgerUnavailableError: Too many wait, or the database did not do it.
        """
        if self._closed:
            raise LedgerUnavailableError(Code.DRAINING)
        if self._queue.qsize() >= self._limits.queue_size:
            raise LedgerUnavailableError(Code.OVERLOADED, retry_after=timedelta(seconds=1))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        overdue_at = loop.time() + self._limits.deadline.total_seconds()
        self._queue.put_nowait(
            Operation(sort=sort, argument=argument, answer=answer, overdue_at=overdue_at)
        )
        # No timer for each: what grew too old is turned away when its turn comes, and that is
        # late by one transaction at most, which has a deadline of its own.
        return await answer

    async def close(self) -> None:
        """Finish what waits, then stop."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)
        await asyncio.wait({self._task})

    async def _serve(self) -> None:
        while (first := await self._queue.get()) is not None:
            await self._let_others_come()
            group = [first]
            while len(group) < self._limits.group_size and not self._queue.empty():
                operation = self._queue.get_nowait()
                if operation is None:
                    self._queue.put_nowait(None)
                    break
                group.append(operation)
            self._last_size = len(group)
            await self._commit(self._in_time(group))

    async def _let_others_come(self) -> None:
        """Let other requests join the group: a commit costs ten times a member.

        Who comes alone waits for nobody; where the last group was a crowd, more is on its way.
        """
        is_busy = self._last_size >= CROWD
        await asyncio.sleep(GATHERING.total_seconds() if is_busy else 0)

    def _in_time(self, group: Sequence[Operation]) -> Sequence[Operation]:
        now = asyncio.get_running_loop().time()
        late = [operation for operation in group if operation.overdue_at <= now]
        if not late:
            return group
        _fail(late, LedgerUnavailableError(Code.LEDGER_UNAVAILABLE))
        return [operation for operation in group if operation.overdue_at > now]

    async def _commit(self, group: Sequence[Operation]) -> LedgerUnavailableError | None:
        """Do a group in one transaction; return the error if the database is away."""
        if not group:
            return None
        try:
            results = await self._run(partial(_apply, group))
        except LedgerUnavailableError as error:
            # The database is away: it would be for each alone, one deadline after the other.
            _fail(group, error)
            return error
        except Exception as error:  # noqa: BLE001 - every waiter gets an answer, whatever it is
            if len(group) > 1:
                return await self._commit_each(group)
            _fail(group, error)
        else:
            for operation, result in zip(group, results, strict=True):
                if not operation.answer.done():
                    operation.answer.set_result(result)
        return None

    async def _commit_each(self, group: Sequence[Operation]) -> LedgerUnavailableError | None:
        """One of them could not be done, and took the others with it; nothing was committed."""
        for place, operation in enumerate(group, start=1):
            away = await self._commit(self._in_time([operation]))
            if away is not None:
                _fail(group[place:], away)
                return away
        return None


def _apply(group: Sequence[Operation], connection: Connection) -> Sequence[object]:
    exclusive = any(operation.sort.exclusive for operation in group)
    transaction = Transaction(connection, exclusive=exclusive)
    results: dict[Operation, object] = {}
    for operations in _by_sort(group):
        arguments = [operation.argument for operation in operations]
        answers = operations[0].sort.apply(transaction, arguments)
        results.update(zip(operations, answers, strict=True))
    transaction.finish()
    return [results[operation] for operation in group]


def _by_sort(group: Sequence[Operation]) -> Iterable[list[Operation]]:
    # All of a group are concurrent, so any order between sorts is a true one.
    def place(operation: Operation) -> tuple[int, int]:
        return operation.sort.rank, id(operation.sort)

    for _, operations in groupby(sorted(group, key=place), key=place):
        yield list(operations)


def _fail(group: Sequence[Operation], error: Exception) -> None:
    for operation in group:
        own = error
        if isinstance(error, LedgerUnavailableError):
            # One instance raised in many tasks would gather all their tracebacks.
            own = LedgerUnavailableError(error.code)
            own.__cause__ = error.__cause__
        if not operation.answer.done():
            operation.answer.set_exception(own)

"""How does one transaction run, whichever database it is, and what do its failures mean?

All access is written as plain functions over a SQLAlchemy ``Connection``. SQLite runs them in
threads, PostgreSQL on the event loop inside SQLAlchemy's greenlet: one text for both, and no
hop between threads for every statement, as aiosqlite would need.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import IntegrityError as BrokenConstraintError

from broker.errors import BrokerError, Code, IntegrityError, LedgerUnavailableError

Result = TypeVar("Result")
Work: TypeAlias = Callable[[Connection], Result]
"""What one transaction does; it neither begins nor commits."""

DEFECT_CLASSES = ("22", "23", "42")
"""SQLSTATE classes that no retry cures: data, integrity constraint, syntax or access rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the ledger takes on, and how long it may take."""

    deadline: timedelta = timedelta(seconds=10)
    """For one transaction, waiting for a connection and for other writers included."""
    group_size: int = 64
    """Writes in one transaction. Beyond this the disk's flush no longer dominates, and each
    waits for the others."""
    queue_size: int = 2048
    """Writes that wait for a transaction; more are turned away. Two thousand are a second's
    work of one process: who would wait longer is better told to come back."""
    readers: int = 4
    """Connections that only read, next to the one that writes."""


class Database(ABC):
    """One writer and some readers on one database."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._closed = False

    async def write(self, work: Work[Result]) -> Result:
        """Run work in a transaction of its own; committed and durable when it returns.

        Raises:
            LedgerUnavailableError: The database did not do it, or did not say so in time.
            IntegrityError: The database refuses what the work asks, and always will.
        """
        return await self._within_deadline(self._write, work)

    async def read(self, work: Work[Result]) -> Result:
        """Run work that only reads, and sees the database as of one moment."""
        return await self._within_deadline(self._read, work)

    async def close(self) -> None:
        """Give up all connections; what comes later finds the ledger unavailable."""
        self._closed = True
        with translated():
            async with asyncio.timeout(self.limits.deadline.total_seconds()):
                await self._close()

    async def _within_deadline(
        self, run: Callable[[Work[Result]], Awaitable[Result]], work: Work[Result]
    ) -> Result:
        if self._closed:
            raise LedgerUnavailableError(Code.LEDGER_UNAVAILABLE)
        with translated():
            async with asyncio.timeout(self.limits.deadline.total_seconds()):
                return await run(work)

    @abstractmethod
    async def _write(self, work: Work[Result]) -> Result: ...

    @abstractmethod
    async def _read(self, work: Work[Result]) -> Result: ...

    @abstractmethod
    async def _close(self) -> None: ...


@contextmanager
def translated() -> Iterator[None]:
    """Let nothing foreign out."""
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError, OverflowError) as error:
        raise _ours(error) from error


def _ours(error: Exception) -> BrokerError:
    if _is_defect(error):
        return IntegrityError(Code.INTERNAL_ERROR)
    return LedgerUnavailableError(Code.LEDGER_UNAVAILABLE)


def _is_defect(error: Exception) -> bool:
    if isinstance(error, BrokenConstraintError | DataError | ProgrammingError | OverflowError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return isinstance(state, str) and state.startswith(DEFECT_CLASSES)

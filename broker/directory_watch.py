"""The directory as it is now: read from the ledger, verified here, renewed within a second."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from broker.attempt import attempt
from broker.directory import Directory, DirectoryRecord
from broker.ports.clock import Clock
from broker.ports.directory import DirectoryStore
from broker.recollection import InMemory, Recollection
from keys.identifiers import Owner
from keys.root import Root

INTERVAL: Final = timedelta(seconds=1)
"""An administrator's change takes effect everywhere after so much."""
READ_ANYWAY: Final = timedelta(seconds=30)
"""Read though the version is the same: whoever writes the database can set that back."""

log = structlog.get_logger()


class DirectoryWatch:
    """Holds the verified directory of one process; ``current`` never waits."""

    def __init__(
        self,
        store: DirectoryStore,
        *,
        roots: Callable[[], Mapping[Owner, Root]],
        clock: Clock,
        recollection: Recollection | None = None,
    ) -> None:
        self._store = store
        self._roots = roots
        self._clock = clock
        self._recollection = recollection or InMemory()
        self._current: Directory | None = None
        self._due: datetime | None = None
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()
        self.is_taken_back = False
        """Whether the ledger no longer holds what it held before: an operator must look."""
        self._on_change: list[Callable[[Directory], None]] = []

    @property
    def current(self) -> Directory:
        """The last directory that was read.

        Raises:
            RuntimeError: ``refresh`` was never awaited.
        """
        if self._current is None:
            raise RuntimeError("the directory is used before it was read")
        return self._current

    def at(self, now: datetime) -> Directory:
        """The last directory that was read, with all that time has changed until now.

        Raises:
            RuntimeError: ``refresh`` was never awaited.
        """
        current = self.current
        if self._due is None or now < self._due:
            return current
        # Not only at the next look: until then messages would be sealed to a key whose
        # successor is active already.
        self._put(current.stepped(now))
        return self.current

    @property
    def is_ready(self) -> bool:
        """Whether a directory was read."""
        return self._current is not None

    def on_change(self, call: Callable[[Directory], None]) -> None:
        """Call back with each new directory."""
        self._on_change.append(call)

    async def refresh(self) -> None:
        """Read the directory if it has changed, or if time has changed it.

        Raises:
            LedgerUnavailableError: The last directory stays in force.
            ConfigurationError: It is the first one, and the ledger no longer holds what this
                gateway has seen in it.
        """
        # One reads while the others wait: then they find it read.
        async with self._reading:
            await self._refresh()

    async def _refresh(self) -> None:
        now = self._clock()
        is_old = self._read_at is None or now - self._read_at >= READ_ANYWAY
        if is_old or self._current is None or await self._has_changed(self._current):
            await self._read(now)
        elif self._due is not None and self._due <= now:
            self._put(self._current.stepped(now))

    async def _has_changed(self, current: Directory) -> bool:
        return current.version != await self._store.version()

    async def _read(self, now: datetime) -> None:
        record = await self._store.load()
        self._read_at = now
        directory, rejected = await self._verify(record, now)
        self.is_taken_back = not self._recollection.agrees(directory)
        if self.is_taken_back:
            # A document that was there is gone, or stands elsewhere: perhaps the one that
            # took a key out. What this gateway has seen goes on counting, before all else.
            log.error("directory:taken-back", version=record.version)
            if self._current is None:
                raise self._recollection.refusal()
            directory, rejected = await self._verify(record.behind(self._current.record), now)
        log.info("directory:read", version=record.version, statements=len(record.statements))
        for reason in rejected:
            # Somebody wrote into the ledger what no country vouches for.
            log.error("key-statement:rejected", reason=reason, version=record.version)
        if not self.is_taken_back:
            self._recollection.keep(directory)
        self._put(directory)

    async def _verify(
        self, record: DirectoryRecord, now: datetime
    ) -> tuple[Directory, tuple[str, ...]]:
        # Hundreds of signatures: not in the loop that serves requests.
        return await asyncio.to_thread(Directory.verify, record, roots=self._roots(), now=now)

    def _put(self, directory: Directory) -> None:
        self._current = directory
        self._due = directory.due()
        for call in self._on_change:
            call(directory)

    async def run(self) -> None:
        """Keep the directory fresh until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL.total_seconds())
            # The directory in hand was good a moment ago; readiness tells of the ledger.
            await attempt("directory", self.refresh)

"""The directory as it is now: read from the ledger, verified here, renewed within a second."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from broker.attempt import attempt
from broker.directory import Directory
from broker.ports import DirectoryStore
from keys.statement import Roots

INTERVAL: Final = timedelta(seconds=1)
"""An administrator's change takes effect everywhere after so much."""

log = structlog.get_logger()


class DirectoryWatch:
    """Holds the verified directory of one process; ``current`` never waits."""

    def __init__(self, store: DirectoryStore, *, roots: Roots) -> None:
        self._store = store
        self._roots = roots
        self._current: Directory | None = None
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

    @property
    def is_ready(self) -> bool:
        """Whether a directory was read."""
        return self._current is not None

    def on_change(self, call: Callable[[Directory], None]) -> None:
        """Call back with each new directory."""
        self._on_change.append(call)

    async def refresh(self) -> None:
        """Read the directory if it has changed.

        Raises:
            LedgerUnavailableError: The last directory stays in force.
        """
        if self._current is not None and self._current.version == await self._store.version():
            return
        record = await self._store.load()
        self._current, rejected = Directory.verify(record, roots=self._roots)
        log.info("directory:read", version=record.version, statements=len(record.statements))
        for reason in rejected:
            # Somebody wrote a key into the ledger that no country vouches for.
            log.error("key-statement:rejected", reason=reason, version=record.version)
        for call in self._on_change:
            call(self._current)

    async def run(self) -> None:
        """Keep the directory fresh until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL.total_seconds())
            # The directory in hand was good a moment ago; readiness tells of the ledger.
            await attempt("directory", self.refresh)

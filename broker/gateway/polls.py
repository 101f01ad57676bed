"""Long polls of one client share a session, so that a poll costs no new consumer."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Final

from broker.hand_over import DeskSession, HandOvers
from broker.model import HandOver, QueueName

IDLE: Final = timedelta(seconds=90)
"""A session nobody polls is closed after one lease and a half; the transport has its own back."""
REAP: Final = timedelta(seconds=5)


@dataclass(slots=True)
class _Open:
    session: DeskSession
    stack: AsyncExitStack
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    used_at: float = field(default_factory=monotonic)


@dataclass(slots=True, kw_only=True)
class PollSessions:
    """The sessions behind ``GET /v1/queues/{queue}/messages``."""

    hand_overs: HandOvers
    _open: dict[tuple[str, QueueName], _Open] = field(default_factory=dict)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(
        self, client_id: str, queue: QueueName, *, limit: int, wait: timedelta
    ) -> Sequence[HandOver]:
        """Take from a queue for a client; a second poll of the same waits for the first."""
        entry = await self._session(client_id, queue)
        async with entry.lock:
            entry.used_at = monotonic()
            try:
                return await entry.session.take(limit=limit, wait=wait)
            except BaseException:
                # A session that failed is opened anew by the next poll.
                await self._close((client_id, queue))
                raise
            finally:
                entry.used_at = monotonic()

    async def run(self) -> None:
        """Close idle sessions until cancelled; then close all."""
        try:
            while True:
                await asyncio.sleep(REAP.total_seconds())
                old = monotonic() - IDLE.total_seconds()
                for key, entry in tuple(self._open.items()):
                    if entry.used_at < old and not entry.lock.locked():
                        await self._close(key)
        finally:
            for key in tuple(self._open):
                await self._close(key)

    async def _session(self, client_id: str, queue: QueueName) -> _Open:
        async with self._opening:
            entry = self._open.get((client_id, queue))
            if entry is not None and entry.session.is_over:
                await self._close((client_id, queue))
                entry = None
            if entry is None:
                stack = AsyncExitStack()
                session = await stack.enter_async_context(
                    self.hand_overs.session([queue], holder=client_id, resume_after=None)
                )
                entry = self._open[client_id, queue] = _Open(session, stack)
            return entry

    async def _close(self, key: tuple[str, QueueName]) -> None:
        entry = self._open.pop(key, None)
        if entry is not None:
            await entry.stack.aclose()

"""Long polls of one client share a session, so that a poll costs no new consumer."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Final

from broker.attempt import attempt
from broker.hand_over import DeskSession, HandOvers
from broker.model.delivery import HandOver
from broker.model.names import QueueName

IDLE: Final = timedelta(seconds=90)
"""A session nobody polls is closed after one lease and a half; the transport has its own back."""
REAP: Final = timedelta(seconds=5)
FIRST_WAIT: Final = timedelta(seconds=1)
"""The least that a new session's first poll waits: RabbitMQ brings what lies there only after
the consumer was made, and a caller who does not wait would be told that nothing does."""

_Key = tuple[str, QueueName]


@dataclass(slots=True)
class _Open:
    session: DeskSession
    stack: AsyncExitStack
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    was_polled: bool = False
    used_at: float = field(default_factory=monotonic)


@dataclass(slots=True, kw_only=True)
class PollSessions:
    """The sessions behind ``GET /v1/queues/{queue}/messages``."""

    hand_overs: HandOvers
    _open: dict[_Key, _Open] = field(default_factory=dict)
    _opening: dict[_Key, asyncio.Lock] = field(default_factory=dict)

    async def take(
        self, client_id: str, queue: QueueName, *, limit: int, wait: timedelta
    ) -> Sequence[HandOver]:
        """Take from a queue for a client; a second poll of the same waits for the first.

        The first poll of a session may take up to a second when nothing is there.
        """
        key = (client_id, queue)
        while True:
            entry = await self._session(key)
            async with entry.lock:
                if self._open.get(key) is not entry:
                    # It failed while we waited for it; the next one is opened anew.
                    continue
                entry.used_at = monotonic()
                least = timedelta(0) if entry.was_polled else FIRST_WAIT
                entry.was_polled = True
                try:
                    return await entry.session.take(limit=limit, wait=max(wait, least))
                except BaseException:
                    await self._close(key, entry)
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
                    is_done = entry.used_at < old or entry.session.is_over
                    if is_done and not entry.lock.locked():
                        await attempt("polls", partial(self._close, key, entry))
        finally:
            for key, entry in tuple(self._open.items()):
                await attempt("polls", partial(self._close, key, entry))

    async def _session(self, key: _Key) -> _Open:
        # One lock for each key: a queue that opens slowly holds up nobody else's poll.
        async with self._opening.setdefault(key, asyncio.Lock()):
            entry = self._open.get(key)
            if entry is not None and entry.session.is_over:
                await self._close(key, entry)
                entry = None
            if entry is None:
                client_id, queue = key
                stack = AsyncExitStack()
                session = await stack.enter_async_context(
                    self.hand_overs.session([queue], holder=client_id, resume_after=None)
                )
                entry = self._open[key] = _Open(session, stack)
            return entry

    async def _close(self, key: _Key, entry: _Open) -> None:
        if self._open.get(key) is entry:
            del self._open[key]
            await entry.stack.aclose()

"""How much one caller may ask for, so that none takes the exchange from the others."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Final

from broker.errors import Code, RefusedError, UnavailableError

MAX_BUCKETS: Final = 10_000
"""Callers remembered at once; the longest unseen is forgotten first, and has a full bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests a second in the long run, so many at once."""

    per_second: float
    burst: int


class Buckets:
    """A token bucket for each caller."""

    def __init__(self, rate: Rate, *, time: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._time = time
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one request.

        Raises:
            RefusedError: ``RATE_LIMITED``, with the time after which one more is free.
        """
        now = self._time()
        level, seen = self._levels.pop(caller, (float(self._rate.burst), now))
        level = min(level + (now - seen) * self._rate.per_second, float(self._rate.burst))
        taken = level >= 1
        self._levels[caller] = (level - 1 if taken else level, now)
        if len(self._levels) > MAX_BUCKETS:
            self._levels.popitem(last=False)
        if not taken:
            wait = timedelta(seconds=(1 - level) / self._rate.per_second)
            raise RefusedError(Code.RATE_LIMITED, retry_after=wait)


@dataclass(slots=True, kw_only=True)
class Limits:
    """The limits of one gateway process."""

    clients: Buckets
    """Per OAuth client, once it is proven."""
    addresses: Buckets
    """Per network address, for what needs no token."""
    max_postings: int = 256
    """Messages in work at once: 64 MiB of the largest bodies."""
    max_streams_per_client: int = 8
    _postings: int = 0
    _streams: dict[str, int] = field(default_factory=dict)

    def count_client(self, client_id: str) -> None:
        """Count a proven client's request; raises ``RefusedError``."""
        self.clients.take(client_id)

    def count_address(self, address: str) -> None:
        """Count an address's request; raises ``RefusedError``."""
        self.addresses.take(address)

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        """Hold a place for one message in work.

        Raises:
            UnavailableError: ``OVERLOADED``; refused before its body is read.
        """
        if self._postings >= self.max_postings:
            raise UnavailableError(Code.OVERLOADED, retry_after=timedelta(seconds=1))
        self._postings += 1
        try:
            yield
        finally:
            self._postings -= 1

    @asynccontextmanager
    async def stream(self, client_id: str) -> AsyncIterator[None]:
        """Hold a place for one open stream or poll of a client.

        Raises:
            RefusedError: ``RATE_LIMITED``; it has too many open.
        """
        if self._streams.get(client_id, 0) >= self.max_streams_per_client:
            raise RefusedError(Code.RATE_LIMITED, retry_after=timedelta(seconds=30))
        self._streams[client_id] = self._streams.get(client_id, 0) + 1
        try:
            yield
        finally:
            self._streams[client_id] -= 1
            if not self._streams[client_id]:
                del self._streams[client_id]


@asynccontextmanager
async def deadline(limit: timedelta) -> AsyncIterator[None]:
    """Bound what a request may take of its sender's time.

    Raises:
        RefusedError: ``REQUEST_TIMEOUT``.
    """
    try:
        async with asyncio.timeout(limit.total_seconds()):
            yield
    except TimeoutError:
        raise RefusedError(Code.REQUEST_TIMEOUT) from None

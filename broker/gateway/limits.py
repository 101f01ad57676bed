"""How much one caller may ask for, so that none takes the exchange from the others."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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


A_SECOND: Final = timedelta(seconds=1)
HALF_A_MINUTE: Final = timedelta(seconds=30)


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
            # Nobody is punished for asking: a refused request costs nothing of the bucket.
            wait = timedelta(seconds=(1 - level) / self._rate.per_second)
            raise RefusedError(Code.RATE_LIMITED, retry_after=wait)

    def give_back(self, caller: str) -> None:
        """Uncount one request."""
        if caller in self._levels:
            level, seen = self._levels[caller]
            self._levels[caller] = (min(level + 1, float(self._rate.burst)), seen)


@dataclass(slots=True, kw_only=True)
class Limits:
    """The limits of one gateway process."""

    clients: Buckets
    """Per OAuth client, once it is proven."""
    addresses: Buckets
    """Per network address, for what needs no token."""
    max_postings: int = 256
    """Messages in work at once: 64 MiB of the largest bodies, 128 MiB if origins sealed them."""
    max_postings_per_client: int = 32
    """So that eight clients must conspire before a ninth is turned away."""
    max_streams_per_client: int = 8
    _postings: Counter[str] = field(default_factory=Counter)
    _streams: Counter[str] = field(default_factory=Counter)

    def count_client(self, client_id: str) -> None:
        """Count a proven client's request; raises ``RefusedError``."""
        self.clients.take(client_id)

    def count_address(self, address: str) -> None:
        """Count an address's request; raises ``RefusedError``."""
        self.addresses.take(address)

    def count_claim(self, address: str) -> None:
        """Count a request that shows a token nobody has looked at; raises ``RefusedError``."""
        self.addresses.take(f"{address} claims")

    def forgive_claim(self, address: str) -> None:
        """Uncount it: its sender has proven who he is."""
        self.addresses.give_back(f"{address} claims")

    @contextmanager
    def posting(self, client_id: str) -> Iterator[None]:
        """Hold a place for one message in work.

        Raises:
            UnavailableError: ``OVERLOADED``; refused before its body is read.
            RefusedError: ``RATE_LIMITED``; this client has too many in work.
        """
        if self._postings.total() >= self.max_postings:
            raise UnavailableError(Code.OVERLOADED, retry_after=A_SECOND)
        with _place(self._postings, client_id, self.max_postings_per_client, A_SECOND):
            yield

    @contextmanager
    def stream(self, client_id: str) -> Iterator[None]:
        """Hold a place for one open stream or poll of a client.

        Raises:
            RefusedError: ``RATE_LIMITED``; it has too many open.
        """
        with _place(self._streams, client_id, self.max_streams_per_client, HALF_A_MINUTE):
            yield


@contextmanager
def _place(
    taken: Counter[str], client_id: str, most: int, retry_after: timedelta
) -> Iterator[None]:
    if taken[client_id] >= most:
        raise RefusedError(Code.RATE_LIMITED, retry_after=retry_after)
    taken[client_id] += 1
    try:
        yield
    finally:
        taken[client_id] -= 1
        if not taken[client_id]:
            del taken[client_id]


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

"""When is it worth asking again, and how long do we wait before?

Everything that the client sends may be sent again: a message is named by its id, an answer
by what it answers. So a lost connection costs a repetition and never a second copy.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import aiohttp
import structlog

from broker.desk.failures import BusyError, ProblemError, UnreachableError
from broker.desk.timing import Timing

T = TypeVar("T")

WORTH_ANOTHER_TRY: Final = frozenset({429, 502, 503, 504})
"""429 and 503 are the gateway's own; 502 and 504 come from proxies before it."""
NO_CONNECTION: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)
"""The request, or its answer, was lost on the way."""
NEVER_AGAIN: Final = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)
"""The certificate is not one that we trust: time does not mend it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient a caller is."""

    deadline: timedelta = timedelta(minutes=2)
    """From the first attempt until we give up."""
    base: timedelta = timedelta(milliseconds=500)
    """The longest wait before the second attempt; doubled for each one after."""
    cap: timedelta = timedelta(seconds=30)
    """The longest wait ever, unless the gateway asks for more."""

    def wait(self, attempt: int, asked: timedelta | None, timing: Timing) -> float:
        """How many seconds to wait after this attempt (the first is 0).

        Full jitter, so that clients that failed together do not come back together. What
        the gateway asks for is the least, and jitter comes on top.
        """
        # The exponent is bounded: a stream may have tried ten thousand times.
        longest = min(self.cap.total_seconds(), self.base.total_seconds() * 2 ** min(attempt, 20))
        if asked is None:
            return timing.uniform(0, longest)
        return asked.total_seconds() + timing.uniform(0, self.base.total_seconds())


PATIENT: Final = RetryPolicy()


def is_worth_another_try(error: Exception) -> bool:
    """Might the very same request succeed later?"""
    if isinstance(error, ProblemError):
        return error.status in WORTH_ANOTHER_TRY
    return isinstance(error, NO_CONNECTION) and not isinstance(error, NEVER_AGAIN)


async def with_retries(call: Callable[[], Awaitable[T]], policy: RetryPolicy, timing: Timing) -> T:
    """Call until it succeeds, fails for good, or the deadline would pass.

    Raises:
        ProblemError: The gateway refused.
        UnreachableError: There was no connection up to the deadline, or, as BusyError, the
            gateway still asks to wait.
    """
    started = timing.monotonic()
    attempt = 0
    while True:
        try:
            return await call()
        except (ProblemError, aiohttp.ClientError, TimeoutError) as error:
            asked = error.retry_after if isinstance(error, ProblemError) else None
            wait = policy.wait(attempt, asked, timing)
            waited = timing.monotonic() - started
            if not is_worth_another_try(error) or (waited + wait > policy.deadline.total_seconds()):
                raise _final(error) from None
            log.info("request:retrying", attempt=attempt, wait_s=wait, cause=cause_of(error))
        await timing.sleep(wait)
        attempt += 1


def cause_of(error: Exception) -> str:
    """Name an error for a log line; nothing in it comes from a message."""
    return error.code if isinstance(error, ProblemError) else type(error).__name__


def _final(error: Exception) -> Exception:
    if isinstance(error, ProblemError) and is_worth_another_try(error):
        return BusyError(
            error.code,
            status=error.status,
            detail=error.detail,
            errors=error.errors,
            request_id=error.request_id,
            rule=error.rule,
            retry_after=error.retry_after,
        )
    if isinstance(error, ProblemError):
        return error
    return UnreachableError(f"the gateway cannot be reached: {cause_of(error)}")

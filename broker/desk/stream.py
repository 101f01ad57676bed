"""Hand-overs as server-sent events, for ever: a broken connection is made again.

The gateway sends a comment every 15 s. When nothing at all has come for three times that,
the connection is dead, whatever TCP believes.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog

from broker.desk import wire
from broker.desk.failures import AnswerError, ProblemError
from broker.desk.retry import PATIENT, RetryPolicy, cause_of, is_worth_another_try
from broker.desk.session import Request, Session
from broker.desk.sse import EventReader
from broker.desk.timing import Timing
from broker.desk.wire import ReceivedHandOver
from broker.model.names import HandOverNumber, QueueName

EVENT_STREAM: Final = "text/event-stream"
WORKED_SECONDS: Final = 10
"""A connection that lived so long was no failure. One that only greeted was."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """When a stream counts as dead, and how patiently it is made again."""

    silence: timedelta = timedelta(seconds=45)
    """Three heartbeats."""
    connect: timedelta = timedelta(seconds=30)
    retries: RetryPolicy = PATIENT
    """Its deadline does not count: a stream has none."""


STEADY: Final = StreamSettings()


class HandOverStream:
    """One desk's stream; remembers where it stands across connections."""

    def __init__(
        self, session: Callable[[], Session], *, settings: StreamSettings, timing: Timing
    ) -> None:
        self._session = session
        self._settings = settings
        self._timing = timing
        self._failures = 0
        self._asked: timedelta | None = None

    async def receive(
        self, queues: Sequence[QueueName], last: HandOverNumber | None
    ) -> AsyncGenerator[ReceivedHandOver]:
        """Yield hand-overs in the order in which they come.

        Raises:
            ProblemError: The gateway refused for good.
            AnswerError: What it sent is no stream of events.
        """
        while True:
            cause, before, started = "ended", last, self._timing.monotonic()
            try:
                async with aclosing(self._connection(queues, last)) as connection:
                    async for hand_over in connection:
                        last = hand_over.hand_over
                        yield hand_over
            except (ProblemError, aiohttp.ClientError, TimeoutError) as error:
                if not (is_worth_another_try(error) or _failed(error)):
                    raise
                self._asked = error.retry_after if isinstance(error, ProblemError) else None
                cause = cause_of(error)
            if last != before or self._timing.monotonic() - started >= WORKED_SECONDS:
                self._failures = 0
            # Also after a farewell: all desks of a gateway that drains leave at once, and
            # should not arrive at the next one at once.
            wait = self._settings.retries.wait(self._failures, self._asked, self._timing)
            log.info("stream:reconnecting", cause=cause, wait_s=wait, last=last)
            await self._timing.sleep(wait)
            self._failures += 1

    async def _connection(
        self, queues: Sequence[QueueName], last: HandOverNumber | None
    ) -> AsyncGenerator[ReceivedHandOver]:
        """Yield what one connection brings; ends when the gateway says goodbye or hangs up."""
        headers = {"Accept": EVENT_STREAM}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        request = Request(
            method="GET",
            path="/v1/stream",
            query=tuple(("queue", queue) for queue in queues),
            headers=headers,
        )
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._settings.connect.total_seconds(),
            sock_read=self._settings.silence.total_seconds(),
        )
        self._asked = None
        async with self._session().open(request, timeout=timeout) as response:
            if response.content_type != EVENT_STREAM:
                raise AnswerError("the gateway answered a stream with something else")
            reader = EventReader()
            log.info("stream:connected", last=last)
            async for part in response.content.iter_any():
                for event in reader.feed(part):
                    if event.kind == "bye":
                        return
                    if event.kind == "message":
                        hand_over = _readable(event.data)
                        if hand_over is not None:
                            yield hand_over


def _failed(error: Exception) -> bool:
    """Whether the gateway itself has failed: what waits here must come when it is mended."""
    return isinstance(error, ProblemError) and error.status == HTTPStatus.INTERNAL_SERVER_ERROR


def _readable(data: bytes) -> ReceivedHandOver | None:
    """Read a hand-over; one that cannot be read must not keep the others from coming.

    The gateway hands it over some times more and then dead-letters it, where people look.
    """
    try:
        return wire.read_hand_over(data)
    except AnswerError:
        # Without a traceback: some renderers print local values with it.
        log.error("hand-over:unreadable")  # noqa: TRY400
        return None

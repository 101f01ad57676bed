"""The sessions behind long polls: opened by the first, closed when nobody polls any more."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import pytest
from structlog.testing import capture_logs

from broker.gateway import polls
from broker.gateway.polls import PollSessions
from broker.hand_over import HandOvers
from broker.model.delivery import HandOver
from broker.model.names import QueueName

ONE, OTHER = QueueName("MX.GT.intelligence"), QueueName("MX.HN.intelligence")
NO_TIME = timedelta(0)


class Session:
    """Brings nothing, and remembers how long it was to wait."""

    def __init__(self) -> None:
        self.is_over = False
        self.waits: list[timedelta] = []

    async def take(self, *, limit: int, wait: timedelta) -> Sequence[HandOver]:
        """Bring nothing."""
        assert limit
        self.waits.append(wait)
        return ()


class FailingHandOvers:
    """Opens sessions of which some cannot be closed."""

    def __init__(self) -> None:
        self.opened: list[Session] = []
        self.closed: list[QueueName] = []

    @asynccontextmanager
    async def session(
        self, queues: Collection[QueueName], *, holder: str, resume_after: None
    ) -> AsyncIterator[Session]:
        """Open one; that of the first queue fails when it is left."""
        assert (holder, resume_after) == ("client", None)
        [queue] = queues
        self.opened.append(Session())
        yield self.opened[-1]
        self.closed.append(queue)
        if queue == ONE:
            raise LookupError


@pytest.fixture
def hand_overs() -> FailingHandOvers:
    """No session yet."""
    return FailingHandOvers()


@pytest.fixture
def sessions(hand_overs: FailingHandOvers) -> PollSessions:
    """None is open."""
    return PollSessions(hand_overs=cast("HandOvers", hand_overs))


async def test_run_goes_on_when_a_session_cannot_be_closed(
    sessions: PollSessions, hand_overs: FailingHandOvers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails is reported, and neither keeps the others open nor ends the gateway."""
    monkeypatch.setattr(polls, "REAP", timedelta(milliseconds=10))
    monkeypatch.setattr(polls, "IDLE", NO_TIME)
    for queue in (ONE, OTHER):
        await sessions.take("client", queue, limit=1, wait=NO_TIME)

    with capture_logs() as logged:
        running = asyncio.create_task(sessions.run())
        await asyncio.sleep(0.2)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])

    assert hand_overs.closed == [ONE, OTHER]
    assert [(one["event"], one["work"]) for one in logged] == [("work:failed", "polls")]


async def test_take_waits_in_a_new_session_only(
    sessions: PollSessions, hand_overs: FailingHandOvers
) -> None:
    """The first gives the transport time to bring what lies there; later ones wait as asked."""
    long = timedelta(seconds=20)
    for wait in (NO_TIME, NO_TIME, long):
        await sessions.take("client", ONE, limit=1, wait=wait)
    await sessions.take("client", OTHER, limit=1, wait=long)

    assert [session.waits for session in hand_overs.opened] == [
        [polls.FIRST_WAIT, NO_TIME, long],
        [long],
    ]

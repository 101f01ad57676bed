"""A gateway that is told to stop: what it still does, and what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio

from broker.model.names import AgencyRef, DeskRef
from tests.attacks.attacker import JSON, Arena, arena, wire
from tests.attacks.test_description import DESCRIBED, check, concrete
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, PLAN

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="draining")
async def _draining(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """A gateway that has begun to drain; its clients have tokens from before."""
    async with arena(tmp_path_factory.mktemp("draining") / "exchange", PLAN) as one:
        for subject in (FISCALIA, GT_DESK):
            await one.attacker(subject).token()
        one.gateway.lifecycle.draining = True
        yield one


def subject_for(path: str) -> AgencyRef | DeskRef | None:
    """Whose endpoint it is."""
    if not path.startswith("/v1/"):
        return None
    return FISCALIA if path.startswith("/v1/messages") else GT_DESK


@pytest.mark.parametrize(("method", "path"), sorted(DESCRIBED), ids=str)
async def test_request_is_refused_for_now_when_the_gateway_drains(
    draining: Arena, method: str, path: str
) -> None:
    """503 with the time to wait, as each operation describes it; nothing is begun."""
    subject = subject_for(path)
    target = concrete(path)
    if subject is None:
        answer = await draining.line().send(method, target)
    else:
        answer = await draining.attacker(subject).call(method, target, headers=[JSON])

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    if path == "/oauth/token":
        # As RFC 6749 section 5.2 asks, like its every other answer.
        assert answer.json["error"] == "temporarily_unavailable"
        check(answer, method, path)
    else:
        assert answer.code == "draining"


async def test_readiness_says_so_when_the_gateway_drains(draining: Arena) -> None:
    """The balancer sends no more; the process is alive."""
    base = f"http://{draining.world.settings.management_listen}"
    async with draining.http.get(f"{base}/readyz") as ready:
        assert ready.status == 503
    async with draining.http.get(f"{base}/livez") as alive:
        assert alive.status == 200


async def open_stream(stack: AsyncExitStack, one: Arena, subject: DeskRef) -> asyncio.Task[bytes]:
    """Open a stream and read it to its end in the background."""
    attacker = one.attacker(subject)
    credentials = await attacker.credentials("GET", "/v1/stream")
    lines = "".join(f"{name}: {value}\r\n" for name, value in credentials)
    line = await stack.enter_async_context(wire(one))
    await line.write(
        f"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n".encode()
    )
    assert b" 200 " in await line.read_head()
    return asyncio.create_task(line.read_to_end(within=10))


async def test_streams_say_goodbye_when_the_gateway_drains(tmp_path: Path) -> None:
    """``bye`` on each stream within seconds, and the stream ends well-formed."""
    async with AsyncExitStack() as lines, arena(tmp_path / "exchange", PLAN) as one:
        streams = [await open_stream(lines, one, desk) for desk in (GT_DESK, HN_DESK)]
        started = monotonic()
        one.gateway.lifecycle.draining = True
        received = await asyncio.gather(*streams)
        took = monotonic() - started

    assert took < 5
    for each in received:
        assert b"event: bye\n" in each
        assert each.endswith(b"0\r\n\r\n")


@pytest.mark.slow
async def test_gateway_ends_soon_when_lines_are_open(tmp_path: Path) -> None:
    """A stream, a long poll, a silent line and half a header do not hold the process to a kill."""
    async with AsyncExitStack() as lines:
        async with arena(tmp_path / "exchange", PLAN) as one:
            stream = await open_stream(lines, one, GT_DESK)
            attacker = one.attacker(HN_DESK)
            target = "/v1/queues/MX.HN.intelligence/messages"
            credentials = await attacker.credentials("GET", target)
            head = "".join(f"{name}: {value}\r\n" for name, value in credentials)
            poll = await lines.enter_async_context(wire(one))
            await poll.write(
                f"GET {target}?wait=30 HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode()
            )
            await lines.enter_async_context(wire(one))
            half = await lines.enter_async_context(wire(one))
            await half.write(b"GET /schemas HTTP/1.1\r\nHost: loc")
            await asyncio.sleep(0.5)
            started = monotonic()
        took = monotonic() - started
        assert b"event: bye\n" in await stream

    assert took < 26, "an orchestrator kills after 30 s; the product allows itself 25"

"""Who holds a line and sends nothing, or sends it slowly, or opens more lines than he may.

The product's deadlines are seconds to half a minute; here they are a fraction of one.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web_protocol

from broker.gateway import oauth_form, requests, server
from tests.attacks.attacker import JSON, Arena, Attacker, Wire, arena, wire
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, PLAN

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDLE = 0.8
BODY = 0.6
PATIENCE = 3.0
"""Longer than every deadline here, shorter than any of the product's."""
PER_ADDRESS = 8
HEAD = b"POST /v1/acknowledgements HTTP/1.1\r\nHost: localhost\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="hasty")
async def _hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """A gateway with little patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "IDLE", timedelta(seconds=IDLE))
        # How long aiohttp reads on after an answer that did not wait for the body; 10 s.
        defaults = web_protocol.RequestHandler.__init__.__kwdefaults__
        assert defaults is not None
        patch.setitem(defaults, "lingering_time", BODY)
        patch.setattr(server, "HANDSHAKE", timedelta(seconds=IDLE))
        patch.setattr(requests, "BODY_DEADLINE", timedelta(seconds=BODY))
        patch.setattr(oauth_form, "READ_DEADLINE", timedelta(seconds=BODY))
        folder = tmp_path_factory.mktemp("slow") / "exchange"
        async with arena(
            folder, PLAN, keep_alive=False, max_connections_per_address=PER_ADDRESS
        ) as one:
            yield one


async def dribble(line: Wire, data: bytes, *, pause: float = 0.1) -> None:
    """Send one byte after another for ever."""
    while not line.writer.is_closing():
        for byte in data:
            await line.write(bytes([byte]))
            await asyncio.sleep(pause)


async def ended_after(line: Wire, *, dribbling: bytes | None = None) -> tuple[float, bytes]:
    """When the gateway closed the line, and what it said before."""
    started = monotonic()
    sender = asyncio.create_task(dribble(line, dribbling)) if dribbling else None
    try:
        received = await line.read_to_end(within=PATIENCE)
    finally:
        if sender is not None:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
    return monotonic() - started, received


HEADS: dict[str, tuple[bytes, bytes | None]] = {
    "nothing": (b"", None),
    "one byte": (b"G", None),
    "half a first line": (b"GET /sch", None),
    "half a header": (b"GET /schemas HTTP/1.1\r\nHost: loc", None),
    "all but the last line end": (b"GET /schemas HTTP/1.1\r\nHost: localhost\r\n", None),
    "empty lines": (b"\r\n", b"\r\n"),
    "a first line that dribbles": (b"GET /", b"a"),
    "a header that dribbles": (b"GET /schemas HTTP/1.1\r\nX-One: ", b"a"),
    "headers that dribble": (b"GET /schemas HTTP/1.1\r\n", b"X-One: a\r\n"),
}


@pytest.mark.parametrize("name", HEADS)
async def test_line_is_closed_when_its_head_does_not_arrive(hasty: Arena, name: str) -> None:
    """Silent, half a header, or a byte now and then: the idle deadline ends all of them."""
    begin, rest = HEADS[name]
    async with wire(hasty) as line:
        await line.write(begin)
        took, _ = await ended_after(line, dribbling=rest)

    assert took < PATIENCE


@pytest.mark.parametrize("rest", [b"", b"G", b"GET /schemas HTTP/1.1\r\nX-One: "])
async def test_line_is_closed_when_it_is_kept_and_not_used(hasty: Arena, rest: bytes) -> None:
    """After a good answer too."""
    async with wire(hasty) as line:
        await line.write(b"GET /problems/not-found HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await line.read_head()
        await line.write(rest)
        took, _ = await ended_after(line, dribbling=b"a" if rest else None)

    assert took < PATIENCE


@pytest.mark.parametrize("dribbling", [None, b" "], ids=["silent", "dribbling"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("target", ["/v1/messages", "/v1/acknowledgements", "/v1/refusals"])
async def test_body_is_given_up_when_it_does_not_arrive(
    hasty: Arena, target: str, framing: str, dribbling: bytes | None
) -> None:
    """408 after the deadline, and the line is closed."""
    subject = FISCALIA if target.endswith("messages") else GT_DESK
    credentials = await hasty.attacker(subject).credentials("POST", target)
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*credentials, JSON])
    framed = "Content-Length: 5000" if framing == "length" else "Transfer-Encoding: chunked"
    begin = f"POST {target} HTTP/1.1\r\nHost: localhost\r\n{lines}{framed}\r\n\r\n".encode()
    chunk = b"1\r\n \r\n" if framing == "chunks" and dribbling else dribbling
    async with wire(hasty) as line:
        await line.write(begin + (b"{" if framing == "length" else b"1\r\n{\r\n"))
        head = await asyncio.wait_for(_head_while(line, chunk), PATIENCE)

    assert b" 408 " in head.partition(b"\r\n")[0]


async def _head_while(line: Wire, dribbling: bytes | None) -> bytes:
    sender = asyncio.create_task(dribble(line, dribbling)) if dribbling else None
    try:
        return await line.read_head(within=PATIENCE)
    finally:
        if sender is not None:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender


async def test_sealed_body_has_as_much_more_time_as_it_may_be_larger(hasty: Arena) -> None:
    """Twice the bytes, twice the time: whose line is the slowest allowed can send it whole."""

    async def post(rest: bytes) -> bytes:
        credentials = await hasty.attacker(FISCALIA).credentials("POST", "/v1/messages")
        sealed = [("Content-Type", "application/jose+json"), ("Origin-Seal", "x")]
        lines = "".join(f"{name}: {value}\r\n" for name, value in [*credentials, *sealed])
        begin = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: 2\r\n\r\n"
        async with wire(hasty) as line:
            await line.write(begin.encode() + b"{")
            await asyncio.sleep(1.3 * BODY)
            await line.write(rest)
            return await line.read_head(within=PATIENCE)

    answered, given_up = await post(b"}"), await post(b"")

    assert b" 422 " in answered.partition(b"\r\n")[0]
    assert b" 408 " in given_up.partition(b"\r\n")[0]


async def test_line_is_closed_when_its_body_was_given_up(hasty: Arena) -> None:
    """A body that was refused as too slow does not hold the line afterwards."""
    credentials = await hasty.attacker(GT_DESK).credentials("POST", "/v1/acknowledgements")
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*credentials, JSON])
    async with wire(hasty) as line:
        await line.write(HEAD + f"{lines}Content-Length: 5000\r\n\r\n{{".encode())
        took, received = await ended_after(line, dribbling=b" ")

    assert b" 408 " in received
    assert took < PATIENCE


async def test_line_is_closed_when_a_body_follows_a_refusal(hasty: Arena) -> None:
    """Who was refused by his header cannot go on sending for ever."""
    async with wire(hasty) as line:
        await line.write(HEAD + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        took, received = await ended_after(line, dribbling=b" ")

    assert b" 401 " in received
    assert took < PATIENCE


async def test_body_is_given_up_when_a_chunk_extension_never_ends(hasty: Arena) -> None:
    """What stands behind a chunk's size counts against the same deadline."""
    credentials = await hasty.attacker(GT_DESK).credentials("POST", "/v1/acknowledgements")
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*credentials, JSON])
    async with wire(hasty) as line:
        await line.write(HEAD + f"{lines}Transfer-Encoding: chunked\r\n\r\n1;".encode())
        head = await _head_while(line, b"x" * 1000)

    assert head.split(b" ")[1] in (b"400", b"408", b"413")


async def test_token_request_is_given_up_when_its_form_does_not_arrive(hasty: Arena) -> None:
    """The token endpoint needs no token, so it has to be as strict."""
    async with wire(hasty) as line:
        await line.write(
            b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type="
        )
        head = await _head_while(line, b"a")

    assert b" 408 " in head.partition(b"\r\n")[0]


CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + b"\x00" * 40
HANDSHAKES = {
    "nothing": (b"", None),
    "half a hello": (CLIENT_HELLO[:20], None),
    "a hello that dribbles": (CLIENT_HELLO[:5], b"\x00"),
}


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_line_is_closed_when_the_handshake_does_not_end(hasty: Arena, name: str) -> None:
    """A stranger who does not even speak TLS is gone soon."""
    begin, rest = HANDSHAKES[name]
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    line = Wire(reader=reader, writer=writer)
    try:
        await line.write(begin)
        took, received = await ended_after(line, dribbling=rest)
    finally:
        writer.close()

    assert took < PATIENCE
    assert b"HTTP" not in received


async def admitted(one: Arena, stack: AsyncExitStack) -> bool:
    """Open one more line, and say whether it is answered."""
    try:
        line = await stack.enter_async_context(wire(one))
        await line.write(b"GET /problems/not-found HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return b" 200 " in await line.read_head(within=0.5)
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError, OSError):
        return False


async def test_line_is_refused_when_its_address_has_too_many(hasty: Arena) -> None:
    """The cap holds, one that goes makes room, and silent ones make room by themselves."""
    await asyncio.sleep(IDLE + 0.3)
    async with AsyncExitStack() as stack:
        answers = [await admitted(hasty, stack) for _ in range(PER_ADDRESS + 3)]
        assert answers[-3:] == [False] * 3
        assert answers.count(True) <= PER_ADDRESS
        assert answers.count(True) >= PER_ADDRESS - 2
    await asyncio.sleep(0.2)
    async with AsyncExitStack() as stack:
        assert await admitted(hasty, stack)

    async with AsyncExitStack() as stack:
        plain = [
            await asyncio.open_connection("127.0.0.1", hasty.port) for _ in range(PER_ADDRESS + 2)
        ]
        for _, writer in plain:
            stack.callback(writer.close)
        await asyncio.sleep(IDLE + 0.5)
        assert await admitted(hasty, stack), "lines without a handshake stay counted"


# --- how often ------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="strict")
async def _strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """A gateway that gives few requests."""
    folder = tmp_path_factory.mktemp("rates") / "exchange"
    settings: dict[str, Any] = {
        "client_burst": 5,
        "client_requests_per_second": 0.5,
        "address_burst": 30,
        "address_requests_per_second": 0.2,
    }
    async with arena(folder, PLAN, **settings) as one:
        await one.attacker(HN_DESK).token()
        yield one


async def drain(ask: Callable[[], object], at_most: int) -> list[object]:
    """Ask until refused."""
    answers: list[object] = []
    for _ in range(at_most):
        answers.append(await ask())  # type: ignore[misc]
        if answers[-1].status == 429:  # type: ignore[attr-defined]
            break
    return answers


async def test_client_is_limited_when_it_asks_too_often(strict: Arena) -> None:
    """429 with the time to wait; another client of the same address is served meanwhile."""
    greedy, modest = strict.attacker(GT_DESK), strict.attacker(HN_DESK)

    answers = await drain(lambda: greedy.call("GET", "/v1/queues"), 12)

    last = answers[-1]
    assert [one.status for one in answers[:-1]] == [200] * 5  # type: ignore[attr-defined]
    assert last.verdict == (429, "rate-limited")  # type: ignore[attr-defined]
    assert 1 <= int(last.headers["Retry-After"]) <= 3  # type: ignore[attr-defined]
    assert (await modest.call("GET", "/v1/queues")).status == 200


async def test_client_is_limited_together_when_it_uses_many_tokens_and_endpoints(
    strict: Arena,
) -> None:
    """The limit is the client's: not the token's, the key's, the line's or the endpoint's."""
    faces: list[Attacker] = [strict.newcomer(FISCALIA) for _ in range(4)]
    targets = ["/v1/directory", "/v1/messages/0190b5a2-0000-7000-8000-000000000000"]
    statuses = [(await face.call("GET", target)).status for face in faces for target in targets]

    assert statuses.count(429) >= 2


async def test_address_is_limited_when_it_asks_too_often_without_a_token(strict: Arena) -> None:
    """The token endpoint and public pages too."""
    line = strict.line()
    targets = ["/schemas", "/openapi.json", "/problems/not-found", "/nothing", "/v1/queues"]

    answer = await line.send("GET", targets[0])
    for number in range(60):
        if answer.status == 429:
            break
        answer = await line.send("GET", targets[number % len(targets)])

    assert answer.verdict == (429, "rate-limited")
    assert int(answer.headers["Retry-After"]) >= 1
    asked = await line.send("POST", "/oauth/token", body=b"")
    assert asked.status == 429
    assert int(asked.headers["Retry-After"]) >= 1


async def test_client_is_served_when_a_stranger_spent_its_address(strict: Arena) -> None:
    """Behind one address of a ministry: a proven client has its own measure, not the stranger's."""
    member = strict.attacker(HN_DESK)
    statuses = [(await strict.line().send("GET", "/schemas")).status for _ in range(40)]
    assert statuses[-1] == 429

    assert (await member.call("GET", "/v1/queues")).status == 200


async def test_address_is_limited_when_it_brings_worthless_tokens(strict: Arena) -> None:
    """An invented Authorization header is no way around the limit of the address."""
    line = strict.line()
    statuses = []
    for _ in range(80):
        answer = await line.send(
            "GET", "/v1/queues", headers=[("Authorization", "DPoP a.b.c"), ("DPoP", "a.b.c")]
        )
        statuses.append(answer.status)

    assert 429 in statuses, "guesses without a limit"


async def test_public_pages_are_limited_when_asked_with_a_worthless_token(strict: Arena) -> None:
    """Public pages look at no token; a header that nobody checks must not lift the limit."""
    line = strict.line()
    statuses = [
        (await line.send("GET", "/openapi.json", headers=[("Authorization", "DPoP x")])).status
        for _ in range(80)
    ]

    assert 429 in statuses


async def test_stream_is_refused_when_a_client_has_too_many_open(hasty: Arena) -> None:
    """Streams are bounded for each client; those of others are not touched."""
    limits = hasty.gateway.limits
    before = limits.max_streams_per_client
    limits.max_streams_per_client = 1
    try:
        target = "/v1/stream"
        credentials = await hasty.attacker(GT_DESK).credentials("GET", target)
        lines = "".join(f"{name}: {value}\r\n" for name, value in credentials)
        async with wire(hasty) as line:
            await line.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
            assert b" 200 " in await line.read_head()
            second = await hasty.attacker(GT_DESK).call("GET", target)
            assert second.verdict == (429, "rate-limited")
            assert int(second.headers["Retry-After"]) >= 1
        await asyncio.sleep(1.5)
        answer = await hasty.attacker(GT_DESK).call(
            "GET", "/v1/queues/MX.GT.intelligence/messages?wait=0"
        )
        assert answer.status == 200, "a stream that is gone must give its place back"
    finally:
        limits.max_streams_per_client = before


async def test_message_is_refused_for_now_when_too_many_are_in_work(hasty: Arena) -> None:
    """503 with the time to wait, before the body is read; then it is served again."""
    limits, attacker = hasty.gateway.limits, hasty.attacker(FISCALIA)
    before = limits.max_postings
    limits.max_postings = 1
    try:
        credentials = await attacker.credentials("POST", "/v1/messages")
        lines = "".join(f"{name}: {value}\r\n" for name, value in [*credentials, JSON])
        async with wire(hasty) as line:
            await line.write(
                f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{lines}"
                "Content-Length: 100\r\n\r\n{".encode()
            )
            await asyncio.sleep(0.2)
            answer = await attacker.post_json("/v1/messages", b"{}")
            assert answer.verdict == (503, "overloaded")
            assert int(answer.headers["Retry-After"]) >= 1
        await asyncio.sleep(BODY + 0.4)
        answer = await attacker.post_json("/v1/messages", b"{}")
        assert answer.verdict == (400, "signature-missing"), json.dumps(answer.json)
    finally:
        limits.max_postings = before

"""Nothing that was sent stands in a log, a counter or an answer."""

import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_asyncio
import structlog

from broker.desk.sign import sign_message
from broker.gateway.app import public_app
from broker.model.names import QueueName
from tests.attacks.attacker import FORM, JSON, Arena, arena, wire
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, PLAN, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

POINTER = re.compile(rb'"pointer":"[^"\\]*(?:\\.[^"\\]*)*"')
"""Where a problem document names a member; escaped, and cut off at 256 characters."""
MARK = "zxqmarker"
"""Every marker begins with it, so that one search finds all."""
FORGED_LINE = f'\r\n{{"event":"{MARK}-forged","level":"info"}}'


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Collect structlog as the product writes it, with tracebacks, and all of stdlib logging."""
    written = io.StringIO()
    before = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("debug"),
        logger_factory=structlog.PrintLoggerFactory(written),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    names = ["", "aiohttp", "aiohttp.server", "aiohttp.web", "aiohttp.access", "asyncio"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        # The database driver's own debug level writes every row; nobody runs that.
        logging.getLogger(name).setLevel(logging.DEBUG if name else logging.INFO)
    logging.getLogger().addHandler(handler)
    try:
        yield written
    finally:
        logging.getLogger().removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        structlog.configure(**before)


class Leaks:
    """What was logged, counted and answered during the requests of this module."""

    def __init__(self) -> None:
        self.log = ""
        self.metrics = b""
        self.answers: list[bytes] = []
        self.secrets: set[str] = set()
        self.statuses: list[int] = []


def marked(name: str) -> str:
    """A marker that says where it was sent."""
    return f"{MARK}-{name}"


def head(method: str, target: str, *lines: str) -> bytes:
    """A raw request."""
    return "\r\n".join(
        [f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "Connection: close", "", ""]
    ).encode("latin-1")


RAW: list[bytes] = [
    head("GET", f"/{MARK}-path"),
    head("GET", f"/schemas?{MARK}-query=1"),
    head("GET", f"/%2e%2e/{MARK}"),
    head("GET", f"/problems/{MARK}"),
    head("GET", f"https://evil.example/{MARK}"),
    head("GET", f"/v1/messages/{MARK}", f"Authorization: Bearer {MARK}-bearer"),
    head("GET", "/v1/queues", f"Authorization: DPoP {MARK}-token", f"DPoP: {MARK}-proof"),
    head("GET", "/v1/queues", f"Authorization: Basic {MARK}"),
    head("GET", "/v1/queues", f"Cookie: session={MARK}"),
    head("GET", "/schemas", f"User-Agent: {MARK}", f"Referer: https://x/{MARK}"),
    head("GET", "/schemas", f"Accept-Language: {MARK}"),
    head("GET", "/schemas", f"X-Request-Id: {MARK} with a space"),
    head("GET", "/schemas", f"X-Forwarded-For: {MARK}"),
    head("POST", "/oauth/token", "Content-Type: " + MARK, "Content-Length: 0"),
    head(MARK.upper(), "/schemas"),
    head("GET", "/schemas", f"Authorization : DPoP {MARK}-space"),
    head("GET", "/schemas", f"Authorization: DPoP {MARK}\x00"),
    head("GET", "/schemas", f"{MARK}-no-colon"),
    head("GET", "/schemas", f"X: a\r\n {MARK}-folded"),
    head("GET", "/schemas", f"Content-Length: {MARK}"),
    head("GET", "/schemas", f"Transfer-Encoding: {MARK}"),
    head("GET", "/schemas", "X-Long: " + MARK * 2000),
    head("GET", f"/{MARK * 2000}"),
    f"{MARK} not http at all\r\n\r\n".encode(),
    f"{MARK}( / HTTP/1.1\r\n\r\n".encode(),
    f"GET / HTTP/{MARK}\r\n\r\n".encode(),
    head("POST", "/v1/messages", "Transfer-Encoding: chunked") + f"{MARK}\r\n".encode(),
    head("POST", "/v1/messages", "Content-Length: 500") + MARK.ljust(500).encode(),
]


def bad_messages(one: Arena) -> Iterator[tuple[list[tuple[str, str]], bytes]]:
    """Headers and body of messages with markers in every place."""
    agent = one.attacker(FISCALIA)
    good = message()
    documents: list[dict[str, Any]] = [
        good | {marked("member"): marked("value")},
        good | {"kind": marked("kind")},
        good | {"version": marked("version")},
        good | {"case": f"{marked('case')}{FORGED_LINE}"},
        good | {"purpose": {"code": marked("code"), "text": marked("text")}},
        good | {"from": {"country": "MX", "agency": marked("agency")}},
        good | {"to": {"countries": [marked("country")], "compartment": "intelligence"}},
        good | {"created": marked("created")},
        good | {"body": {marked("body"): [marked("list")] * 60}},
        good | {f"a\u202e{MARK}\u0000{FORGED_LINE}": 1},
    ]
    for document in documents:
        # Unsigned, with a foreign signature, and signed well.
        body = json.dumps(document).encode()
        yield [JSON], body
        yield [JSON, ("Message-Signature", f"{marked('jws')}..{marked('jws')}")], body
        posting = sign_message(
            json.dumps({**document, "kind": "route-report", "version": "1.0"}).encode(),
            agent.holding.signature,
            agency=FISCALIA,
            now=one.gateway.clock(),
        )
        yield [JSON, ("Message-Signature", posting.signature)], posting.body
    for raw in (
        f'{{"{MARK}":1,"{MARK}":2}}',
        f'{{"x":"{MARK}"',
        f'{{"x":"{MARK}"}} {MARK}',
        f'["{MARK}"]',
        MARK,
    ):
        signature = sign_message(
            as_bytes(good), agent.holding.signature, agency=FISCALIA, now=one.gateway.clock()
        ).signature
        yield [JSON, ("Message-Signature", signature)], raw.encode()
    yield [("Content-Type", marked("type"))], b"{}"
    yield [JSON, ("Content-Encoding", marked("coding"))], b"{}"


async def ask_everything(one: Arena, leaks: Leaks) -> None:
    """Good and bad requests with markers wherever a caller may write."""
    for data in RAW:
        async with wire(one) as line:
            await line.write(data)
            leaks.answers.append(await line.read_to_end(within=5))
    agent = one.attacker(FISCALIA)
    for headers, body in bad_messages(one):
        answer = await agent.call("POST", "/v1/messages", headers=headers, body=body)
        leaks.statuses.append(answer.status)
        leaks.answers.append(answer.body + str(dict(answer.headers)).encode())
    desk = one.attacker(GT_DESK)
    for target in ("/v1/acknowledgements", "/v1/refusals"):
        member = target.rpartition("/")[2]
        for document in (
            {member: [marked("token"), f"{MARK}.{MARK}.{MARK}"]},
            {member: [], marked("extra"): 1},
            {marked("only"): 1},
        ):
            leaks.answers.append((await desk.post_json(target, document)).body)
    for target in (
        f"/v1/queues?{MARK}=1",
        f"/v1/stream?queue={MARK}",
        f"/v1/queues/MX.GT.{MARK}/messages",
        f"/v1/queues/MX.GT.intelligence/messages?wait={MARK}",
    ):
        leaks.answers.append((await desk.call("GET", target)).body)
    last = ("Last-Event-ID", marked("last"))
    leaks.answers.append((await desk.call("GET", "/v1/stream", headers=[last])).body)
    forms: list[dict[str, Any]] = [
        {"scope": marked("scope")},
        {"client_id": marked("client")},
        {"grant_type": marked("grant")},
        {"client_secret": marked("secret")},
        {"client_assertion_type": marked("type")},
    ]
    for form in forms:
        leaks.answers.append((await agent.ask_for_token(**form)).body)
    for assertion in (
        marked("assertion"),
        f"{MARK}.{MARK}.{MARK}",
        agent.assertion(iss=marked("iss"), sub=marked("iss")),
        agent.assertion(aud=marked("aud")),
        agent.assertion(jti=marked("jti") + FORGED_LINE),
    ):
        leaks.answers.append((await agent.ask_for_token(assertion=assertion)).body)
    leaks.answers.append(
        (await one.line().send("POST", "/oauth/token", headers=[FORM], body=MARK.encode())).body
    )
    headers = await desk.credentials("GET", "/v1/queues")
    for _ in range(2):
        leaks.answers.append((await desk.line.send("GET", "/v1/queues", headers=headers)).body)


async def do_the_main_job(one: Arena, leaks: Leaks) -> None:
    """A message that goes all the way, with markers in its content."""
    document = message()
    document["body"]["title"] = marked("title")
    document["purpose"]["text"] = marked("purpose")
    async with one.world.client(FISCALIA) as sender, one.world.client(GT_DESK) as desk:
        accepted = await sender.send(as_bytes(document))
        await sender.status(accepted.id)
        handed = await desk.poll(QueueName("MX.GT.intelligence"))
        settled = await desk.acknowledge([each.ref for each in handed])
        assert settled
    leaks.secrets |= {accepted.receipt, "Boats from San Andrés"}


async def break_it(one: Arena, leaks: Leaks) -> None:
    """A defect inside a handler: its traceback must not carry the request."""
    agent = one.attacker(HN_DESK)
    await agent.token()
    deliveries, broken = one.gateway.deliveries, RuntimeError("broken by a test")

    async def fail(*_args: object, **_kw: object) -> None:
        raise broken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(deliveries), "depths", fail)
        answer = await agent.call("GET", "/v1/queues", headers=[("X-Secret", marked("defect"))])
    assert answer.verdict == (500, "internal-error")
    assert b"broken by a test" not in answer.body
    assert b"Traceback" not in answer.body
    leaks.answers.append(answer.body)


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="leaks")
async def _leaks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Leaks]:
    """Do all of it once, from start to drain."""
    leaks = Leaks()
    with everything_logged() as written:
        folder = tmp_path_factory.mktemp("leaks") / "exchange"
        async with arena(folder, PLAN) as one:
            assert public_app(one.gateway)
            await ask_everything(one, leaks)
            await do_the_main_job(one, leaks)
            await break_it(one, leaks)
            leaks.metrics = await one.metrics()
            leaks.secrets |= {attacker._token for attacker in one.attackers.values()} - {""}
        leaks.log = written.getvalue()
    yield leaks


async def test_requests_were_refused_when_they_carried_markers(leaks: Leaks) -> None:
    """The rest of this module says nothing unless these requests came far enough to be logged."""
    assert {400, 403, 415, 422} <= set(leaks.statuses)
    assert "request:refused" in leaks.log
    assert "request:malformed" in leaks.log
    assert "request:failed" in leaks.log
    assert len(leaks.log.splitlines()) > 40


async def test_log_has_no_marker_when_requests_carry_them(leaks: Leaks) -> None:
    """No header, body, token, id, path or query, at any level, from any logger."""
    found = [line for line in leaks.log.splitlines() if MARK in line.lower()]

    assert not found, found[:5]


async def test_log_has_no_token_when_requests_are_good(leaks: Leaks) -> None:
    """Nor an access token, a receipt or a title of those that succeeded."""
    assert leaks.secrets
    assert not [secret for secret in leaks.secrets if secret in leaks.log]


async def test_log_has_whole_lines_when_requests_carry_line_breaks(leaks: Leaks) -> None:
    """Each line of ours is one JSON document; nobody can write another."""
    ours = [line for line in leaks.log.splitlines() if '"event"' in line]

    assert ours
    for line in ours:
        assert isinstance(json.loads(line)["event"], str)


async def test_metrics_have_no_marker_when_requests_carry_them(leaks: Leaks) -> None:
    """Labels are of closed sets: no path, no id, no client."""
    assert b"refus" in leaks.metrics
    assert MARK.encode() not in leaks.metrics.lower()
    assert b"evil.example" not in leaks.metrics
    for secret in leaks.secrets:
        assert secret.encode() not in leaks.metrics


async def test_metrics_stay_small_when_paths_are_arbitrary(leaks: Leaks) -> None:
    """Whoever asks for a million paths makes no million series."""
    assert len(leaks.metrics.splitlines()) < 1500


async def test_answers_have_no_marker_when_requests_carry_them(leaks: Leaks) -> None:
    """Never a submitted value. A pointer does name a member that should not be there."""
    answers = [POINTER.sub(b"", answer) for answer in leaks.answers]
    found = [answer for answer in answers if MARK.encode() in answer.lower()]

    assert not found, [answer[-300:] for answer in found]

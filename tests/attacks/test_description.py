"""Does the running gateway do what ``openapi.yaml`` and ``docs/protocol.md`` say, and no more?"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
import yaml
from openapi_spec_validator import validate

from broker.desk.sign import sign_acknowledgement, sign_message, sign_refusal, sign_use
from broker.desk.wire import ContentRef
from broker.gateway.app import public_app
from broker.model.events import RefusalReason
from tests.attacks.attacker import FORM, JSON, PATIENCE, Answer, Arena, arena
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, PLAN, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
DESCRIPTION: dict[str, Any] = yaml.safe_load(
    (ROOT / "broker" / "gateway" / "openapi.yaml").read_text(encoding="utf-8")
)
METHODS = {"get", "post", "put", "delete", "patch", "head", "options", "trace"}
DESCRIBED = {
    (method.upper(), path)
    for path, item in DESCRIPTION["paths"].items()
    for method in item
    if method in METHODS
}
NOBODYS_ID = "0190b5a2-0000-7000-8000-000000000000"


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference inside the description."""
    while "$ref" in node:
        found: Any = DESCRIPTION
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def check(answer: Answer, method: str, path: str) -> None:
    """Hold an answer against its operation: status, media type, schema, headers."""
    responses = DESCRIPTION["paths"][path][method.lower()]["responses"]
    status = str(answer.status)
    assert status in responses or "default" in responses, f"{status} is not described"
    response = resolve(responses.get(status, responses.get("default", {})))
    content = response.get("content", {})
    media_type = answer.headers.get("Content-Type", "").partition(";")[0]
    if not content:
        assert not answer.body
        return
    assert media_type in content, f"{media_type} is not described for {status}"
    schema = content[media_type]["schema"]
    if media_type.endswith("json"):
        whole = {**schema, "components": DESCRIPTION["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        problems = [str(error) for error in validator.iter_errors(answer.json)]
        assert not problems, problems
    if answer.status in (429, 503):
        assert re.fullmatch("[1-9][0-9]*", answer.headers.get("Retry-After", ""))
    if answer.status == 405:
        assert answer.headers["Allow"]


async def test_description_is_openapi_when_validated() -> None:
    """By the standard's own schema."""
    validate(DESCRIPTION)


async def test_routes_are_those_described_when_compared(small: Arena) -> None:
    """Nothing undescribed is served; nothing described is missing."""
    served = {
        (route.method, route.resource.canonical)
        for route in public_app(small.gateway).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    assert served == DESCRIBED


async def test_description_is_the_published_one_when_fetched(small: Arena) -> None:
    """As YAML to the byte, as JSON to the value."""
    line = small.line()
    as_yaml = await line.send("GET", "/openapi.yaml")
    as_json = await line.send("GET", "/openapi.json")

    assert yaml.safe_load(as_yaml.body) == DESCRIPTION
    assert as_json.json == DESCRIPTION


EXAMPLES = {
    "{id}": NOBODYS_ID,
    "{queue}": "MX.GT.intelligence",
    "{version}": "1.0",
    "{code}": "not-found",
}
NAMES = {"/schemas/{name}/{version}": "route-report", "/code-lists/{name}": "nothing"}


def concrete(path: str) -> str:
    """A path with something in its places."""
    path = path.replace("{name}", NAMES.get(path, "x"))
    for place, value in EXAMPLES.items():
        path = path.replace(place, value)
    return path


@pytest.mark.parametrize(("method", "path"), sorted(DESCRIBED), ids=str)
async def test_answer_is_as_described_when_nobody_is_proven(
    small: Arena, method: str, path: str
) -> None:
    """Without credentials: a public page, or a refusal; never what is protected."""
    answer = await small.line().send(method, concrete(path))

    check(answer, method, path)
    security = DESCRIPTION["paths"][path][method.lower()].get("security", DESCRIPTION["security"])
    if security:
        assert answer.verdict == (401, "credentials-missing")


@pytest.mark.parametrize("path", sorted(DESCRIPTION["paths"]))
async def test_other_methods_are_refused_when_not_described(small: Arena, path: str) -> None:
    """405 with ``Allow``, which names those that are."""
    for method in ("PUT", "DELETE", "PATCH", "POST", "GET"):
        if (method, path) in DESCRIBED:
            continue
        answer = await small.line().send(method, concrete(path))
        assert answer.verdict == (405, "method-not-allowed"), method
        allowed = {each.strip() for each in answer.headers["Allow"].split(",")} - {"HEAD"}
        assert allowed == {each for each, where in DESCRIBED if where == path}


Ask = Callable[[Arena], Awaitable[Answer]]


def call(subject: Any, method: str, target: str, body: bytes | None = None) -> Ask:
    """A proven request."""
    return lambda one: one.attacker(subject).call(
        method, target, headers=[JSON] if body is not None else [], body=body
    )


async def post(one: Arena, *, target: str = "/v1/messages", **changes: object) -> Answer:
    """Post a message."""
    agent = one.attacker(FISCALIA)
    body = as_bytes(message(**changes))
    key = agent.holding.signature
    posting = sign_message(body, key, agency=FISCALIA, now=datetime.now(UTC))
    headers = [JSON, ("Message-Signature", posting.signature)]
    return await agent.call("POST", target, headers=headers, body=body)


async def handed(one: Arena) -> dict[str, Any]:
    """Have a message handed over."""
    message_id = (await post(one)).json["id"]
    for _ in range(20):
        answer = await one.attacker(GT_DESK).call(
            "GET", "/v1/queues/MX.GT.intelligence/messages?wait=1"
        )
        check(answer, "GET", "/v1/queues/{queue}/messages")
        for each in answer.json["messages"]:
            if each["id"] == message_id:
                return dict(each)
    raise AssertionError("not handed over")


async def status_at_every_step(one: Arena) -> Answer:
    """A message's state, from acceptance to acknowledgement; each as described."""
    hand_over = await handed(one)
    path = f"/v1/messages/{hand_over['id']}"
    check(await one.attacker(FISCALIA).call("GET", path), "GET", "/v1/messages/{id}")
    await acknowledge(one, hand_over)
    return await one.attacker(FISCALIA).call("GET", path)


async def acknowledge(one: Arena, hand_over: dict[str, Any]) -> Answer:
    """A good answer, the same again, a bad one."""
    desk = one.attacker(GT_DESK)
    key, now = desk.holding.signature, datetime.now(UTC)
    ref = ContentRef(message_id=hand_over["id"], content_hash=hand_over["content_hash"])
    tokens = [sign_acknowledgement(ref, key, desk=GT_DESK, now=now)] * 2 + ["a.b.c"]
    answer = await desk.post_json("/v1/acknowledgements", {"acknowledgements": tokens})
    first, again, bad = answer.json["results"]
    assert first == again
    assert bad == {"error": {"code": "acknowledgement-invalid"}}
    return answer


async def acknowledged(one: Arena) -> Answer:
    """What an acknowledgement is answered with."""
    return await acknowledge(one, await handed(one))


async def refused(one: Arena) -> Answer:
    """What a refusal is answered with."""
    hand_over = await handed(one)
    desk = one.attacker(GT_DESK)
    ref = ContentRef(message_id=hand_over["id"], content_hash=hand_over["content_hash"])
    reason = RefusalReason.LEGAL_OBSTACLE
    key = desk.holding.signature
    token = sign_refusal(ref, reason, key, desk=GT_DESK, now=datetime.now(UTC))
    answer = await desk.post_json("/v1/refusals", {"refusals": [token]})
    assert answer.json["results"][0]["state"] == "refused"
    return answer


async def found_late(one: Arena) -> Answer:
    """A status with what the desk found after it had answered, and by which safeguard."""
    hand_over = await handed(one)
    await acknowledge(one, hand_over)
    desk = one.attacker(GT_DESK)
    ref = ContentRef(message_id=hand_over["id"], content_hash=hand_over["content_hash"])
    reason, key = RefusalReason.CONTENT_NOT_VALID, desk.holding.signature
    now = datetime.now(UTC)
    token = sign_refusal(ref, reason, key, desk=GT_DESK, now=now, rule="SG-04")
    check(await desk.post_json("/v1/refusals", {"refusals": [token]}), "POST", "/v1/refusals")
    path = f"/v1/messages/{hand_over['id']}"
    answer = await one.attacker(FISCALIA).call("GET", path)
    assert answer.json["recipients"][0]["finding"]["rule"] == "SG-04"
    return answer


async def stated(one: Arena) -> Answer:
    """What a statement of use is answered with, beside one that is none."""
    hand_over = await handed(one)
    desk = one.attacker(GT_DESK)
    ref = ContentRef(message_id=hand_over["id"], content_hash=hand_over["content_hash"])
    key, purpose = desk.holding.signature, str(message()["purpose"]["code"])
    token = sign_use(ref, "analyst", purpose, key, desk=GT_DESK, now=datetime.now(UTC))
    answer = await desk.post_json("/v1/uses", {"uses": [token, "a.b.c"]})
    assert answer.json["results"][0]["purpose"] == purpose
    path = f"/v1/messages/{hand_over['id']}"
    check(await one.attacker(FISCALIA).call("GET", path), "GET", "/v1/messages/{id}")
    return answer


async def waiting_by_a_key(one: Arena) -> Answer:
    """What the desk has not answered, with one message at least."""
    await post(one)
    answer = await one.attacker(GT_DESK).call("GET", "/v1/wraps?key=GT-desk-intelligence-1")
    assert answer.json["wraps"]
    return answer


async def directory_again(one: Arena) -> Answer:
    """The directory, when it is known already."""
    desk = one.attacker(GT_DESK)
    etag = (await desk.call("GET", "/v1/directory")).headers["ETag"]
    return await desk.call("GET", "/v1/directory", headers=[("If-None-Match", etag)])


def token_with(body: bytes, *headers: tuple[str, str]) -> Ask:
    """A token request with this form."""

    async def ask(one: Arena) -> Answer:
        agent = one.attacker(FISCALIA)
        await agent.line.newest_nonce()
        proof = ("DPoP", agent.proof("POST", "/oauth/token"))
        return await agent.line.send(
            "POST", "/oauth/token", headers=[FORM, proof, *headers], body=body
        )

    return ask


GRANT = b"grant_type=client_credentials"
CASES: dict[str, tuple[Ask, int, str, str]] = {
    "a token": (lambda one: one.attacker(FISCALIA).ask_for_token(), 200, "POST", "/oauth/token"),
    "a token of less": (
        lambda one: one.attacker(FISCALIA).ask_for_token(scope="directory:read"),
        200, "POST", "/oauth/token",
    ),
    "a token of more": (
        lambda one: one.attacker(FISCALIA).ask_for_token(scope="admin:exchange"),
        400, "POST", "/oauth/token",
    ),
    "a client unknown": (token_with(GRANT), 401, "POST", "/oauth/token"),
    "another grant": (token_with(b"grant_type=password"), 400, "POST", "/oauth/token"),
    "an empty form": (token_with(b""), 400, "POST", "/oauth/token"),
    "a form too large": (
        token_with(GRANT + b"&x=" + b"x" * 20_000), 413, "POST", "/oauth/token",
    ),
    "a compressed form": (
        token_with(GRANT, ("Content-Encoding", "gzip")), 415, "POST", "/oauth/token",
    ),
    "an accepted message": (post, 202, "POST", "/v1/messages"),
    "a dry run": (
        lambda one: post(one, target="/v1/messages?dry_run=true"), 200, "POST", "/v1/messages",
    ),
    "a violation": (lambda one: post(one, purpose=None), 422, "POST", "/v1/messages"),
    "a closed pair": (
        lambda one: post(one, to={"countries": ["MX"], "compartment": "intelligence"}),
        403, "POST", "/v1/messages",
    ),
    "an unsigned message": (
        call(FISCALIA, "POST", "/v1/messages", b"{}"), 400, "POST", "/v1/messages",
    ),
    "a message too large": (
        call(FISCALIA, "POST", "/v1/messages", b" " * 262_145), 413, "POST", "/v1/messages",
    ),
    "an unknown id": (
        call(FISCALIA, "GET", f"/v1/messages/{NOBODYS_ID}"), 404, "GET", "/v1/messages/{id}",
    ),
    "a settled message": (status_at_every_step, 200, "GET", "/v1/messages/{id}"),
    "a finding": (found_late, 200, "GET", "/v1/messages/{id}"),
    "queues": (call(GT_DESK, "GET", "/v1/queues"), 200, "GET", "/v1/queues"),
    "an agency's queues": (call(FISCALIA, "GET", "/v1/queues"), 403, "GET", "/v1/queues"),
    "a foreign queue": (
        call(HN_DESK, "GET", "/v1/queues/MX.GT.intelligence/messages"),
        404, "GET", "/v1/queues/{queue}/messages",
    ),
    "a wrong parameter": (
        call(GT_DESK, "GET", "/v1/queues/MX.GT.intelligence/messages?wait=x"),
        400, "GET", "/v1/queues/{queue}/messages",
    ),
    "an empty poll": (
        call(HN_DESK, "GET", "/v1/queues/MX.HN.intelligence/messages"),
        200, "GET", "/v1/queues/{queue}/messages",
    ),
    "a foreign stream": (
        call(HN_DESK, "GET", "/v1/stream?queue=MX.GT.intelligence"), 404, "GET", "/v1/stream",
    ),
    "acknowledgements": (acknowledged, 200, "POST", "/v1/acknowledgements"),
    "no acknowledgements": (
        call(GT_DESK, "POST", "/v1/acknowledgements", b'{"acknowledgements":[]}'),
        422, "POST", "/v1/acknowledgements",
    ),
    "refusals": (refused, 200, "POST", "/v1/refusals"),
    "recalls": (call(FISCALIA, "GET", "/v1/recalls?state=all"), 200, "GET", "/v1/recalls"),
    "a desk's recalls": (call(GT_DESK, "GET", "/v1/recalls"), 200, "GET", "/v1/recalls"),
    "dispositions that are none": (
        call(GT_DESK, "POST", "/v1/dispositions", b'{"dispositions":["a.b.c"]}'),
        200, "POST", "/v1/dispositions",
    ),
    "statements of use": (stated, 200, "POST", "/v1/uses"),
    "no statements of use": (
        call(GT_DESK, "POST", "/v1/uses", b'{"uses":[]}'), 422, "POST", "/v1/uses",
    ),
    "what waits by a key": (waiting_by_a_key, 200, "GET", "/v1/wraps"),
    "a key of no form": (
        call(GT_DESK, "GET", "/v1/wraps?key=x"), 400, "GET", "/v1/wraps",
    ),
    "re-wraps that are none": (
        lambda one: one.attacker(GT_DESK).post_json("/v1/wraps", {"wraps": ["a.b.c"]}),
        200, "POST", "/v1/wraps",
    ),
    "a directory": (call(GT_DESK, "GET", "/v1/directory"), 200, "GET", "/v1/directory"),
    "the same directory": (directory_again, 304, "GET", "/v1/directory"),
    "a schema unknown": (
        lambda one: one.line().send("GET", "/schemas/nothing/1.0"),
        404, "GET", "/schemas/{name}/{version}",
    ),
    "a problem": (
        lambda one: one.line().send("GET", "/problems/rate-limited"),
        200, "GET", "/problems/{code}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_answer_is_as_described_when_it_is(small: Arena, name: str) -> None:
    """Status, media type, members and their forms."""
    ask, status, method, path = CASES[name]

    answer = await ask(small)

    assert answer.status == status, answer.body
    check(answer, method, path)


async def test_refusal_is_answered_as_settled_when_the_desk_acknowledged_before(
    small: Arena,
) -> None:
    """Another answer than the first is told so (docs/errors.md), and the first one stands."""
    hand_over = await handed(small)
    await acknowledge(small, hand_over)
    desk = small.attacker(GT_DESK)
    ref = ContentRef(message_id=hand_over["id"], content_hash=hand_over["content_hash"])
    reason, key = RefusalReason.NOT_COMPETENT, desk.holding.signature
    token = sign_refusal(ref, reason, key, desk=GT_DESK, now=datetime.now(UTC))

    answer = await desk.post_json("/v1/refusals", {"refusals": [token]})

    check(answer, "POST", "/v1/refusals")
    path = f"/v1/messages/{hand_over['id']}"
    status = await small.attacker(FISCALIA).call("GET", path)
    assert status.json["recipients"][0]["state"] == "acknowledged"
    assert answer.json["results"] == [{"error": {"code": "delivery-settled"}}]


async def test_stream_is_as_described_when_a_message_comes(small: Arena) -> None:
    """Each event has its number, and one line with a hand-over."""
    desk = small.attacker(GT_DESK)
    await post(small)
    headers = dict(await desk.credentials("GET", "/v1/stream"))
    seen: dict[str, str] = {}
    url = f"{desk.line.address}/v1/stream"
    async with small.http.get(url, headers=headers) as response, asyncio.timeout(PATIENCE):
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        async for line in response.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            seen[name] = value
            if name == "data" and seen.get("event") == "message":
                break

    schema = {
        "$ref": "#/components/schemas/HandOver",
        "components": DESCRIPTION["components"],
    }
    hand_over = json.loads(seen["data"])
    jsonschema_rs.Draft202012Validator(schema).validate(hand_over)
    assert seen["id"] == str(hand_over["hand_over"])


async def test_schemas_and_lists_are_served_when_they_are_listed(small: Arena) -> None:
    """Every address in the list leads somewhere, publicly and cacheable."""
    line = small.line()
    listed = (await line.send("GET", "/schemas")).json

    for path in [*listed["schemas"], *listed["code_lists"]]:
        answer = await line.send("GET", path)
        assert answer.status == 200, path
        assert "public" in answer.headers["Cache-Control"]
        template = "/code-lists/{name}" if "code-lists" in path else "/schemas/{name}/{version}"
        check(answer, "GET", template)


async def test_problem_pages_exist_when_errors_md_names_them(small: Arena) -> None:
    """Each code in docs/errors.md, in both languages, with the status it says."""
    table = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| `([a-z-]+)` \| \d{3} \|", table, re.MULTILINE)
    assert len(codes) > 30

    for code in codes:
        texts = set()
        for language in ("en", "es"):
            answer = await small.line().send(
                "GET", f"/problems/{code}", headers=[("Accept-Language", language)]
            )
            assert answer.headers["Content-Language"] == language
            texts.add(answer.json["title"])
        assert len(texts) == 2, code


async def test_problem_names_its_request_when_it_is_refused(small: Arena) -> None:
    """``instance`` is a URN of the request, ``type`` the page of its code (protocol.md)."""
    answer = await small.line().send("GET", "/v1/queues")

    document = answer.json
    base = small.world.settings.base_url
    assert document["type"] == f"{base}/problems/credentials-missing"
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert document["instance"] == f"urn:enlace:request:{document['request_id']}"
    assert document["status"] == answer.status
    assert document["origin_of_error"] == "sender"


@pytest.mark.parametrize(
    ("asked", "given"),
    [("es", "es"), ("es-MX,en;q=0.5", "es"), ("en", "en"), ("fr", "en"), ("", "en"),
     ("*", "en"), ("x" * 5000, "en"), ("es;q=0", "en"), ("en;q=0.1,es;q=0.9", "es")],
)  # fmt: skip
async def test_problem_speaks_the_readers_language_when_it_knows_it(
    small: Arena, asked: str, given: str
) -> None:
    """English or Spanish, whatever is asked, however oddly."""
    answer = await small.line().send("GET", "/v1/queues", headers=[("Accept-Language", asked)])

    assert answer.headers["Content-Language"] == given


# --- limits and drain -------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="strict")
async def _strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """A gateway that gives hardly any requests."""
    folder = tmp_path_factory.mktemp("strict") / "exchange"
    async with arena(folder, PLAN, address_burst=3, address_requests_per_second=0.1) as one:
        yield one


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/oauth/token"), ("GET", "/v1/queues"), ("GET", "/schemas/{name}/{version}")],
)
async def test_answer_is_as_described_when_the_caller_asks_too_often(
    strict: Arena, method: str, path: str
) -> None:
    """429 with its problem document, at the token endpoint too."""
    line = strict.line()
    answers = [await line.send(method, concrete(path)) for _ in range(5)]
    answer = answers[-1]

    assert answer.verdict == (429, "rate-limited")
    check(answer, method, path)

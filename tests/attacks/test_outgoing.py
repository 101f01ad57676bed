"""Does the gateway ever call anybody?"""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from broker.desk.sign import sign_message
from keys import base64url
from keys.key import SigningKey
from tests.attacks.attacker import FORM, JSON, Arena, arena
from tests.flow.conftest import FISCALIA, GT_DESK, PLAN, Running, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "http://198.51.100.7/keys.json"
"""An address for documentation; nothing answers there."""
WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
           "urllib.Request", "subprocess.Popen", "os.system")  # fmt: skip


class Watch:
    """Sees every connection of this process; an audit hook cannot be taken out, only put off."""

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[tuple[str, str]] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event in WATCHED:
            target = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
            self.seen.append((event, str(target)))

    @contextmanager
    def watching(self) -> Iterator[list[tuple[str, str]]]:
        """Listen for as long as the context lasts."""
        self.seen, self.is_on = [], True
        try:
            yield self.seen
        finally:
            self.is_on = False


WATCH = Watch()


def strangers(seen: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What went anywhere but to this machine."""
    own = ("127.0.0.1", "localhost", "::1")
    return [
        (event, target)
        for event, target in seen
        if not (event.startswith("socket.") and any(name in target for name in own))
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="watched")
async def _watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """A gateway that is watched from its start."""
    with WATCH.watching() as seen:
        async with arena(tmp_path_factory.mktemp("watched") / "exchange", PLAN) as one:
            yield one
    assert not strangers(seen)


async def test_gateway_calls_nobody_when_a_message_goes_all_the_way(watched: Arena) -> None:
    """From posting to acknowledgement, every connection ends on this machine."""
    with WATCH.watching() as seen:
        async with AsyncExitStack() as stack:
            running = Running(world=watched.world, gateway=watched.gateway, stack=stack)
            message_id = await running.post(message())
            inbox = await running.receive(GT_DESK, idle=0.5)

    assert message_id in [line["id"] for line in inbox]
    assert [event for event, _ in seen if event == "socket.connect"], "the watch is blind"
    assert not strangers(seen)


def headed(token: str, key: SigningKey, **header: object) -> str:
    """The same token with more in its header, signed again."""
    first, payload, _ = token.split(".")
    members = json.loads(base64url.decode(first)) | header
    protected = base64url.encode(json.dumps(members).encode())
    signed = key.sign(f"{protected}.{payload}".encode())
    return f"{protected}.{payload}.{base64url.encode(signed)}"


BAIT: list[dict[str, Any]] = [
    {"jku": URL},
    {"x5u": URL},
    {"x5c": [URL]},
    {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
    {"kid": URL},
    {"kid": "../../../../dev/null"},
    {"kid": "' UNION SELECT 1 --"},
    {"iss": URL, "jku": URL, "x5u": URL},
]


@pytest.mark.parametrize("bait", BAIT, ids=str)
async def test_token_endpoint_calls_nobody_when_a_header_names_a_url(
    watched: Arena, bait: dict[str, Any]
) -> None:
    """A key is looked up in the directory or not at all: the request is refused, not followed."""
    attacker = watched.attacker(FISCALIA)
    assertion = headed(attacker.assertion(), attacker.holding.authentication, **bait)
    with WATCH.watching() as seen:
        answer = await attacker.ask_for_token(assertion=assertion)
        proof = attacker.proof("POST", "/oauth/token", header={"jku": URL, "x5u": URL})
        other = await attacker.line.send(
            "POST",
            "/oauth/token",
            headers=[FORM, ("DPoP", proof)],
            body=b"grant_type=client_credentials",
        )

    assert answer.verdict == (401, "invalid_client")
    assert other.verdict == (400, "invalid_dpop_proof")
    assert not strangers(seen)


@pytest.mark.parametrize("bait", [one for one in BAIT if "x5c" not in one], ids=str)
async def test_message_calls_nobody_when_its_signature_names_a_url(
    watched: Arena, bait: dict[str, Any]
) -> None:
    """The same for the signature of a message."""
    attacker, body = watched.attacker(FISCALIA), as_bytes(message())
    key = attacker.holding.signature
    good = sign_message(body, key, agency=FISCALIA, now=datetime.now(UTC))
    members = json.loads(base64url.decode(good.signature.split(".")[0])) | bait
    protected = base64url.encode(json.dumps(members).encode())
    signature = f"{protected}..{base64url.encode(key.sign(protected.encode() + b'.' + body))}"
    with WATCH.watching() as seen:
        answer = await attacker.call(
            "POST", "/v1/messages", headers=[JSON, ("Message-Signature", signature)], body=body
        )

    assert answer.verdict == (403, "signature-invalid")
    assert not strangers(seen)


@pytest.mark.parametrize("member", ["$schema", "$ref", "$id", "$dynamicRef", "@context", "schema"])
async def test_message_calls_nobody_when_a_member_refers_to_a_schema(
    watched: Arena, member: str
) -> None:
    """A reference in a message is a member that nobody asked for."""
    attacker = watched.attacker(FISCALIA)
    documents = [message(), message(), message()]
    documents[0][member] = URL
    documents[1]["body"][member] = URL
    documents[2]["purpose"][member] = URL
    with WATCH.watching() as seen:
        for document in documents:
            posting = sign_message(
                as_bytes(document),
                attacker.holding.signature,
                agency=FISCALIA,
                now=datetime.now(UTC),
            )
            signature = ("Message-Signature", posting.signature)
            answer = await attacker.call(
                "POST", "/v1/messages", headers=[JSON, signature], body=posting.body
            )
            assert answer.verdict == (422, "schema-violation")

    assert not strangers(seen)


@pytest.mark.parametrize(
    "target",
    ["/schemas/http/1.0", "/code-lists/file", "/schemas?url=http://198.51.100.7/",
     "/openapi.json?$ref=http://198.51.100.7/"],
)  # fmt: skip
async def test_public_page_calls_nobody_when_its_address_names_a_url(
    watched: Arena, target: str
) -> None:
    """Schemas come from the package."""
    with WATCH.watching() as seen:
        await watched.line().send("GET", target)

    assert not strangers(seen)

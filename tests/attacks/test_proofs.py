"""A token without its key, a proof that is not for this request, a proof that was used."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from broker.model.names import DeskRef
from broker.sandbox.ports import free_ports
from keys import base64url
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey
from tests.attacks.attacker import DROP, FORM, Arena, Attacker, Headers, second_gateway
from tests.flow import test_crashes
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, PGN

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/queues"
RACERS = 20


def fresh_key() -> SigningKey:
    """A key that no token is bound to."""
    return SigningKey.generate(SignatureAlgorithm.ES256, KeyId("GW-thief"))


def seconds(shift: int) -> int:
    """A moment as claims say it."""
    return int(datetime.now(UTC).timestamp()) + shift


Make = Callable[[Attacker, str], str]


def spoilt(**claims: Any) -> Make:
    """A proof with wrong claims."""
    return lambda one, token: one.proof("GET", PATH, access_token=token, **claims)


def headed(**header: object) -> Make:
    """A proof with a wrong header."""
    return lambda one, token: one.proof("GET", PATH, access_token=token, header=header)


def with_private_key(one: Attacker, token: str) -> str:
    """A proof that shows its private key too."""
    jwk = {name: value for name, value in one.key.public.jwk().items() if name != "kid"}
    return one.proof("GET", PATH, access_token=token, header={"jwk": {**jwk, "d": "A" * 43}})


def by_another_key(one: Attacker, token: str) -> str:
    """A proof of a key that the token is not bound to."""
    return one.proof("GET", PATH, access_token=token, key=fresh_key())


def by_another_key_in_disguise(one: Attacker, token: str) -> str:
    """Signed by the thief, showing the owner's key."""
    jwk = {name: value for name, value in one.key.public.jwk().items() if name != "kid"}
    return one.proof("GET", PATH, access_token=token, key=fresh_key(), header={"jwk": jwk})


def at(path: str) -> Make:
    """A proof for another place of this gateway."""
    return lambda one, token: one.proof("GET", path, access_token=token)


INVALID = ("proof-invalid",)
NONCE = ("proof-nonce",)
BAD_PROOFS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "htm of another method": (spoilt(htm="POST"), INVALID),
    "htm in lower case": (spoilt(htm="get"), INVALID),
    "no htm": (spoilt(htm=DROP), INVALID),
    "htm is no text": (spoilt(htm=["GET"]), INVALID),
    "htu of another path": (at("/v1/directory"), INVALID),
    "htu with a longer path": (at(PATH + "/"), INVALID),
    "htu of another host": (spoilt(htu="https://evil.example/v1/queues"), INVALID),
    "htu of our host as user": (spoilt(htu="https://localhost@evil.example/v1/queues"), INVALID),
    "htu without TLS": (
        lambda one, token: one.proof(
            "GET",
            PATH,
            access_token=token,
            htu=one.line.base_url.replace("https", "http") + PATH,
        ),
        INVALID,
    ),
    "htu is a path": (spoilt(htu=PATH), INVALID),
    "no htu": (spoilt(htu=DROP), INVALID),
    "ath of another token": (
        lambda one, _: one.proof("GET", PATH, access_token="another"),
        INVALID,
    ),
    "no ath": (spoilt(ath=DROP), INVALID),
    "ath is null": (spoilt(ath=None), INVALID),
    "nonce of our own": (spoilt(nonce=secrets.token_urlsafe(32)), NONCE),
    "empty nonce": (spoilt(nonce=""), NONCE + INVALID),
    "no nonce": (spoilt(nonce=DROP), NONCE),
    "nonce is a list": (spoilt(nonce=["x"]), NONCE + INVALID),
    "iat of ten minutes ago": (spoilt(iat=seconds(-600)), INVALID),
    "iat of ten minutes ahead": (spoilt(iat=seconds(600)), INVALID),
    "iat beyond all clocks": (spoilt(iat=10**15), INVALID),
    "iat is text": (spoilt(iat="now"), INVALID),
    "iat is true": (spoilt(iat=True), INVALID),
    "no iat": (spoilt(iat=DROP), INVALID),
    "no jti": (spoilt(jti=DROP), INVALID),
    "jti of two thousand characters": (spoilt(jti="x" * 2000), INVALID),
    "typ of a token": (headed(typ="at+jwt"), INVALID),
    "no typ": (headed(typ=DROP), INVALID),
    "alg none": (headed(alg="none"), INVALID),
    "alg of a secret": (headed(alg="HS256"), INVALID),
    "crit": (headed(crit=["exp"], exp=1), INVALID),
    "a URL for the key": (headed(jku="https://evil.example/jwks.json"), INVALID),
    "no key": (headed(jwk=DROP), INVALID),
    "a private key": (with_private_key, INVALID),
    "another key": (by_another_key, ("token-invalid", "proof-invalid")),
    "another key in disguise": (by_another_key_in_disguise, INVALID),
    "no proof at all": (lambda _, __: "", INVALID),
    "the token itself": (lambda _, token: token, INVALID),
    "three dots": (lambda _, __: "...", INVALID),
}


@pytest.mark.parametrize("name", BAD_PROOFS)
async def test_request_is_refused_when_its_proof_is_not_for_it(small: Arena, name: str) -> None:
    """A valid token beside a proof with one thing wrong."""
    one = small.attacker(GT_DESK)
    make, codes = BAD_PROOFS[name]
    access_token = await one.token()
    await one.line.newest_nonce()
    headers = [("Authorization", f"DPoP {access_token}"), ("DPoP", make(one, access_token))]

    answer = await one.line.send("GET", PATH, headers=headers)

    assert answer.status == 401
    assert answer.code in codes
    assert "DPoP-Nonce" in answer.headers
    assert answer.headers["WWW-Authenticate"].startswith("DPoP ")


async def test_request_is_refused_when_it_has_two_proofs(small: Arena) -> None:
    """Two good proofs are one too many, in two headers or in one."""
    one = small.attacker(GT_DESK)
    authorization, first = await one.credentials("GET", PATH)
    second = (await one.credentials("GET", PATH))[1]
    joined = ("DPoP", f"{first[1]}, {second[1]}")

    for headers in ([authorization, first, second], [authorization, joined]):
        answer = await one.line.send("GET", PATH, headers=headers)
        assert answer.verdict == (401, "proof-invalid")


async def test_request_is_refused_when_it_has_two_tokens(small: Arena) -> None:
    """Two Authorization headers: nobody shall choose between them."""
    one, other = small.attacker(GT_DESK), small.attacker(HN_DESK)
    own, foreign = await one.credentials("GET", PATH), await other.credentials("GET", PATH)

    answer = await one.line.send("GET", PATH, headers=[own[0], foreign[0], own[1]])

    # The parser may refuse it before us.
    assert answer.status in (400, 401)


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "DPoP,", "DPoPx", "Token", ""])
async def test_request_is_refused_when_the_scheme_is_not_dpop(small: Arena, scheme: str) -> None:
    """A bound token is not a bearer token, with a good proof or without."""
    one = small.attacker(GT_DESK)
    access_token = await one.token()
    authorization = ("Authorization", f"{scheme} {access_token}")
    proof = (await one.credentials("GET", PATH))[1]

    for headers in ([authorization], [authorization, proof]):
        answer = await one.line.send("GET", PATH, headers=headers)
        assert answer.status == 401
        assert answer.code in ("token-invalid", "credentials-missing")


@pytest.mark.parametrize("place", ["query", "body", "cookie"])
async def test_request_is_refused_when_the_token_is_elsewhere(small: Arena, place: str) -> None:
    """A token has one place (RFC 6750's other two are not ours)."""
    one = small.attacker(GT_DESK)
    authorization, proof = await one.credentials("GET", PATH)
    access_token = authorization[1].partition(" ")[2]
    target = f"{PATH}?access_token={access_token}" if place == "query" else PATH
    headers = [proof, *([("Cookie", f"access_token={access_token}")] if place == "cookie" else [])]
    body = f"access_token={access_token}".encode() if place == "body" else None

    answer = await one.line.send("GET", target, headers=[*headers, FORM], body=body)

    assert answer.status == 401
    assert access_token.encode() not in answer.body


@pytest.mark.parametrize("thief", [HN_DESK, FISCALIA, PGN], ids=str)
async def test_stolen_token_opens_nothing_when_the_thief_has_keys_of_his_own(
    small: Arena, thief: DeskRef
) -> None:
    """The thief is a member in good standing, and proves his own key."""
    owner, member = small.attacker(GT_DESK), small.attacker(thief)
    stolen = await owner.token()
    await member.token()
    proof = member.proof("GET", PATH, access_token=stolen)

    answer = await member.line.send(
        "GET", PATH, headers=[("Authorization", f"DPoP {stolen}"), ("DPoP", proof)]
    )

    assert answer.status == 401
    assert answer.code in ("token-invalid", "proof-invalid")


def _swap(part: int) -> Callable[[str, str], str]:
    def swap(own: str, other: str) -> str:
        parts = own.split(".")
        parts[part] = other.split(".")[part]
        return ".".join(parts)

    return swap


PROOF_HEADER = base64url.encode(b'{"alg":"Ed25519","typ":"dpop+jwt"}')
MIXTURES: dict[str, Callable[[str, str], str]] = {
    "the proof's header": lambda own, _: ".".join([PROOF_HEADER, *own.split(".")[1:]]),
    "another's claims": _swap(1),
    "another's signature": _swap(2),
    "no signature": lambda own, _: own.rpartition(".")[0] + ".",
    "a part too many": lambda own, _: own + ".AAAA",
    "trailing space inside": lambda own, _: own + " x",
    "padding": lambda own, _: own + "==",
}


@pytest.mark.parametrize("name", MIXTURES)
async def test_request_is_refused_when_its_token_is_a_mixture(small: Arena, name: str) -> None:
    """Parts of two good tokens make no token."""
    one, other = small.attacker(GT_DESK), small.attacker(HN_DESK)
    own, foreign = await one.token(), await other.token()
    mixture = MIXTURES[name](own, foreign)
    proof = one.proof("GET", PATH, access_token=mixture)

    answer = await one.line.send(
        "GET", PATH, headers=[("Authorization", f"DPoP {mixture}"), ("DPoP", proof)]
    )

    assert answer.verdict in ((401, "token-invalid"), (401, "proof-invalid"))


async def test_request_is_refused_when_its_token_is_an_assertion_or_a_receipt(
    small: Arena,
) -> None:
    """What we signed for another purpose, or the client for us, is no access token."""
    one = small.attacker(GT_DESK)
    await one.line.newest_nonce()
    for other in (one.assertion(), one.proof("GET", PATH)):
        proof = one.proof("GET", PATH, access_token=other)
        answer = await one.line.send(
            "GET", PATH, headers=[("Authorization", f"DPoP {other}"), ("DPoP", proof)]
        )
        assert answer.verdict == (401, "token-invalid")


async def test_proof_is_refused_when_it_comes_again_at_any_resource(small: Arena) -> None:
    """A recorded request, repeated; also with another query."""
    one = small.attacker(GT_DESK)
    for target in (PATH, "/v1/directory", "/v1/queues/MX.GT.intelligence/messages?wait=0"):
        headers = await one.credentials("GET", target)
        assert (await one.line.send("GET", target, headers=headers)).status == 200

        other = target.partition("?")[0]
        for again in (target, other):
            answer = await one.line.send("GET", again, headers=headers)
            assert answer.verdict == (401, "proof-replayed")


async def test_proof_of_the_token_endpoint_opens_nothing_when_used_at_a_resource(
    small: Arena,
) -> None:
    """It lacks ``ath``, and is for another place."""
    one = small.attacker(GT_DESK)
    access_token = await one.token()
    headers = [
        ("Authorization", f"DPoP {access_token}"),
        ("DPoP", one.proof("POST", "/oauth/token")),
    ]

    assert (await one.line.send("GET", PATH, headers=headers)).verdict == (401, "proof-invalid")


async def race(send: Callable[[int], Awaitable[tuple[int, str]]]) -> list[tuple[int, str]]:
    """Let everybody run at once."""
    start = asyncio.Event()

    async def run(number: int) -> tuple[int, str]:
        await start.wait()
        return await send(number)

    tasks = [asyncio.create_task(run(number)) for number in range(RACERS)]
    await asyncio.sleep(0)
    start.set()
    return await asyncio.gather(*tasks)


async def one_proof_at(lines: list[Attacker], owner: Attacker) -> list[tuple[int, str]]:
    """Send one request twenty times at once, to the gateways in turn."""
    headers: Headers = await owner.credentials("GET", PATH)

    async def send(number: int) -> tuple[int, str]:
        answer = await lines[number % len(lines)].line.send("GET", PATH, headers=headers)
        return (200, "ok") if answer.status == 200 else answer.verdict

    return await race(send)


LOSERS = [(401, "proof-replayed")] * (RACERS - 1)


async def test_proof_opens_once_when_twenty_requests_race(small: Arena) -> None:
    """Twenty connections, one proof, one winner."""
    owner = small.attacker(GT_DESK)
    await owner.token()

    for _ in range(3):
        assert sorted(await one_proof_at([owner], owner)) == [(200, "ok"), *LOSERS]


async def test_proof_opens_once_when_two_gateways_race(small: Arena) -> None:
    """The store is the ledger's, not the process's."""
    owner = small.attacker(GT_DESK)
    await owner.token()
    async with second_gateway(small.world) as (address, _):
        lines = [owner, small.newcomer(GT_DESK, address)]

        for _ in range(3):
            assert sorted(await one_proof_at(lines, owner)) == [(200, "ok"), *LOSERS]


async def test_assertion_gives_one_token_when_two_gateways_race(small: Arena) -> None:
    """An assertion is spent once, wherever it is shown; each racer proves a key of his own."""
    async with second_gateway(small.world) as (address, _):
        racers = [
            small.newcomer(GT_DESK, address if number % 2 else None) for number in range(RACERS)
        ]
        for racer in racers:
            await racer.line.newest_nonce()
        assertion = racers[0].assertion()

        async def send(number: int) -> tuple[int, str]:
            answer = await racers[number].ask_for_token(assertion=assertion)
            return (200, "ok") if answer.status == 200 else answer.verdict

        answers = await race(send)

    assert sorted(answers) == [(200, "ok"), *[(401, "invalid_client")] * (RACERS - 1)]


@pytest_asyncio.fixture(loop_scope="module", name="process_address")
async def _process_address(small: Arena, tmp_path: Path) -> AsyncIterator[str]:
    """A gateway in a process of its own, on the same ledger."""
    port, management = free_ports(2)
    log = tmp_path / "gateway.log"
    world = small.world
    settings = world.settings.model_copy(
        update={"listen": f"127.0.0.1:{port}", "management_listen": f"127.0.0.1:{management}"}
    )
    other = replace(world, settings=settings)
    async with test_crashes.gateway(other, "never"):
        address = f"https://localhost:{port}"
        line = small.line(address)
        for _ in range(200):
            try:
                await line.newest_nonce()
                break
            except OSError:
                await asyncio.sleep(0.1)
        else:
            pytest.fail(f"the second gateway did not start: {log}")
        yield address


async def test_proof_opens_once_when_two_processes_race(small: Arena, process_address: str) -> None:
    """What one process spent, the other one knows; nonce and token are good at both."""
    owner = small.attacker(GT_DESK)
    await owner.token()
    lines = [owner, small.newcomer(GT_DESK, process_address)]

    for _ in range(3):
        assert sorted(await one_proof_at(lines, owner)) == [(200, "ok"), *LOSERS]

    headers = await owner.credentials("GET", PATH)
    assert (await owner.line.send("GET", PATH, headers=headers)).status == 200
    answer = await lines[1].line.send("GET", PATH, headers=headers)
    assert answer.verdict == (401, "proof-replayed")

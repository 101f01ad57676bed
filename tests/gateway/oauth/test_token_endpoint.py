"""The token endpoint over HTTP: what it gives, and the words in which it refuses."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from broker.errors import Code, LedgerUnavailableError
from broker.gateway import oauth_form
from broker.model.names import Scope
from keys import base64url
from tests.admission.credentials import DROP, NONCES, NOW, SECONDS, TOKEN_URL, Client
from tests.gateway.oauth.world import OAuthWorld

PATH = "/oauth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
Http = TestClient[Any, Any]


def form(client: Client, **changes: object) -> dict[str, str]:
    """Write a good form, with some parameters replaced or dropped."""
    good = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": client.assertion(),
    }
    return {name: str(value) for name, value in {**good, **changes}.items() if value is not DROP}


async def ask(
    http: Http, client: Client, *, proof: str | None = None, **changes: object
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """Ask for a token; every answer has the headers that all must have."""
    return await post(http, urlencode(form(client, **changes)), DPoP=proof or client.proof())


async def post(
    http: Http, body: str | bytes, **headers: str
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """Post raw bytes."""
    async with http.post(PATH, data=body, headers={"Content-Type": FORM, **headers}) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert NONCES.accepts(response.headers["DPoP-Nonce"], NOW)
        assert response.content_type == "application/json"
        return response.status, await response.json(), response.headers


async def test_token_is_given_when_client_and_proof_are_good(http: Http, world: OAuthWorld) -> None:
    """The answer is RFC 6749's, and the token holds what RFC 9068 asks for."""
    status, answer, _ = await ask(http, world.client)

    assert status == 200
    access_token = answer.pop("access_token")
    assert answer == {
        "token_type": "DPoP",
        "expires_in": 300,
        "scope": "directory:read messages:send",
    }
    claims = json.loads(base64url.decode(access_token.split(".")[1]))
    assert claims["cnf"] == {"jkt": world.client.jkt}
    assert claims["aud"] == claims["iss"] == world.base_url
    # Whose client it is, only the directory says.
    assert not {"country", "agency"} & claims.keys()


SCOPES = {
    "a subset": ("messages:send", "messages:send"),
    "all": ("messages:send directory:read", "directory:read messages:send"),
    "left empty": ("", "directory:read messages:send"),
}


@pytest.mark.parametrize(("asked", "given"), SCOPES.values(), ids=SCOPES)
async def test_token_carries_the_scopes_when_the_client_has_them(
    http: Http, world: OAuthWorld, asked: str, given: str
) -> None:
    """A client can ask for less than it has."""
    status, answer, _ = await ask(http, world.client, scope=asked)

    assert (status, answer["scope"]) == (200, given)


@pytest.mark.parametrize("scope", ["admin:exchange", "messages:send admin:country", "root"])
async def test_token_is_refused_when_the_scope_is_not_the_client_s(
    http: Http, world: OAuthWorld, scope: str
) -> None:
    """Nothing is granted in part."""
    status, answer, _ = await ask(http, world.client, scope=scope)

    assert (status, answer["error"]) == (400, "invalid_scope")


async def test_token_is_refused_when_the_client_has_no_scope(http: Http, world: OAuthWorld) -> None:
    """A client that may do nothing gets no token for it."""
    world.register(world.client)

    status, answer, _ = await ask(http, world.client)

    assert (status, answer["error"]) == (400, "invalid_scope")


async def test_nonce_is_asked_for_when_the_first_proof_has_none(
    http: Http, world: OAuthWorld
) -> None:
    """RFC 9449 section 8: the second try, with the same assertion, succeeds."""
    assertion = world.client.assertion()
    status, answer, headers = await ask(
        http, world.client, proof=world.client.proof(nonce=DROP), client_assertion=assertion
    )
    assert (status, answer["error"]) == (400, "use_dpop_nonce")

    second = world.client.proof(nonce=headers["DPoP-Nonce"])
    status, _, _ = await ask(http, world.client, proof=second, client_assertion=assertion)

    assert status == 200


WRONG_PROOFS: dict[str, dict[str, object]] = {
    "another URL": {"htu": "https://evil.test/oauth/token"},
    "the Host that was called": {"htu": "http://127.0.0.1/oauth/token"},
    "another method": {"htm": "GET"},
    "too old": {"iat": SECONDS - 61},
    "ahead": {"iat": SECONDS + 11},
    "no jti": {"jti": DROP},
}


@pytest.mark.parametrize("claims", WRONG_PROOFS.values(), ids=WRONG_PROOFS)
async def test_token_is_refused_when_the_proof_is_wrong(
    http: Http, world: OAuthWorld, claims: dict[str, Any]
) -> None:
    """In the words of RFC 9449 section 5."""
    status, answer, _ = await ask(http, world.client, proof=world.client.proof(**claims))

    assert (status, answer["error"]) == (400, "invalid_dpop_proof")


async def test_token_is_refused_when_there_is_no_proof_or_two(
    http: Http, world: OAuthWorld
) -> None:
    """A token without a key behind it is never given."""
    body = urlencode(form(world.client))
    no_proof = await post(http, body)
    headers = [("Content-Type", FORM), *(("DPoP", world.client.proof()) for _ in range(2))]
    async with http.post(PATH, data=body, headers=headers) as response:
        two_proofs = response.status, await response.json()

    assert (no_proof[0], no_proof[1]["error"]) == (400, "invalid_dpop_proof")
    assert (two_proofs[0], two_proofs[1]["error"]) == (400, "invalid_dpop_proof")


async def test_token_is_refused_when_the_proof_comes_again(http: Http, world: OAuthWorld) -> None:
    """A proof is spent once, whatever assertion comes with it."""
    proof = world.client.proof()

    first = await ask(http, world.client, proof=proof)
    again = await ask(http, world.client, proof=proof)

    assert first[0] == 200
    assert (again[0], again[1]["error"]) == (400, "invalid_dpop_proof")


async def test_token_is_refused_when_the_assertion_comes_again(
    http: Http, world: OAuthWorld
) -> None:
    """An assertion is spent once, whoever sends it with whichever key."""
    assertion = world.client.assertion()

    first = await ask(http, world.client, client_assertion=assertion)
    again = await ask(http, Client("SV.fgr"), client_assertion=assertion)

    assert first[0] == 200
    assert (again[0], again[1]["error"]) == (401, "invalid_client")


async def test_token_is_given_once_when_an_assertion_races(http: Http, world: OAuthWorld) -> None:
    """Of many requests with one assertion exactly one succeeds."""
    assertion = world.client.assertion()

    answers = await asyncio.gather(
        *(ask(http, world.client, client_assertion=assertion) for _ in range(8))
    )

    assert sorted(status for status, _, _ in answers) == [200, *[401] * 7]


async def test_unknown_client_is_answered_alike_when_compared_with_a_known_one(
    http: Http, world: OAuthWorld
) -> None:
    """Body, status and headers are the same to the byte."""
    stranger = Client("SV.fgr")
    wrong_key = Client(world.client.client_id)
    answers = [
        await ask(http, world.client, client_assertion=each.assertion())
        for each in (stranger, wrong_key)
    ]
    answers.append(await ask(http, world.client, client_assertion="garbage"))
    answers.append(await ask(http, world.client, client_assertion=DROP))
    answers.append(await ask(http, world.client, client_assertion_type="urn:other"))
    answers.append(await ask(http, world.client, client_id="GT.mp"))

    comparable = [
        (status, body, {name: value for name, value in headers.items() if name != "Date"})
        for status, body, headers in answers
    ]
    assert comparable == [comparable[0]] * 6
    status, body, headers = answers[0]
    assert (status, body["error"]) == (401, "invalid_client")
    assert headers["WWW-Authenticate"].startswith("DPoP ")


async def test_token_is_given_when_client_id_repeats_the_assertion(
    http: Http, world: OAuthWorld
) -> None:
    """RFC 7521 section 4.2 lets a client say its id beside the assertion."""
    status, _, _ = await ask(http, world.client, client_id=world.client.client_id)

    assert status == 200


async def test_token_is_refused_when_the_client_was_removed(http: Http, world: OAuthWorld) -> None:
    """The directory decides at every request."""
    world.clients.clear()

    status, answer, _ = await ask(http, world.client)

    assert (status, answer["error"]) == (401, "invalid_client")


MALFORMED = {
    "grant_type missing": ({"grant_type": DROP}, "invalid_request"),
    "grant_type empty": ({"grant_type": ""}, "invalid_request"),
    "grant_type password": ({"grant_type": "password"}, "unsupported_grant_type"),
    "grant_type jwt-bearer": (
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type",
    ),
    "a client secret too": ({"client_secret": "s"}, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "error"), MALFORMED.values(), ids=MALFORMED)
async def test_token_is_refused_when_the_request_is_malformed(
    http: Http, world: OAuthWorld, changes: dict[str, Any], error: str
) -> None:
    """In the words of RFC 6749 section 5.2."""
    status, answer, _ = await ask(http, world.client, **changes)

    assert (status, answer["error"]) == (400, error)
    assert answer["error_description"]


async def test_token_is_refused_when_the_client_also_uses_basic(
    http: Http, world: OAuthWorld
) -> None:
    """RFC 6749 section 2.3: one way of authentication in a request."""
    status, answer, _ = await post(
        http,
        urlencode(form(world.client)),
        DPoP=world.client.proof(),
        Authorization=aiohttp.encode_basic_auth("MX.fiscalia", "x"),
    )

    assert (status, answer["error"]) == (400, "invalid_request")


BODIES = {
    "a parameter twice": ("grant_type=client_credentials&grant_type=client_credentials", FORM),
    "a parameter twice by an escape": (
        "grant_type=client_credentials&%67rant_type=client_credentials", FORM,
    ),
    "an unknown parameter twice": ("grant_type=client_credentials&x=1&x=2", FORM),
    "seventeen parameters": ("&".join(f"p{each}=1" for each in range(17)), FORM),
    "no form at all": ("grant_type", FORM),
    "nothing": ("", FORM),
    "bytes beyond ASCII": ("grant_type=ñ".encode(), FORM),
    "an escape that is not UTF-8": ("grant_type=%ff", FORM),
    "JSON": ('{"grant_type":"client_credentials"}', "application/json"),
    "a form said to be JSON": ("grant_type=client_credentials", "application/json"),
    "multipart": ("--x\r\n", "multipart/form-data; boundary=x"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "content_type"), BODIES.values(), ids=BODIES)
async def test_token_is_refused_when_the_body_is_no_clean_form(
    http: Http, world: OAuthWorld, body: str | bytes, content_type: str
) -> None:
    """Two readers of the form must see one request."""
    headers = {"Content-Type": content_type, "DPoP": world.client.proof()}

    async with http.post(PATH, data=body, headers=headers) as response:
        answer = await response.json()

    assert (response.status, answer["error"]) == (400, "invalid_request")
    assert "DPoP-Nonce" in response.headers


async def test_token_is_refused_when_the_body_is_compressed(http: Http, world: OAuthWorld) -> None:
    """A bomb is not inflated."""
    headers = {"Content-Type": FORM, "DPoP": world.client.proof(), "Content-Encoding": "identity"}

    async with http.post(PATH, data=urlencode(form(world.client)), headers=headers) as response:
        assert response.status == 400


async def test_token_is_refused_when_the_body_is_too_large(http: Http, world: OAuthWorld) -> None:
    """16 KiB is the end, said or not."""
    body = "pad=" + "x" * oauth_form.MAX_BODY_BYTES

    status, answer, _ = await post(http, body, DPoP=world.client.proof())

    assert (status, answer["error"]) == (413, "invalid_request")


async def test_token_is_refused_when_the_body_does_not_end(
    http: Http, world: OAuthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow body does not hold a connection for ever."""
    monkeypatch.setattr(oauth_form, "READ_DEADLINE", timedelta(milliseconds=50))
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)

    writer.write(
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n"
        f"DPoP: {world.client.proof()}\r\nContent-Length: 100\r\n\r\ngrant".encode()
    )
    status_line = await asyncio.wait_for(reader.readline(), timeout=5)
    writer.close()
    await writer.wait_closed()

    assert b" 408 " in status_line


async def test_token_is_refused_when_the_query_carries_the_form(
    http: Http, world: OAuthWorld
) -> None:
    """Credentials in a URL end up in logs; they are not read there."""
    async with http.post(
        f"{PATH}?{urlencode(form(world.client))}",
        data="x=1",
        headers={"Content-Type": FORM, "DPoP": world.client.proof()},
    ) as response:
        answer = await response.json()

    assert (response.status, answer["error"]) == (400, "invalid_request")


async def test_token_is_not_given_by_get_when_everything_else_is_good(
    http: Http, world: OAuthWorld
) -> None:
    """RFC 6749 section 3.2: the client must use POST."""
    async with http.get(PATH, params=form(world.client)) as response:
        assert response.status == 405


async def test_error_never_repeats_what_was_sent_when_it_refuses(
    http: Http, world: OAuthWorld
) -> None:
    """Descriptions are fixed texts."""
    for name in ("scope", "grant_type", "client_id", "client_assertion"):
        _, answer, _ = await ask(http, world.client, **{name: "mark-of-the-sender"})
        assert "mark-of-the-sender" not in json.dumps(answer)


class BrokenProofs:
    """A store that is away."""

    async def spend(self, value: bytes, *, until: datetime, now: datetime) -> bool:
        """Never answer."""
        del value, until, now
        raise LedgerUnavailableError(Code.LEDGER_UNAVAILABLE)


async def test_token_is_refused_for_now_when_the_store_is_away(world: OAuthWorld) -> None:
    """Without the store a replay could not be told: fail closed, and say when to come back."""
    world.proofs = BrokenProofs()
    async with TestClient(TestServer(world.app())) as broken:
        status, answer, headers = await ask(broken, world.client)

    assert (status, answer["error"]) == (503, "temporarily_unavailable")
    assert headers["Retry-After"] == "5"


async def test_proof_is_not_spent_when_the_client_is_refused(http: Http, world: OAuthWorld) -> None:
    """Who is nobody fills no store."""
    await ask(http, Client("SV.fgr"))

    assert world.proofs.spent == {}  # type: ignore[attr-defined] # the fake's


async def test_scope_changes_at_once_when_the_client_is_changed(
    http: Http, world: OAuthWorld
) -> None:
    """The next token has what the directory says now."""
    world.register(world.client, Scope.AUDIT_READ)

    _, answer, _ = await ask(http, world.client)

    assert answer["scope"] == "audit:read"
    assert TOKEN_URL.endswith(PATH)

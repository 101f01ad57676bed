"""Who calls a resource? Token, proof and directory have to agree, at every request."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from broker.errors import ConfigurationError
from broker.model.names import Scope
from tests.admission.credentials import BASE_URL, DROP, SECONDS, Client
from tests.gateway.oauth.world import RESOURCE, OAuthWorld

Http = TestClient[Any, Any]
THIEF = Client("SV.fgr")


def issue(world: OAuthWorld, *scopes: Scope) -> str:
    """Give the world's client a token."""
    return world.access().tokens.issue(
        world.client.client_id,
        scopes=scopes or (Scope.MESSAGES_SEND,),
        jkt=world.client.jkt,
        now=world.now,
    )


def proof(client: Client, token: str, **claims: Any) -> str:
    """Prove possession for the resource."""
    good = {"htm": "GET", "htu": BASE_URL + RESOURCE, "access_token": token}
    return client.proof(**{**good, **claims})


async def get(
    http: Http, token: str, dpop: str | None, *, scheme: str = "DPoP", query: str = ""
) -> tuple[int, dict[str, Any]]:
    """Call the resource."""
    headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": dpop} if dpop else {})
    async with http.get(RESOURCE + query, headers=headers) as response:
        assert (response.status == 200) or "DPoP-Nonce" in response.headers
        return response.status, await response.json()


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
async def test_caller_is_named_from_the_directory_when_all_is_good(
    http: Http, world: OAuthWorld, scheme: str
) -> None:
    """Country and agency are the registered client's."""
    token = issue(world)

    answer = await get(http, token, proof(world.client, token), scheme=scheme, query="?a=b")

    assert answer == (
        200,
        {"client_id": "MX.fiscalia", "subject": "MX/fiscalia", "scopes": ["messages:send"]},
    )


WRONG: dict[str, tuple[str, Callable[[Client, str], str | None]]] = {
    "no proof": ("proof-invalid", lambda _, __: None),
    "a proof without ath": ("proof-invalid", lambda c, t: proof(c, t, ath=DROP)),
    "a proof for another token": ("proof-invalid", lambda c, _: proof(c, "another")),
    "a proof for another path": (
        "proof-invalid", lambda c, t: proof(c, t, htu=f"{BASE_URL}/v1/messages"),
    ),
    "a proof for another method": ("proof-invalid", lambda c, t: proof(c, t, htm="POST")),
    "a proof of a minute ago": ("proof-invalid", lambda c, t: proof(c, t, iat=SECONDS - 61)),
    "a proof without nonce": ("proof-nonce", lambda c, t: proof(c, t, nonce=DROP)),
    "a thief's proof": ("token-invalid", lambda _, t: proof(THIEF, t)),
    "a thief's proof with the owner's key named": (
        "proof-invalid", lambda c, t: proof(THIEF, t, header={"jwk": c.dpop_jwk}),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "make"), WRONG.values(), ids=WRONG)
async def test_request_is_refused_when_the_proof_is_not_good_for_it(
    http: Http, world: OAuthWorld, code: str, make: Callable[[Client, str], str | None]
) -> None:
    """A stolen token, or a proof made for something else, opens nothing."""
    token = issue(world)

    assert await get(http, token, make(world.client, token)) == (401, {"code": code})


async def test_request_is_refused_when_its_proof_comes_again(http: Http, world: OAuthWorld) -> None:
    """Also with the same token, method and URL."""
    token = issue(world)
    dpop = proof(world.client, token)

    assert (await get(http, token, dpop))[0] == 200
    assert await get(http, token, dpop) == (401, {"code": "proof-replayed"})


async def test_proof_is_not_spent_when_the_token_is_refused(http: Http, world: OAuthWorld) -> None:
    """Who has no token fills no store."""
    await get(http, issue(world), proof(THIEF, issue(world)))

    assert world.proofs.spent == {}  # type: ignore[attr-defined] # the fake's


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "DPoP-x"])
async def test_request_is_refused_when_the_scheme_is_not_dpop(
    http: Http, world: OAuthWorld, scheme: str
) -> None:
    """RFC 9449 section 7.1: a bound token is no bearer token."""
    token = issue(world)

    answer = await get(http, token, proof(world.client, token), scheme=scheme)

    assert answer == (401, {"code": "token-invalid"})


async def test_request_is_refused_when_it_has_no_credentials_or_two(
    http: Http, world: OAuthWorld
) -> None:
    """One Authorization header, neither less nor more."""
    token = issue(world)
    twice = [("Authorization", f"DPoP {token}")] * 2 + [("DPoP", proof(world.client, token))]

    async with http.get(RESOURCE) as response:
        assert await response.json() == {"code": "credentials-missing"}
    async with http.get(RESOURCE, headers=twice) as response:
        # Some parsers refuse the request before we see it.
        assert response.status in (400, 401)


async def test_request_is_refused_when_the_token_has_expired(http: Http, world: OAuthWorld) -> None:
    """After 300 s, also if it was used before."""
    token = issue(world)
    assert (await get(http, token, proof(world.client, token)))[0] == 200

    world.later(300)
    nonce = world.access().nonces.current(world.now)
    late = proof(world.client, token, iat=SECONDS + 300, nonce=nonce)

    assert await get(http, token, late) == (401, {"code": "token-invalid"})


async def test_request_is_refused_at_once_when_the_client_is_removed(
    http: Http, world: OAuthWorld
) -> None:
    """A token does not outlive its client."""
    token = issue(world)
    world.clients.clear()

    answer = await get(http, token, proof(world.client, token))

    assert answer == (401, {"code": "token-invalid"})


async def test_scope_is_lost_at_once_when_the_client_loses_it(
    http: Http, world: OAuthWorld
) -> None:
    """A token never gives more than the directory does."""
    token = issue(world, Scope.MESSAGES_SEND, Scope.DIRECTORY_READ)
    world.register(world.client, Scope.DIRECTORY_READ, Scope.AUDIT_READ)

    _, answer = await get(http, token, proof(world.client, token))

    assert answer["scopes"] == ["directory:read"]


@pytest.mark.parametrize(
    "base_url", ["", "gateway.test", "https://", "https://gateway.test/", "https://a.test/api"]
)
def test_access_refuses_to_be_built_when_the_base_url_is_not_bare(base_url: str) -> None:
    """The issuer, the metadata and ``htu`` all hang on it."""
    with pytest.raises(ConfigurationError):
        OAuthWorld(base_url).access()

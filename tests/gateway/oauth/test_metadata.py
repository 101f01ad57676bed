"""The two public documents: what a stock client needs, and no key that is secret."""

from typing import Any

from aiohttp.test_utils import TestClient

from tests.admission.credentials import BASE_URL

Http = TestClient[Any, Any]


async def test_metadata_names_every_endpoint_when_a_client_discovers_us(http: Http) -> None:
    """RFC 8414: the issuer is the base URL, never the Host of the request."""
    async with http.get(
        "/.well-known/oauth-authorization-server", headers={"Host": "evil.test"}
    ) as response:
        metadata = await response.json()

    assert response.content_type == "application/json"
    assert "max-age" in response.headers["Cache-Control"]
    assert metadata == {
        "issuer": BASE_URL,
        "token_endpoint": f"{BASE_URL}/oauth/token",
        "jwks_uri": f"{BASE_URL}/.well-known/jwks.json",
        "scopes_supported": [
            "messages:send",
            "messages:receive",
            "directory:read",
            "admin:country",
            "admin:exchange",
            "audit:read",
        ],
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": [
            "Ed25519", "ES256", "PS256", "EdDSA",
        ],
        "dpop_signing_alg_values_supported": ["Ed25519", "ES256", "PS256", "EdDSA"],
    }  # fmt: skip


async def test_jwks_publishes_public_keys_when_asked(http: Http) -> None:
    """Token and receipt keys, each key id once, and no private member."""
    async with http.get("/.well-known/jwks.json") as response:
        document = await response.json()

    assert [key["kid"] for key in document["keys"]] == ["GW-token-1", "GW-receipt-1"]
    assert all(key["use"] == "sig" and "d" not in key for key in document["keys"])

"""A client that signs whatever a test asks for, right or wrong.

``client.assertion()`` and ``client.proof()`` are good; every keyword replaces or, with
``DROP``, removes one claim; ``header=`` does the same to the header. ``token(...)`` signs raw
bytes, so that a test can say what no JSON writer would.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from broker.admission.dpop import DpopNonces
from keys import base64url
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey
from keys.signature import PSS

BASE_URL: Final = "https://gateway.test"
NOW: Final = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
SECONDS: Final = int(NOW.timestamp())
DROP: Final = object()
NONCES: Final = DpopNonces(b"n" * 32)
TOKEN_URL: Final = f"{BASE_URL}/oauth/token"


def token(header: bytes, payload: bytes, key: SigningKey) -> str:
    """Sign a header and a payload exactly as they are given."""
    signing_input = f"{base64url.encode(header)}.{base64url.encode(payload)}"
    return f"{signing_input}.{base64url.encode(key.sign(signing_input.encode()))}"


def changed(members: Mapping[str, Any], changes: Mapping[str, Any]) -> bytes:
    """Write members with some replaced, added or dropped."""
    kept = {name: value for name, value in {**members, **changes}.items() if value is not DROP}
    return json.dumps(kept).encode()


class Client:
    """An OAuth client with a registered key, and a DPoP key of its own."""

    def __init__(
        self,
        client_id: str = "MX.fiscalia",
        algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256,
    ) -> None:
        self.client_id = client_id
        self.key = SigningKey.generate(algorithm, KeyId("MX-fiscalia-client-1"))
        self.dpop_key = SigningKey.generate(algorithm, KeyId("MX-dpop"))

    @property
    def dpop_jwk(self) -> dict[str, Any]:
        """The public DPoP key as a proof carries it."""
        return {
            name: value
            for name, value in self.dpop_key.public.jwk().items()
            if name not in ("kid", "alg")
        }

    @property
    def jkt(self) -> str:
        """The thumbprint of the DPoP key."""
        return self.dpop_key.public.thumbprint

    def assertion(self, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Make a client assertion."""
        return token(
            changed({"alg": self.key.algorithm.value, "kid": self.key.kid}, header or {}),
            changed(self.assertion_claims(), claims),
            self.key,
        )

    def assertion_claims(self) -> dict[str, Any]:
        """The claims of a good assertion."""
        return {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": BASE_URL,
            "jti": secrets.token_urlsafe(16),
            "iat": SECONDS,
            "exp": SECONDS + 60,
        }

    def proof(
        self,
        *,
        header: Mapping[str, Any] | None = None,
        access_token: str | None = None,
        **claims: Any,
    ) -> str:
        """Make a DPoP proof, for the token endpoint unless told otherwise."""
        good: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": "POST",
            "htu": TOKEN_URL,
            "iat": SECONDS,
            "nonce": NONCES.current(NOW),
        }
        if access_token is not None:
            digest = hashlib.sha256(access_token.encode()).digest()
            good["ath"] = base64url.encode(digest)
        return token(
            changed(
                {"typ": "dpop+jwt", "alg": self.dpop_key.algorithm.value, "jwk": self.dpop_jwk},
                header or {},
            ),
            changed(good, claims),
            self.dpop_key,
        )


class RsaKey:
    """A client's RSA key; stands in for ``SigningKey``, which holds none."""

    def __init__(self, kid: str = "US-agency-client-1") -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self._key.public_key().public_numbers()
        self.kid = KeyId(kid)
        self.algorithm = SignatureAlgorithm.PS256
        self.public = VerificationKey.from_jwk(
            {
                "kty": "RSA",
                "n": base64url.encode(numbers.n.to_bytes(256)),
                "e": "AQAB",
                "kid": self.kid,
            },
        )

    def sign(self, message: bytes) -> bytes:
        """Sign as PS256 does."""
        return self._key.sign(message, PSS, hashes.SHA256())

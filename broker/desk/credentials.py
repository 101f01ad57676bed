"""What a client shows the gateway: once who it is, with every request which key it holds."""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from keys import base64url, strict_json, web_token
from keys.entropy import Entropy
from keys.key import SigningKey
from keys.strict_json import JsonObject

ASSERTION_TYP: Final = "client-authentication+jwt"
ASSERTION_LIFE: Final = timedelta(seconds=60)
"""The longest that the protocol takes."""
PROOF_TYP: Final = "dpop+jwt"
JTI_BYTES: Final = 16


def client_assertion(
    key: SigningKey, *, client_id: str, issuer: str, now: datetime, draw: Entropy
) -> str:
    """Say who asks for a token; good for a minute, once, and for this issuer.

    Args:
        key: The client's registered key.
        client_id: Both ``iss`` and ``sub``.
        issuer: The only audience.
        now: When it is made.
        draw: Asked once, for 16 bytes of ``jti``.

    Source:
        RFC 7523 sections 2.2 and 3.
    """
    issued_at = int(now.timestamp())
    claims: JsonObject = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "iat": issued_at,
        "exp": issued_at + int(ASSERTION_LIFE.total_seconds()),
        "jti": base64url.encode(draw(JTI_BYTES)),
    }
    return web_token.sign(strict_json.write(claims), key, typ=ASSERTION_TYP)


class ProofMaker:
    """Makes DPoP proofs with a key that lives as long as this value, and is never written."""

    def __init__(self, key: SigningKey, *, draw: Entropy) -> None:
        self._key = key
        self._draw = draw
        public = {name: value for name, value in key.public.jwk().items() if name != "kid"}
        header: JsonObject = {"alg": key.algorithm.value, "jwk": public, "typ": PROOF_TYP}
        self._header = base64url.encode(strict_json.write(header))

    def proof(
        self, method: str, url: str, *, now: datetime, nonce: str | None, token: str | None = None
    ) -> str:
        """Prove for one request that we hold the key.

        Args:
            method: Of the request.
            url: Without query and fragment.
            now: When it is made.
            nonce: The newest that the gateway gave; None before the first answer.
            token: The access token that goes along; None at the token endpoint.

        Source:
            RFC 9449 section 4.2.
        """
        claims: JsonObject = {
            "jti": base64url.encode(self._draw(JTI_BYTES)),
            "htm": method,
            "htu": url,
            "iat": int(now.timestamp()),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if token is not None:
            claims["ath"] = base64url.encode(hashlib.sha256(token.encode("ascii")).digest())
        # ``keys.jws`` names its signer by ``kid``; a proof carries the key itself.
        signing_input = f"{self._header}.{base64url.encode(strict_json.write(claims))}"
        return f"{signing_input}.{base64url.encode(self._key.sign(signing_input.encode('ascii')))}"

"""Which registered client signed this assertion? (``private_key_jwt``)

Every refusal is the same error, and an unknown client costs the same signature check as a
known one: from outside, nobody learns which client ids exist.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from broker.admission.authenticate import (
    CLOCK_AHEAD,
    CLOCKS_APART,
    jti_claim,
    read_claims,
    replay_key,
    text_claim,
    time_claim,
)
from broker.errors import AuthenticationError, Code
from keys import jws, signature, web_token
from keys.algorithms import EDDSA, SignatureAlgorithm
from keys.errors import SignatureError
from keys.identifiers import KeyId
from keys.jws_header import Header
from keys.key import VerificationKey
from keys.strict_json import JsonObject

MAX_CHARS: Final = 4096
"""An assertion signed with RSA-4096 takes 1200."""
CLIENT_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
LONGEST_LIFE: Final = timedelta(seconds=60)
"""FAPI 2.0 asks for short-lived; stock clients write 60 s."""
LONGEST_LIFE_UNDATED: Final = timedelta(minutes=5)
"""Where a client sets no ``iat``, from now."""
ALGORITHMS: Final = (*(each.value for each in SignatureAlgorithm), EDDSA)
"""What the metadata of the token endpoint offers."""
REFUSED: Final = Code.TOKEN_INVALID
"""The one code here; the token endpoint says ``invalid_client``."""

FindClientKeys: TypeAlias = Callable[[str], Sequence[VerificationKey] | None]
"""Gives the registered keys of one client; None for an unknown one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedClient:
    """A client that proved who it is; valid only once ``replay_key`` could be spent."""

    client_id: str
    replay_key: bytes
    replay_until: datetime


def verify_client_assertion(
    assertion: str, *, issuer: str, now: datetime, find_client_keys: FindClientKeys
) -> AuthenticatedClient:
    """Say which registered client signed this assertion, for us and for now.

    Args:
        assertion: The ``client_assertion`` of the token request.
        issuer: Our issuer, which ``aud`` must be: as a string, and nothing beside it. An
            array is refused even with one element; every stock client writes a string.
        now: Compared with ``exp``, ``iat`` and ``nbf``.
        find_client_keys: Asked once, with a well-formed client id.

    Raises:
        AuthenticationError: ``TOKEN_INVALID``, whatever is wrong.

    Source:
        RFC 7523 section 3; FAPI 2.0 section 5.3.2.1 items 8 and 13; draft-ietf-oauth-
        rfc7523bis (audience injection).
    """
    try:
        header = jws.read_header(assertion)
        claimed = read_claims(jws.unverified_payload(assertion, max_bytes=MAX_CHARS), REFUSED)
        client_id = _client_id(claimed)
        found = _fitting(header, find_client_keys(client_id) or ())
        # Without a fitting key a decoy is tried: the answer then takes as long.
        keys = found or _decoys(header)
        verified = web_token.verify_assertion(assertion, keys=keys, max_bytes=MAX_CHARS)
    except SignatureError:
        raise AuthenticationError(REFUSED) from None
    if not found:
        raise AuthenticationError(REFUSED)
    return _check_claims(read_claims(verified.payload, REFUSED), issuer, now)


def _check_claims(claims: JsonObject, issuer: str, now: datetime) -> AuthenticatedClient:
    client_id = _client_id(claims)
    if claims.get("aud") != issuer:
        raise AuthenticationError(REFUSED)
    expires_at = time_claim(claims, "exp", REFUSED)
    dates = [time_claim(claims, name, REFUSED) for name in ("iat", "nbf") if name in claims]
    latest = dates[0] + LONGEST_LIFE if "iat" in claims else now + LONGEST_LIFE_UNDATED
    if not now < expires_at <= latest or any(date > now + CLOCK_AHEAD for date in dates):
        raise AuthenticationError(REFUSED)
    return AuthenticatedClient(
        client_id=client_id,
        replay_key=replay_key("assertion", client_id, jti_claim(claims, REFUSED)),
        replay_until=expires_at + CLOCKS_APART,
    )


def _client_id(claims: JsonObject) -> str:
    client_id = text_claim(claims, "iss", REFUSED)
    if claims.get("sub") != client_id or CLIENT_ID.fullmatch(client_id) is None:
        raise AuthenticationError(REFUSED)
    return client_id


def _fitting(header: Header, keys: Sequence[VerificationKey]) -> Sequence[VerificationKey]:
    """Leave only keys that the signature can be checked with; the key decides ``alg``."""
    return [
        key for key in keys if header.kid in (None, key.kid) and _algorithm(header) is key.algorithm
    ]


def _decoys(header: Header) -> Sequence[VerificationKey]:
    algorithm = _algorithm(header)
    if algorithm is None:
        return ()
    return [VerificationKey(kid=KeyId(header.kid or "GW-decoy"), form=DECOYS[algorithm])]


def _algorithm(header: Header) -> SignatureAlgorithm | None:
    name = SignatureAlgorithm.ED25519 if header.alg == EDDSA else header.alg
    return next((each for each in SignatureAlgorithm if each.value == name), None)


def _decoy_forms() -> MappingProxyType[SignatureAlgorithm, signature.PublicForm]:
    # Base points and a made-up modulus: somebody could sign for these, so what they
    # verify is refused all the same.
    jwks: tuple[JsonObject, ...] = (
        {"kty": "OKP", "crv": "Ed25519", "x": "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"},
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        },
        {"kty": "RSA", "e": "AQAB", "n": "g" + "A" * 340 + "Q"},
    )
    forms = [signature.read_public(jwk) for jwk in jwks]
    return MappingProxyType({form.algorithm: form for form in forms})


DECOYS: Final = _decoy_forms()

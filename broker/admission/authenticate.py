"""Who is calling? What the three checks of a caller share.

A client shows who it is once, by a signed assertion (:mod:`.client_assertion`), and gets an
access token (:mod:`.access_token`) that is good only together with a proof, made anew for
each request, that the caller holds a certain key (:mod:`.dpop`). All three are JSON Web
Tokens, with a ``typ``, an audience and a key of their own, so none passes for another.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.errors import AuthenticationError, Code
from keys import base64url, strict_json
from keys.errors import KeyFormatError
from keys.strict_json import JsonObject

CLOCK_AHEAD: Final = timedelta(seconds=10)
"""How far a client's clock may be ahead of ours (FAPI 2.0 section 5.3.2.1, item 13)."""
CLOCKS_APART: Final = timedelta(seconds=60)
"""How far the clocks of two gateway processes may be apart: a spent value is kept that much
longer, so that the slower process does not accept it again."""
MAX_JTI_CHARS: Final = 256
MAX_NUMERIC_DATE: Final = 253_402_300_799
"""The last second of the year 9999, where ``datetime`` ends."""


def read_claims(payload: bytes, code: Code) -> JsonObject:
    """Read a verified payload, in which no member stands twice.

    Raises:
        AuthenticationError: With this code; not a strict JSON object.
    """
    try:
        return strict_json.parse_object(payload)
    except KeyFormatError:
        raise AuthenticationError(code) from None


def text_claim(claims: JsonObject, name: str, code: Code) -> str:
    """Read a claim that must be there and be a text.

    Raises:
        AuthenticationError: With this code.
    """
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise AuthenticationError(code)
    return value


def time_claim(claims: JsonObject, name: str, code: Code) -> datetime:
    """Read a claim that must be there and be a whole number of seconds since 1970.

    RFC 7519 also allows a fraction; no client that we know writes one.

    Raises:
        AuthenticationError: With this code.
    """
    value = claims.get(name)
    # True is an int to Python.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMERIC_DATE:
        raise AuthenticationError(code)
    return datetime.fromtimestamp(value, UTC)


def jti_claim(claims: JsonObject, code: Code) -> str:
    """Read the claim that makes a token single-use.

    Raises:
        AuthenticationError: With this code.
    """
    jti = text_claim(claims, "jti", code)
    # Printable ASCII is all that clients write; half a surrogate could not be hashed.
    if len(jti) > MAX_JTI_CHARS or not jti.isascii() or not jti.isprintable():
        raise AuthenticationError(code)
    return jti


def replay_key(kind: str, owner: str, jti: str) -> bytes:
    """Name a single-use token in the store of spent ones: a SHA-256.

    ``kind`` and ``owner`` (a client id, a thumbprint) never hold a NUL, so no two tokens
    share a name.
    """
    return hashlib.sha256(f"enlace-{kind}\0{owner}\0{jti}".encode()).digest()


def token_hash(access_token: str) -> str:
    """Write the ``ath`` of an access token.

    Source:
        RFC 9449 section 4.2.
    """
    return base64url.encode(hashlib.sha256(access_token.encode("utf-8", "replace")).digest())

"""The only place that makes or reads our own signatures. Who signed this, and as what?

The key decides the algorithm and the header may only agree; ``typ`` says what the signature
is for, so none made for one purpose passes for another. There is no ``none`` and no HMAC.

One parser reads a token of ours. PyJWT would read it again after our checks, and two readers
of one header are one more than can agree; its per-character loops also cost 35 µs for a
detached signature and 88 µs for a receipt, on top of a signature check of 45 µs, on the path
of every message. The tests hold this module against PyJWT and joserfc in both directions.
What is a JSON Web Token, once in five minutes a client, is PyJWT's: see :mod:`keys.web_token`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from keys import base64url, jws_header, signature
from keys.algorithms import EDDSA, SignatureAlgorithm
from keys.errors import KeyFormatError, SignatureError
from keys.identifiers import KeyId, parse_kid, thumbprint
from keys.jws_header import Claim, Header
from keys.key import SigningKey, VerificationKey
from keys.strict_json import JsonObject

MESSAGE_TYP: Final = "enlace-message+jws"
MESSAGE_CLAIMS: Final = frozenset({"mid", "org", "sch", "iat"})
"""Message id, origin, schema, time: what the gateway compares with the body."""

MAX_COMPACT_CHARS: Final = 16 * 1024
"""A receipt with 33 recipients stays below 4 KiB, a statement of a PQ key below 8."""
MAX_DETACHED_CHARS: Final = 1000
"""Ours take 420; what is longer would not fit the frame of a sealed message."""
NO_CLAIMS: Final[frozenset[str]] = frozenset()
COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A payload that the key's holder signed, for this purpose."""

    payload: bytes = field(repr=False)
    kid: KeyId
    key: VerificationKey


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDetached:
    """Proof that the key's holder signed these bytes, and what he said of them."""

    claims: Mapping[str, Claim]
    kid: KeyId
    key: VerificationKey


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedProof:
    """A payload that was signed by the key which it carries: possession, not identity."""

    payload: bytes = field(repr=False)
    jwk: JsonObject
    thumbprint: str


FindKey = Callable[[KeyId], VerificationKey | None]
"""Looks only among the keys of whom the caller expects: never a map of all the world."""


def sign_compact(payload: bytes, key: SigningKey, *, typ: str) -> str:
    """Sign bytes and carry them along: ``header.payload.signature``.

    Source:
        RFC 7515 section 3.1.
    """
    header = jws_header.write(_members(key, typ), {}, detached=False)
    signing_input = f"{header}.{base64url.encode(payload)}"
    return f"{signing_input}.{base64url.encode(key.sign(signing_input.encode('ascii')))}"


def sign_detached(payload: bytes, key: SigningKey, *, typ: str, claims: Mapping[str, Claim]) -> str:
    """Sign bytes that travel on their own: ``header..signature``.

    Raises:
        SignatureError: A claim that no reader would accept.

    Source:
        RFC 7515 appendix F; RFC 7797 (``b64`` false: the bytes are signed as they are).
    """
    header = jws_header.write(_members(key, typ), claims, detached=True)
    signed = key.sign(b"%b.%b" % (header.encode("ascii"), payload))
    return f"{header}..{base64url.encode(signed)}"


def verify_compact(
    token: str,
    *,
    typ: str,
    find_key: FindKey,
    max_bytes: int = MAX_COMPACT_CHARS,
) -> Verified:
    """Who signed this token, and what does it hold?

    Args:
        token: ``header.payload.signature``.
        typ: Must be the header's, to the letter.
        find_key: Asked once, with a well-formed key id.
        max_bytes: Of the whole token; checked before anything is decoded.

    Raises:
        SignatureError: Anything else than a good signature by a known key.

    Source:
        RFC 7515 section 5.2; RFC 8725 section 3.
    """
    header_text, payload_text, signature_text = _split(token, max_bytes)
    header = jws_header.read(header_text)
    expect(header, typ=typ, detached=False)
    key = find(header, find_key)
    _check(key, header_text, payload_text.encode("ascii"), signature_text)
    return Verified(payload=_decode(payload_text), kid=key.kid, key=key)


def verify_detached(
    token: str,
    payload: bytes,
    *,
    typ: str,
    find_key: FindKey,
    claims: frozenset[str] = MESSAGE_CLAIMS,
) -> VerifiedDetached:
    """Who signed these bytes, and what did he say of them?

    Args:
        token: ``header..signature``.
        payload: The bytes exactly as they arrived.
        typ: Must be the header's, to the letter.
        find_key: Asked once, with a well-formed key id.
        claims: The header members beyond JOSE's that must be there, all of them.

    Raises:
        SignatureError: Anything else than a good signature by a known key.

    Source:
        RFC 7515 appendix F; RFC 7797.
    """
    header_text, payload_text, signature_text = _split(token, MAX_DETACHED_CHARS)
    header = jws_header.read(header_text, claims=claims)
    expect(header, typ=typ, detached=True)
    if payload_text:
        raise SignatureError("the token is not detached")
    key = find(header, find_key)
    _check(key, header_text, payload, signature_text)
    return VerifiedDetached(claims=header.claims, kid=key.kid, key=key)


def verify_proof(token: str, *, typ: str, max_bytes: int = MAX_COMPACT_CHARS) -> VerifiedProof:
    """Which key does the sender of this DPoP proof hold?

    Raises:
        SignatureError: Not signed by the public key in its own header, or that key is
            private or not of a kind that we accept.

    Source:
        RFC 9449 section 4.3, checks 2, 4, 5, 6 and 7.
    """
    header_text, payload_text, signature_text = _split(token, max_bytes)
    header = jws_header.read(header_text)
    if header.typ != typ or header.detached or header.jwk is None or header.kid is not None:
        raise SignatureError("the token is for something else")
    try:
        form = signature.read_public(header.jwk)
    except KeyFormatError:
        raise SignatureError("the embedded key is not one that we accept") from None
    if header.alg not in spellings(form.algorithm):
        raise SignatureError("the algorithm is not the key's")
    signing_input = f"{header_text}.{payload_text}".encode("ascii")
    signature.verifier(form)(signing_input, _decode(signature_text))
    jwk = signature.write_public(form)
    return VerifiedProof(payload=_decode(payload_text), jwk=jwk, thumbprint=thumbprint(jwk))


def read_header(
    token: str, *, claims: frozenset[str] = NO_CLAIMS, max_bytes: int = MAX_COMPACT_CHARS
) -> Header:
    """Read the header strictly, without verifying: to choose where to look, never to believe.

    Raises:
        SignatureError: The token or its header is malformed.
    """
    return jws_header.read(_split(token, max_bytes)[0], claims=claims)


def unverified_payload(token: str, *, max_bytes: int = MAX_COMPACT_CHARS) -> bytes:
    """Read what a token claims before it is verified: to find whose keys to try, no more.

    Raises:
        SignatureError: The token is malformed.
    """
    return _decode(_split(token, max_bytes)[1])


def _members(key: SigningKey, typ: str) -> dict[str, str]:
    return {"alg": key.algorithm.value, "kid": key.kid, "typ": typ}


def _split(token: str, max_chars: int) -> tuple[str, str, str]:
    if len(token) > max_chars:
        raise SignatureError("the token is too long")
    found = COMPACT.fullmatch(token)
    if found is None:
        raise SignatureError("the token is malformed")
    return found[1], found[2], found[3]


def expect(header: Header, *, typ: str, detached: bool) -> None:
    """Refuse a token that was made for something else."""
    if header.typ != typ or header.detached is not detached or header.jwk is not None:
        raise SignatureError("the token is for something else")


def find(header: Header, find_key: FindKey) -> VerificationKey:
    """Find the key that a header names, if its algorithm is the key's own."""
    try:
        key = find_key(parse_kid(header.kid))
    except KeyFormatError:
        raise SignatureError("the key is unknown") from None
    if key is None or key.kid != header.kid:
        raise SignatureError("the key is unknown")
    if header.alg != key.algorithm.value:
        raise SignatureError("the algorithm is not the key's")
    return key


def spellings(algorithm: SignatureAlgorithm) -> tuple[str, ...]:
    """How stock OAuth clients may call this algorithm (RFC 8037, RFC 9864)."""
    if algorithm is SignatureAlgorithm.ED25519:
        return (algorithm.value, EDDSA)
    return (algorithm.value,)


def _check(key: VerificationKey, header: str, payload: bytes, signature_text: str) -> None:
    signed = b"%b.%b" % (header.encode("ascii"), payload)
    key.verify(signed, _decode(signature_text))


def _decode(segment: str) -> bytes:
    try:
        return base64url.decode(segment)
    except KeyFormatError:
        raise SignatureError("the token is malformed") from None

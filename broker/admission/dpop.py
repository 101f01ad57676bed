"""Does the caller hold the key that it shows, for this very request? (RFC 9449)

A proof is good for one method and URL, once, within a minute, and only with a nonce that we
gave out lately, so that it cannot be made in advance by who had the key for a moment.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

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
from keys import base64url, jws
from keys.errors import SignatureError
from keys.secret import Hidden

TYP: Final = "dpop+jwt"
MAX_CHARS: Final = 4096
"""A proof with an RSA-4096 key takes 2300."""
OLDEST: Final = timedelta(seconds=60)
REFUSED: Final = Code.PROOF_INVALID
DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class DpopNonces(Hidden):
    """Nonces that need no store: a keyed hash of the minute, equal in all processes.

    A nonce only bounds *when* a proof was made; that it is used once is the ``jti``'s work.

    Source:
        RFC 9449 sections 8 and 9.
    """

    __slots__ = ("_secret",)

    BUCKET_SECONDS: Final = 60
    """This bucket's nonce and the previous one's are good: for 60 to 120 s."""
    MINIMUM_SECRET_BYTES: Final = 32
    LABEL: Final = b"enlace-dpop-nonce\0"
    """The gateways' secret may serve other purposes; each has its label."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < self.MINIMUM_SECRET_BYTES:
            raise ValueError("the nonce secret has fewer than 32 bytes")
        self._secret = bytes(secret)

    def current(self, now: datetime) -> str:
        """Give the nonce for the ``DPoP-Nonce`` header of an answer: 43 characters."""
        return self._nonce(self._bucket(now))

    def accepts(self, nonce: str, now: datetime) -> bool:
        """Whether this is the current or the previous nonce."""
        given = nonce.encode("utf-8", "replace")
        bucket = self._bucket(now)
        # Compared one by one: which of the two it is, is no secret.
        return any(
            hmac.compare_digest(given, self._nonce(each).encode("ascii"))
            for each in (bucket, bucket - 1)
        )

    def _bucket(self, now: datetime) -> int:
        return int(now.timestamp()) // self.BUCKET_SECONDS

    def _nonce(self, bucket: int) -> str:
        return base64url.encode(
            hmac.digest(self._secret, self.LABEL + bucket.to_bytes(8), "sha256")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Proof that the sender of one request holds a key; once ``replay_key`` could be spent."""

    jkt: str
    """RFC 7638 thumbprint of the key."""
    replay_key: bytes
    replay_until: datetime


def verify_proof(
    headers: Sequence[str],
    *,
    method: str,
    url: str,
    now: datetime,
    nonces: DpopNonces,
    access_token_hash: str | None,
) -> Proof:
    """Say which key the sender of this request holds.

    Args:
        headers: Every value of the ``DPoP`` header.
        method: Of the request.
        url: The configured base URL and the path: no query, and nothing from ``Host``.
        now: Compared with ``iat`` and the nonce.
        nonces: Those that we give out; a proof without one is refused.
        access_token_hash: ``ath`` of the token that came along; None at the token endpoint.

    Raises:
        AuthenticationError: ``PROOF_NONCE`` if it lacks a nonce of ours and is good
            otherwise up to there, else ``PROOF_INVALID``.

    Source:
        RFC 9449 section 4.3; the numbers are those of its list.
    """
    # (1) Exactly one header.
    if len(headers) != 1:
        raise AuthenticationError(REFUSED)
    # (2) One well-formed token, (4) of our type, (5) with an asymmetric algorithm of ours,
    # (6) signed by the key in its header, (7) which has no private member.
    try:
        verified = jws.verify_proof(headers[0], typ=TYP, max_bytes=MAX_CHARS)
    except SignatureError:
        raise AuthenticationError(REFUSED) from None
    # (3) All claims are there; (8) the method and (9) the URL are this request's.
    claims = read_claims(verified.payload, REFUSED)
    jti = jti_claim(claims, REFUSED)
    issued_at = time_claim(claims, "iat", REFUSED)
    htu = text_claim(claims, "htu", REFUSED)
    if claims.get("htm") != method or not _is_same_url(htu, url):
        raise AuthenticationError(REFUSED)
    # (10) The nonce is ours and fresh. A missing one is how clients ask for the first.
    nonce = claims.get("nonce", "")
    if not isinstance(nonce, str) or not nonces.accepts(nonce, now):
        raise AuthenticationError(Code.PROOF_NONCE)
    # (11) It was made just now.
    if not now - OLDEST <= issued_at <= now + CLOCK_AHEAD:
        raise AuthenticationError(REFUSED)
    # (12a) It was made for this token. (12b) That the token was issued to this key is
    # checked where the token is, in ``AccessTokens.verify``.
    if access_token_hash is not None and claims.get("ath") != access_token_hash:
        raise AuthenticationError(REFUSED)
    return Proof(
        jkt=verified.thumbprint,
        replay_key=replay_key("proof", verified.thumbprint, jti),
        replay_until=issued_at + OLDEST + CLOCKS_APART,
    )


def _is_same_url(htu: str, url: str) -> bool:
    """Compare as section 4.3 asks: without query and fragment, normalised by RFC 3986.

    Scheme and host in lower case, without a default port. Percent-encoding is not
    normalised: our paths need none, and every further equality is one to abuse.
    """
    if htu == url:
        return True
    normal = _normalise(htu)
    return normal is not None and normal == _normalise(url)


def _normalise(url: str) -> tuple[str, str | None, int | None, str] | None:
    # ``urlsplit`` drops tabs and line ends, and takes a user name; neither is a URL of ours.
    if not url.isascii() or not url.isprintable() or " " in url or "@" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port, parts.path or "/"

"""Which client did we give this token to, for what, and is it still good?

Access tokens are signed by the gateway's token key and need no store. They are bound to the
key that asked for them: without a proof by that key a stolen token opens nothing.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from broker.admission.authenticate import (
    CLOCK_AHEAD,
    read_claims,
    text_claim,
    time_claim,
    token_hash,
)
from broker.errors import AuthenticationError, Code
from broker.model.names import Scope
from keys import base64url, strict_json, web_token
from keys.entropy import Entropy
from keys.errors import SignatureError
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey

TYP: Final = "at+jwt"
LIFE: Final = timedelta(seconds=300)
"""A client that is removed loses access at once, by the directory; this bounds the rest."""
MAX_CHARS: Final = 2048
"""Ours take 700."""
JTI_BYTES: Final = 16
REMEMBERED: Final = 4096
"""Verified tokens kept, 1 KiB each: more than the clients of eleven countries."""
REFUSED: Final = Code.TOKEN_INVALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What we once put into a token. Whose the client is, the directory says, not these."""

    client_id: str
    scopes: frozenset[Scope]
    issued_at: datetime
    expires_at: datetime


class AccessTokens:
    """Issues access tokens and recognises them, without a store.

    Holds one signing key and any number of verification keys: while keys change, tokens of
    the old key stay good until they expire. A key that leaves takes a new ``AccessTokens``,
    so nothing that it signed is remembered.
    """

    def __init__(
        self,
        *,
        issuer: str,
        signing_key: SigningKey,
        verification_keys: Iterable[VerificationKey] = (),
        draw: Entropy = os.urandom,
    ) -> None:
        self._issuer = issuer
        self._signing_key = signing_key
        self._keys = {key.kid: key for key in (*verification_keys, signing_key.public)}
        self._draw = draw
        self._remembered: dict[tuple[str, str], Claims] = {}

    @property
    def verification_keys(self) -> tuple[VerificationKey, ...]:
        """The public keys, for the published key set."""
        return tuple(self._keys.values())

    def issue(self, client_id: str, *, scopes: Collection[Scope], jkt: str, now: datetime) -> str:
        """Write a token for a client, usable with the key of this thumbprint only.

        Source:
            RFC 9068 section 2.2; RFC 9449 section 6.1; RFC 8693 section 4.2 (``scope``).
        """
        issued_at = int(now.timestamp())
        payload = strict_json.write(
            {
                "iss": self._issuer,
                "aud": self._issuer,
                "sub": client_id,
                "client_id": client_id,
                "scope": write_scopes(scopes),
                "cnf": {"jkt": jkt},
                "jti": base64url.encode(self._draw(JTI_BYTES)),
                "iat": issued_at,
                "exp": issued_at + int(LIFE.total_seconds()),
            }
        )
        return web_token.sign(payload, self._signing_key, typ=TYP)

    def verify(self, token: str, *, now: datetime, jkt: str) -> Claims:
        """Say whom we gave this token to.

        Args:
            token: From the ``Authorization`` header.
            now: Compared with ``exp`` and ``iat``, remembered or not.
            jkt: The thumbprint of the key whose proof came along.

        Raises:
            AuthenticationError: ``TOKEN_INVALID``: not ours, expired, or of another key.

        Source:
            RFC 9068 section 4; RFC 9449 section 7.1.
        """
        # A hash and not the token, so that memory holds no usable token.
        name = (token_hash(token), jkt)
        claims = self._remembered.get(name)
        if claims is None:
            claims = self._verify_signed(token, jkt)
            self._remember(name, claims)
        if not claims.issued_at - CLOCK_AHEAD <= now < claims.expires_at:
            self._remembered.pop(name, None)
            raise AuthenticationError(REFUSED)
        return claims

    def _verify_signed(self, token: str, jkt: str) -> Claims:
        try:
            verified = web_token.verify(
                token, typ=TYP, find_key=self._find_key, max_bytes=MAX_CHARS
            )
        except SignatureError:
            raise AuthenticationError(REFUSED) from None
        claims = read_claims(verified.payload, REFUSED)
        names = ("iss", "aud", "cnf")
        if [claims.get(name) for name in names] != [self._issuer, self._issuer, {"jkt": jkt}]:
            raise AuthenticationError(REFUSED)
        client_id = text_claim(claims, "client_id", REFUSED)
        if claims.get("sub") != client_id:
            raise AuthenticationError(REFUSED)
        scopes = read_scopes(text_claim(claims, "scope", REFUSED))
        if scopes is None:
            raise AuthenticationError(REFUSED)
        return Claims(
            client_id=client_id,
            scopes=scopes,
            issued_at=time_claim(claims, "iat", REFUSED),
            expires_at=time_claim(claims, "exp", REFUSED),
        )

    def _find_key(self, kid: KeyId) -> VerificationKey | None:
        return self._keys.get(kid)

    def _remember(self, name: tuple[str, str], claims: Claims) -> None:
        # The oldest goes first; tokens live equally long, so it is the least useful one.
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[name] = claims


def write_scopes(scopes: Collection[Scope]) -> str:
    """Write scopes as OAuth does: sorted, with one space between."""
    return " ".join(sorted(scopes))


def read_scopes(text: str) -> frozenset[Scope] | None:
    """Read scopes as OAuth writes them; None if one is not ours.

    Source:
        RFC 6749 section 3.3.
    """
    try:
        return frozenset(Scope(name) for name in text.split(" ") if name)
    except ValueError:
        return None

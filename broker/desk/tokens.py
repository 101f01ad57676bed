"""With which token, and which proof, may this client ask now?

One token serves all callers. It is renewed before it ends, by one of them while the others
wait for it. A new client key counts from the next renewal on; what the old one obtained is good
until its end. The gateway gives a new nonce with every answer, and the newest is used.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import aiohttp

from broker.desk.credentials import ProofMaker, client_assertion
from broker.desk.failures import AccessError, AnswerError
from broker.desk.problem import read_access_error
from broker.desk.profile import Profile
from broker.desk.timing import Timing
from broker.desk.wallet import Wallet
from keys.algorithms import SignatureAlgorithm
from keys.entropy import Entropy
from keys.identifiers import KeyId
from keys.key import SigningKey

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RENEW_BEFORE: Final = timedelta(seconds=30)
"""Longer than a request waits before it is looked at."""
MAX_ERROR_BYTES: Final = 256 * 1024
DPOP_KEY: Final = KeyId("GW-dpop")
"""Never leaves this process: a proof carries the key, not its name."""
CLIENT_KEYS: Final = 3
"""The one in force, one that the keeper has just put in place, and the last that served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token, and whose it is."""

    value: str = field(repr=False)
    renew_at: datetime
    profile: Profile
    """As whom it was asked for, and where."""

    def is_for(self, profile: Profile) -> bool:
        """Whether this gateway would take it from this client."""
        return (self.profile.gateway, self.profile.issuer, self.profile.client_id) == (
            profile.gateway,
            profile.issuer,
            profile.client_id,
        )


class Tokens:
    """The token in use, the proof key that it is bound to, and the newest nonce."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        wallet: Wallet,
        *,
        timing: Timing,
        draw: Entropy = os.urandom,
    ) -> None:
        self._http = http
        self._wallet = wallet
        self._timing = timing
        self._draw = draw
        proof_key = SigningKey.generate(SignatureAlgorithm.ED25519, DPOP_KEY, draw)
        self._proofs = ProofMaker(proof_key, draw=draw)
        self._nonce: str | None = None
        self._token: Token | None = None
        self._served: tuple[SigningKey, Token] | None = None
        self._renewing = asyncio.Lock()

    @property
    def has_nonce(self) -> bool:
        """Whether the gateway ever gave one."""
        return self._nonce is not None

    def drop(self, token: Token) -> None:
        """Forget a token that the gateway does not take; another one stays."""
        if self._token is token:
            self._token = None

    def proof(self, method: str, url: str, *, token: Token | None) -> str:
        """Prove for one request that we hold the key; see ``ProofMaker.proof``."""
        return self._proofs.proof(
            method,
            url,
            now=self._timing.clock(),
            nonce=self._nonce,
            token=None if token is None else token.value,
        )

    def remember_nonce(self, response: aiohttp.ClientResponse) -> None:
        """Use the newest from now on."""
        self._nonce = response.headers.get("DPoP-Nonce", self._nonce)

    async def current(self) -> Token:
        """Give the token in use, or obtain one.

        Raises:
            AccessError: The gateway takes none of this client's keys.
            AnswerError: It answered with something else than a token.
            aiohttp.ClientError, TimeoutError: The request was lost on the way.
        """
        async with self._renewing:
            profile, token = self._wallet.current.profile, self._token
            is_good = token is not None and token.is_for(profile)
            if token is None or not is_good or self._timing.clock() >= token.renew_at:
                self._token = token = await self._fetch_token()
            return token

    async def _fetch_token(self) -> Token:
        """Ask with the client key in force, and with the next one if the gateway refuses it."""
        refused: list[SigningKey] = []
        for tries_left in reversed(range(CLIENT_KEYS)):
            held = self._wallet.current
            key = self._untried(refused) or held.keys.authentication
            try:
                token = await self._ask_for_token(held.profile, key)
            except AccessError as error:
                if error.code != "invalid_client":
                    raise
                refused.append(key)
                await self._wallet.look()
                if not tries_left or self._untried(refused) is None:
                    raise
            else:
                self._served = (key, token)
                return token
        raise AssertionError("the last try returns or raises")

    def _untried(self, refused: Sequence[SigningKey]) -> SigningKey | None:
        """Which key is worth a try? The last that served, when a new one came too early.

        The keeper may put a new key in place before its statement has reached the gateway.
        """
        held = self._wallet.current
        keys = [held.keys.authentication]
        if self._served is not None and self._served[1].is_for(held.profile):
            keys.append(self._served[0])
        return next((key for key in keys if key not in refused), None)

    async def _ask_for_token(self, profile: Profile, key: SigningKey) -> Token:
        for tries_left in (1, 0):
            now = self._timing.clock()
            async with self._post_token_request(profile, key, now) as response:
                self.remember_nonce(response)
                body = await read_body(response, MAX_ERROR_BYTES)
                if response.status == 200:  # noqa: PLR2004 - RFC 6749 section 5.1
                    return _read_token(body, profile, now)
                problem = read_access_error(response.status, response.headers, body)
            if problem.code != "use_dpop_nonce" or not tries_left:
                raise problem
        raise AssertionError("the last try returns or raises")

    def _post_token_request(
        self, profile: Profile, key: SigningKey, now: datetime
    ) -> "aiohttp.client._RequestContextManager":
        assertion = client_assertion(
            key,
            client_id=profile.client_id,
            issuer=profile.issuer,
            now=now,
            draw=self._draw,
        )
        url = profile.gateway + TOKEN_PATH
        return self._http.post(
            url,
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            },
            headers={"DPoP": self.proof("POST", url, token=None)},
            timeout=aiohttp.ClientTimeout(total=30),
            allow_redirects=False,
            ssl=self._wallet.tls,
        )


def _read_token(body: bytes, profile: Profile, now: datetime) -> Token:
    try:
        members = json.loads(body)
        value, seconds = members["access_token"], members["expires_in"]
        if members["token_type"].lower() != "dpop":
            raise AnswerError("the gateway's token is not bound to our key")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AnswerError("the gateway's token answer is malformed") from None
    if not isinstance(value, str) or not value.isascii() or not isinstance(seconds, int):
        raise AnswerError("the gateway's token answer is malformed")
    life = timedelta(seconds=max(0, min(seconds, 86_400)))
    # A very short life is used for half of it, so that no token is ever renewed in a loop.
    renew_at = now + max(life - RENEW_BEFORE, life / 2)
    return Token(value=value, renew_at=renew_at, profile=profile)


async def read_body(response: aiohttp.ClientResponse, at_most: int) -> bytes:
    """Read an answer to its end.

    Raises:
        AnswerError: It is larger than that.
    """
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > at_most:
            raise AnswerError("the gateway's answer is too large")
        parts.append(part)
    return b"".join(parts)

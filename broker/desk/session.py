"""Authenticated requests: one token for all callers, one proof for each request.

The token is renewed before it ends, by one caller while the others wait for it. The gateway
gives a new nonce with every answer; the newest is used, and a request that was made with an
old one is made once more.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import aiohttp

from broker.desk.credentials import ProofMaker, client_assertion
from broker.desk.failures import AnswerError, ProblemError
from broker.desk.problem import read_access_error, read_problem
from broker.desk.profile import Profile
from broker.desk.timing import Timing
from broker.errors import Code
from keys.algorithms import SignatureAlgorithm
from keys.entropy import Entropy
from keys.identifiers import KeyId
from keys.key import SigningKey

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RENEW_BEFORE: Final = timedelta(seconds=30)
"""Longer than a request waits before it is looked at."""
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""A long poll of a hundred of the largest messages takes 50 MiB."""
MAX_ERROR_BYTES: Final = 256 * 1024
DPOP_KEY: Final = KeyId("GW-dpop")
"""Never leaves this process: a proof carries the key, not its name."""
TRIES: Final = 3
"""A first nonce, a token that the gateway no longer takes, and the request itself."""

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, before it is authenticated; may be sent several times."""

    method: str
    path: str
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    value: str = field(repr=False)
    renew_at: datetime


class Session:
    """What one client and one gateway know of each other: token, proof key, newest nonce."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        profile: Profile,
        key: SigningKey,
        *,
        timing: Timing,
        draw: Entropy = os.urandom,
    ) -> None:
        self._http = http
        self._profile = profile
        self._key = key
        self._timing = timing
        self._draw = draw
        proof_key = SigningKey.generate(SignatureAlgorithm.ED25519, DPOP_KEY, draw)
        self._proofs = ProofMaker(proof_key, draw=draw)
        self._nonce: str | None = None
        self._token: _Token | None = None
        self._renewing = asyncio.Lock()

    async def request(self, request: Request, *, timeout: timedelta) -> Answer:
        """Send a request and read its answer.

        Raises:
            ProblemError: The gateway refused it.
            AnswerError: The answer is larger than the protocol allows.
            aiohttp.ClientError, TimeoutError: It, or its answer, was lost on the way.
        """
        limits = aiohttp.ClientTimeout(total=timeout.total_seconds())
        async with self.open(request, timeout=limits) as response:
            body = await _read(response, MAX_ANSWER_BYTES)
            return Answer(status=response.status, headers=response.headers, body=body)

    @asynccontextmanager
    async def open(
        self, request: Request, *, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give its good answer, still unread.

        Raises:
            ProblemError: The gateway refused it.
            aiohttp.ClientError, TimeoutError: It was lost on the way.
        """
        for tries_left in reversed(range(TRIES)):
            token = await self._current_token()
            async with self._send(request, token, timeout) as response:
                if response.status < 400:  # noqa: PLR2004 - where errors begin
                    yield response
                    return
                body = await _read(response, MAX_ERROR_BYTES)
                problem = read_problem(response.status, response.headers, body)
                asked_for_nonce = _asks_for_nonce(response, problem)
            if not tries_left or not self._may_mend(problem, token, nonce=asked_for_nonce):
                raise problem

    @asynccontextmanager
    async def _send(
        self, request: Request, token: str, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {
            **request.headers,
            "Accept-Language": self._profile.language.value,
            "Authorization": f"DPoP {token}",
            "DPoP": self._proof(request.method, request.path, token=token),
        }
        async with self._http.request(
            request.method,
            self._profile.gateway + request.path,
            params=request.query,
            data=request.body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            self._remember_nonce(response)
            yield response

    def _may_mend(self, problem: ProblemError, token: str, *, nonce: bool) -> bool:
        """Whether another try differs from this one: by its nonce, its token or its proof."""
        if nonce:
            return self._nonce is not None
        if problem.code == Code.TOKEN_INVALID:
            # The gateway's token key may have changed. Only this token is dropped: another
            # caller may have a new one already.
            if self._token is not None and self._token.value == token:
                self._token = None
            return True
        # aiohttp repeats a GET on its own when a kept connection turns out dead, with the
        # proof that the gateway may have seen already.
        return problem.code == Code.PROOF_REPLAYED

    async def _current_token(self) -> str:
        async with self._renewing:
            if self._token is None or self._timing.clock() >= self._token.renew_at:
                self._token = await self._fetch_token()
            return self._token.value

    async def _fetch_token(self) -> _Token:
        for tries_left in (1, 0):
            now = self._timing.clock()
            async with self._post_token_request(now) as response:
                self._remember_nonce(response)
                body = await _read(response, MAX_ERROR_BYTES)
                if response.status == 200:  # noqa: PLR2004 - RFC 6749 section 5.1
                    return _read_token(body, now)
                problem = read_access_error(response.status, response.headers, body)
            if problem.code != "use_dpop_nonce" or not tries_left:
                raise problem
        raise AssertionError("the last try returns or raises")

    def _post_token_request(self, now: datetime) -> "aiohttp.client._RequestContextManager":
        assertion = client_assertion(
            self._key,
            client_id=self._profile.client_id,
            issuer=self._profile.issuer,
            now=now,
            draw=self._draw,
        )
        return self._http.post(
            self._profile.gateway + TOKEN_PATH,
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            },
            headers={"DPoP": self._proof("POST", TOKEN_PATH, token=None)},
            timeout=aiohttp.ClientTimeout(total=30),
            allow_redirects=False,
        )

    def _proof(self, method: str, path: str, *, token: str | None) -> str:
        return self._proofs.proof(
            method,
            self._profile.gateway + path,
            now=self._timing.clock(),
            nonce=self._nonce,
            token=token,
        )

    def _remember_nonce(self, response: aiohttp.ClientResponse) -> None:
        self._nonce = response.headers.get("DPoP-Nonce", self._nonce)


async def _read(response: aiohttp.ClientResponse, at_most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > at_most:
            raise AnswerError("the gateway's answer is too large")
        parts.append(part)
    return b"".join(parts)


def _asks_for_nonce(response: aiohttp.ClientResponse, problem: ProblemError) -> bool:
    challenge = response.headers.get("WWW-Authenticate", "")
    return problem.code == Code.PROOF_NONCE or (
        response.status == 401 and "use_dpop_nonce" in challenge  # noqa: PLR2004 - RFC 9449 s. 9
    )


def _read_token(body: bytes, now: datetime) -> _Token:
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
    return _Token(value=value, renew_at=now + max(life - RENEW_BEFORE, life / 2))

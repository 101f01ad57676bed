"""Authenticated requests: one token for all callers, one proof for each request.

The newest nonce is used, and a request that was made with an old one is made once more.
"""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import aiohttp

from broker.desk.failures import ProblemError
from broker.desk.problem import read_problem
from broker.desk.timing import Timing
from broker.desk.tokens import MAX_ERROR_BYTES, Token, Tokens, read_body
from broker.desk.wallet import Wallet
from broker.errors import Code
from keys.entropy import Entropy

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""A long poll of a hundred of the largest messages takes 50 MiB."""
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


class Session:
    """What one client and one gateway know of each other: token, proof key, newest nonce."""

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
        self.tokens: Final = Tokens(http, wallet, timing=timing, draw=draw)

    async def request(self, request: Request, *, timeout: timedelta) -> Answer:
        """Send a request and read its answer.

        Raises:
            ProblemError: The gateway refused it.
            AnswerError: The answer is larger than the protocol allows.
            aiohttp.ClientError, TimeoutError: It, or its answer, was lost on the way.
        """
        limits = aiohttp.ClientTimeout(total=timeout.total_seconds())
        async with self.open(request, timeout=limits) as response:
            body = await read_body(response, MAX_ANSWER_BYTES)
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
        await self._wallet.refresh()
        for tries_left in reversed(range(TRIES)):
            token = await self.tokens.current()
            async with self._send(request, token, timeout) as response:
                if response.status < 400:  # noqa: PLR2004 - where errors begin
                    yield response
                    return
                body = await read_body(response, MAX_ERROR_BYTES)
                problem = read_problem(response.status, response.headers, body)
                asked_for_nonce = _asks_for_nonce(response, problem)
            if not tries_left or not self._may_mend(problem, token, nonce=asked_for_nonce):
                raise problem
            if problem.code == Code.TOKEN_INVALID:
                await self._wallet.look()

    @asynccontextmanager
    async def _send(
        self, request: Request, token: Token, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        # The token's profile, which a reading of the wallet in between does not change.
        url = token.profile.gateway + request.path
        headers = {
            **request.headers,
            "Accept-Language": token.profile.language.value,
            "Authorization": f"DPoP {token.value}",
            "DPoP": self.tokens.proof(request.method, url, token=token),
        }
        async with self._http.request(
            request.method,
            url,
            params=request.query,
            data=request.body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            ssl=self._wallet.tls,
        ) as response:
            self.tokens.remember_nonce(response)
            yield response

    def _may_mend(self, problem: ProblemError, token: Token, *, nonce: bool) -> bool:
        """Whether another try differs from this one: by its nonce, its token or its proof."""
        if nonce:
            return self.tokens.has_nonce
        if problem.code == Code.TOKEN_INVALID:
            # The gateway's token key may have changed. Only this token is dropped: another
            # caller may have a new one already.
            self.tokens.drop(token)
            return True
        # aiohttp repeats a GET on its own when a kept connection turns out dead, with the
        # proof that the gateway may have seen already.
        return problem.code == Code.PROOF_REPLAYED


def _asks_for_nonce(response: aiohttp.ClientResponse, problem: ProblemError) -> bool:
    challenge = response.headers.get("WWW-Authenticate", "")
    return problem.code == Code.PROOF_NONCE or (
        response.status == 401 and "use_dpop_nonce" in challenge  # noqa: PLR2004 - RFC 9449 s. 9
    )

"""The load: real messages, signed in advance, over connections that are kept.

The client writes requests that are already bytes and reads answers by their length, so that
what is measured on two shared cores is the server. Each line sends its next request when it
has the answer to the last one: so many clients, so many outstanding.
"""

import asyncio
import gc
import json
import os
import re
import secrets
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiohttp

from broker.desk import sign
from broker.desk.credentials import ProofMaker, client_assertion
from broker.desk.tls import client_context
from broker.desk.tokens import ASSERTION_TYPE, DPOP_KEY, TOKEN_PATH
from broker.model.message import Posting
from broker.model.names import AgencyRef, DeskRef
from broker.sandbox.world import World
from keys.algorithms import SignatureAlgorithm
from keys.key import SigningKey

CASE: Final = "schemas/route-report/examples/accept/caribbean-boat-to-corn-island.json"
"""A report of a real kind and length: 2.1 KB."""
POST: Final = "/v1/messages"
LENGTH: Final = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
ACCEPTED: Final = b"HTTP/1.1 202 "
LIFE: Final = timedelta(days=90)


def new_id() -> str:
    """Make a UUIDv7."""
    number = int(time.time() * 1000) << 80 | 7 << 76 | secrets.randbits(76)
    number = number & ~(0b11 << 62) | 0b10 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Writes messages of one agency to one desk."""

    template: dict[str, Any]
    key: SigningKey
    agency: AgencyRef
    desk: DeskRef

    @classmethod
    def of(cls, world: World, agency: AgencyRef, desk: DeskRef) -> "Author":
        """Take the case, and put this world's names into it."""
        path = Path(__file__).resolve().parents[1] / CASE
        template: dict[str, Any] = json.loads(path.read_bytes())
        template["from"] = {"country": agency.country.value, "agency": agency.agency}
        template["to"] = {
            "countries": [desk.country.value],
            "compartment": desk.compartment.value,
        }
        key = world.holdings[agency].signature
        return cls(template=template, key=key, agency=agency, desk=desk)

    def write(self) -> Posting:
        """Write and sign one new message."""
        now = datetime.now(UTC)
        body = sign.message_bytes(
            {
                **self.template,
                "id": new_id(),
                "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "expires": (now + LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "review_by": (now + LIFE / 2).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
        return sign.sign_message(body, self.key, agency=self.agency, now=now)


@dataclass(slots=True, kw_only=True)
class Caller:
    """An OAuth client with a token, its proof key and the newest nonce."""

    world: World
    subject: AgencyRef | DeskRef
    token: str = ""
    nonce: str | None = None
    _proofs: ProofMaker = field(init=False)

    def __post_init__(self) -> None:
        key = SigningKey.generate(SignatureAlgorithm.ED25519, DPOP_KEY)
        self._proofs = ProofMaker(key, draw=os.urandom)

    @property
    def base(self) -> str:
        """Scheme, host and port of the gateway."""
        return self.world.settings.base_url

    def proof(self, method: str, path: str) -> str:
        """Make a proof for one request with our token."""
        return self._proofs.proof(
            method, self.base + path, now=datetime.now(UTC), nonce=self.nonce, token=self.token
        )

    async def log_in(self) -> None:
        """Fetch a new token, and with it a new nonce."""
        holding, profile = self.world.holdings[self.subject], self.world.profile(self.subject)
        connector = aiohttp.TCPConnector(ssl=client_context(profile.ca_file))
        async with aiohttp.ClientSession(connector=connector) as http:
            for _ in range(2):
                now = datetime.now(UTC)
                assertion = client_assertion(
                    holding.authentication,
                    client_id=holding.client_id,
                    issuer=self.base,
                    now=now,
                    draw=os.urandom,
                )
                proof = self._proofs.proof(
                    "POST", self.base + TOKEN_PATH, now=now, nonce=self.nonce
                )
                form = {
                    "grant_type": "client_credentials",
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": assertion,
                }
                url, headers = self.base + TOKEN_PATH, {"DPoP": proof}
                async with http.post(url, data=form, headers=headers) as response:
                    self.nonce = response.headers["DPoP-Nonce"]
                    if response.ok:
                        self.token = (await response.json())["access_token"]
                        return
        raise RuntimeError("the gateway gives no token")

    def request(self, posting: Posting) -> bytes:
        """Lay out a whole request, credentials and all; good for a minute."""
        head = (
            f"POST {POST} HTTP/1.1\r\n"
            f"Host: {urlsplit(self.base).netloc}\r\n"
            "Accept: */*\r\n"
            "Accept-Encoding: gzip, deflate\r\n"
            "User-Agent: enlace-bench\r\n"
            "Accept-Language: en\r\n"
            f"Authorization: DPoP {self.token}\r\n"
            f"DPoP: {self.proof('POST', POST)}\r\n"
            f"Message-Signature: {posting.signature}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(posting.body)}\r\n\r\n"
        )
        return head.encode("ascii") + posting.body


@dataclass(slots=True, kw_only=True)
class Work:
    """What the lines of one round share."""

    requests: deque[bytes]
    latencies: list[float] = field(default_factory=list)
    bad: list[bytes] = field(default_factory=list)
    left: int
    done: "asyncio.Future[None]"

    def finish(self, answer: bytes, latency: float) -> None:
        """Note an answer."""
        self.latencies.append(latency)
        if not answer.startswith(ACCEPTED):
            self.bad.append(answer)
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the round."""
        if not self.done.done():
            self.done.set_exception(error)


class Line(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self.last = b""
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent = 0.0
        self._work: Work | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        # uvloop's transports have the methods of ``asyncio.Transport`` and not its type.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the round, if one is under way."""
        if self._work is not None:
            self._work.fail(exc or ConnectionResetError("the server hung up"))

    def begin(self, work: Work) -> None:
        """Send the next request of this work, or be idle."""
        self._work = work if work.requests else None
        if work.requests and self._transport is not None:
            request = work.requests.popleft()
            self._sent = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read on until the answer is whole."""
        now = time.perf_counter()
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n") if found else None
        if length is None or len(body) < int(length[1]) or self._work is None:
            return
        self.last, self._buffer = self._buffer, b""
        work = self._work
        work.finish(self.last, now - self._sent)
        self.begin(work)

    def close(self) -> None:
        """Hang up."""
        self._work = None
        if self._transport is not None:
            self._transport.close()


class Lines:
    """So many clients, connected."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext) -> None:
        self._address = address
        self._tls = tls
        self._lines: list[Line] = []

    async def connect(self, number: int) -> None:
        """Open connections, handshake included."""
        loop = asyncio.get_running_loop()
        for _ in range(number):
            _, line = await loop.create_connection(
                Line, *self._address, ssl=self._tls, server_hostname="localhost"
            )
            self._lines.append(line)

    async def send(self, requests: Sequence[bytes]) -> Sequence[float]:
        """Send all, and say how long each answer took, in seconds."""
        work = Work(
            requests=deque(requests),
            left=len(requests),
            done=asyncio.get_running_loop().create_future(),
        )
        for line in self._lines:
            line.begin(work)
        await work.done
        if work.bad:
            raise RuntimeError(f"{len(work.bad)} were refused, the first: {work.bad[0]!r}")
        return work.latencies

    @property
    def last(self) -> bytes:
        """The last answer of the first line, head and body."""
        return self._lines[0].last

    async def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.close()
        self._lines.clear()
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a load goes."""

    address: tuple[str, int]
    tls: ssl.SSLContext

    async def open(self, clients: int) -> Lines:
        """Connect so many clients."""
        lines = Lines(self.address, self.tls)
        await lines.connect(clients)
        # Session tickets are written after the handshake; they are not part of the round.
        await asyncio.sleep(0.02)
        gc.collect()
        return lines

"""What an attacker has: a participant's real credentials, a raw line, and no manners.

``Attacker.call`` is a good request; every keyword of ``proof`` spoils one claim. ``Wire`` writes
bytes that no HTTP library would write.
"""

import asyncio
import hashlib
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from broker.desk.credentials import client_assertion
from broker.desk.tls import client_context
from broker.desk.tokens import ASSERTION_TYPE
from broker.gateway.context import Gateway
from broker.model.names import AgencyRef, DeskRef
from broker.sandbox.ports import free_ports
from broker.sandbox.world import Plan, World, make_world
from broker.wiring.run import running_gateway
from keys import base64url
from keys.algorithms import SignatureAlgorithm
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.identifiers import KeyId
from keys.key import SigningKey
from tests.admission.credentials import DROP, changed, token

__all__ = ["DROP"]

Headers = Sequence[tuple[str, str]]
Document = dict[str, Any]
PATIENCE = 10.0
"""No answer of a test takes longer, in seconds."""
FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """What a problem document, or a refusal of the token endpoint, says."""
        document = self.json
        return str(document.get("code", document.get("error")))

    @property
    def verdict(self) -> tuple[int, str]:
        """Status and code of a refusal."""
        return self.status, self.code


@dataclass(slots=True, kw_only=True)
class Line:
    """HTTPS to one gateway; remembers the newest nonce."""

    http: aiohttp.ClientSession
    address: str
    base_url: str
    nonce: str = ""

    async def send(
        self, method: str, target: str, *, headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Send exactly this target and these headers."""
        async with self.http.request(
            method,
            URL(self.address + target, encoded=True),
            headers=CIMultiDict(headers),
            data=body,
            skip_auto_headers=["Content-Type", "Accept-Encoding"],
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
        ) as response:
            answer = Answer(
                status=response.status, headers=response.headers, body=await response.read()
            )
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
        return answer

    async def newest_nonce(self) -> str:
        """The gateway's nonce; asked for if none is known."""
        if not self.nonce:
            await self.send("GET", "/problems/not-found")
        return self.nonce


class Attacker:
    """A participant's registered keys, and a DPoP key."""

    def __init__(self, world: World, subject: AgencyRef | DeskRef, line: Line) -> None:
        self.holding = world.holdings[subject]
        self.subject = subject
        self.line = line
        self.key = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-dpop"))
        self._token = ""

    def assertion(self, **claims: Any) -> str:
        """Make a client assertion; each claim replaces a good one."""
        key, now = self.holding.authentication, datetime.now(UTC)
        good = client_assertion(
            key,
            client_id=self.holding.client_id,
            issuer=self.line.base_url,
            now=now,
            draw=secrets.token_bytes,
        )
        if not claims:
            return good
        header, payload = (base64url.decode(part) for part in good.split(".")[:2])
        return token(header, changed(json.loads(payload), claims), key)

    def proof(
        self,
        method: str,
        path: str,
        *,
        access_token: str | None = None,
        key: SigningKey | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Make a proof; each claim replaces a good one."""
        signer = self.key if key is None else key
        jwk = {name: value for name, value in signer.public.jwk().items() if name != "kid"}
        good: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": self.line.base_url + path,
            "iat": int(datetime.now(UTC).timestamp()),
            "nonce": self.line.nonce,
        }
        if access_token is not None:
            good["ath"] = base64url.encode(hashlib.sha256(access_token.encode()).digest())
        return token(
            changed({"typ": "dpop+jwt", "alg": signer.algorithm.value, "jwk": jwk}, header or {}),
            changed(good, claims),
            signer,
        )

    async def ask_for_token(
        self,
        *,
        assertion: str | None = None,
        query: str = "",
        headers: Headers = (),
        **form: str,
    ) -> Answer:
        """Ask the token endpoint; more members of the form as keywords."""
        await self.line.newest_nonce()
        members = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion() if assertion is None else assertion,
            **form,
        }
        proof = ("DPoP", self.proof("POST", "/oauth/token"))
        return await self.line.send(
            "POST",
            f"/oauth/token{query}",
            headers=[FORM, proof, *headers],
            body=urlencode(members).encode(),
        )

    async def token(self) -> str:
        """An access token, kept for the whole test."""
        if not self._token:
            answer = await self.ask_for_token()
            assert answer.status == 200, answer.body
            self._token = str(answer.json["access_token"])
        return self._token

    async def credentials(self, method: str, target: str) -> list[tuple[str, str]]:
        """Headers that are good for one request."""
        access_token = await self.token()
        path = target.partition("?")[0]
        return [
            ("Authorization", f"DPoP {access_token}"),
            ("DPoP", self.proof(method, path, access_token=access_token)),
        ]

    async def call(
        self, method: str, target: str, *, headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Send a request with credentials that are good for it."""
        return await self.line.send(
            method, target, headers=[*await self.credentials(method, target), *headers], body=body
        )

    async def post_json(self, target: str, document: object) -> Answer:
        """Post any JSON."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return await self.call("POST", target, headers=[JSON], body=body)


@dataclass(slots=True, kw_only=True)
class Arena:
    """One exchange, its gateway, and lines to it."""

    world: World
    gateway: Gateway
    http: aiohttp.ClientSession
    attackers: dict[object, Attacker] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Where the public listener is."""
        return urlsplit(self.world.settings.base_url).port or 0

    @property
    def ledger(self) -> Path:
        """The database file, as an insider sees it."""
        return self.world.folder / "ledger.sqlite"

    def line(self, address: str | None = None) -> Line:
        """A line of its own, to this gateway unless told otherwise."""
        base_url = self.world.settings.base_url
        return Line(http=self.http, address=address or base_url, base_url=base_url)

    def attacker(self, subject: AgencyRef | DeskRef) -> Attacker:
        """A participant; the same one each time."""
        if subject not in self.attackers:
            self.attackers[subject] = Attacker(self.world, subject, self.line())
        return self.attackers[subject]

    def newcomer(self, subject: AgencyRef | DeskRef, address: str | None = None) -> Attacker:
        """The same participant with another DPoP key and no token yet."""
        return Attacker(self.world, subject, self.line(address))

    def tls(self) -> ssl.SSLContext:
        """TLS settings that trust this gateway."""
        return client_context(self.world.folder / "tls" / "ca.pem")

    async def metrics(self) -> bytes:
        """The exposition of the management port."""
        url = f"http://{self.world.settings.management_listen}/metrics"
        async with self.http.get(url) as response:
            return await response.read()


@asynccontextmanager
async def arena(
    folder: Path, plan: Plan, *, keep_alive: bool = True, **settings: Any
) -> AsyncIterator[Arena]:
    """Make an exchange, run one gateway on it, and open the gates."""
    world = await make_world(folder, plan, cost=INTERACTIVE_DEMO, **settings)
    async with running_gateway(world.settings, minimum=INTERACTIVE_DEMO) as gateway:
        connector = aiohttp.TCPConnector(
            ssl=client_context(folder / "tls" / "ca.pem"),
            limit_per_host=40,
            force_close=not keep_alive,
        )
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as http:
            yield Arena(world=world, gateway=gateway, http=http)


@asynccontextmanager
async def second_gateway(world: World) -> AsyncIterator[tuple[str, Gateway]]:
    """Run another gateway on the same ledger; gives its address and itself."""
    port, management = free_ports(2)
    settings = world.settings.model_copy(
        update={"listen": f"127.0.0.1:{port}", "management_listen": f"127.0.0.1:{management}"}
    )
    async with running_gateway(settings, minimum=INTERACTIVE_DEMO) as gateway:
        yield f"https://localhost:{port}", gateway


@dataclass(slots=True, kw_only=True)
class Wire:
    """One TLS connection, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> Self:
        """Send bytes as they are; what the other side no longer takes is lost."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()
        return self

    async def read_to_end(self, *, within: float = 3.0) -> bytes:
        """Read until the gateway closes.

        Raises:
            TimeoutError: It does not, within that time.
        """
        received = bytearray()
        async with asyncio.timeout(within):
            with suppress(ConnectionError, ssl.SSLError):
                while part := await self.reader.read(65_536):
                    received += part
        return bytes(received)

    async def read_head(self, *, within: float = 3.0) -> bytes:
        """Read status line and headers of one answer."""
        async with asyncio.timeout(within):
            return await self.reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def wire(one: Arena) -> AsyncIterator[Wire]:
    """Open a TLS connection to the gateway and send nothing."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", one.port, ssl=one.tls(), server_hostname="localhost"
    )
    try:
        yield Wire(reader=reader, writer=writer)
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(2):
                await writer.wait_closed()

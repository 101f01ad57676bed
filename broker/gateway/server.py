"""The listener: TLS, and how long and how often a stranger may hold a line.

aiohttp has a deadline for idle connections, and no cap for one address; asyncio shows a
connection only after its handshake; and bad header lines go into the log as they came. This
module adds what is missing. A header that dribbles in ends with the idle deadline, a body with
the one of its handler.
"""

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from broker.errors import ConfigurationError
from broker.gateway.proxies import Proxies, household

IDLE: Final = timedelta(seconds=30)
"""From the connection, or the last answer, to the end of the next header."""
HANDSHAKE: Final = timedelta(seconds=10)
MAX_LINE_BYTES: Final = 8190
MAX_FIELD_BYTES: Final = 8190
MAX_HEADERS: Final = 64
BACKLOG: Final = 512

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Doorkeeper:
    """Counts the open connections, of all and of each address, from their first packet on."""

    per_address: int
    at_most: int
    proxies: Proxies = field(default_factory=Proxies)
    """Load balancers: many clients stand behind one address of theirs."""
    proxies_only: bool = False
    """Plain HTTP is for the load balancer and for nobody else."""
    _open: Counter[str] = field(default_factory=Counter)

    def admit(self, address: str) -> bool:
        """Let a connection in and count it, or say no."""
        house = household(address)
        is_proxy = self.proxies.include(address)
        if not is_proxy and (self.proxies_only or self._open[house] >= self.per_address):
            return False
        if self._open.total() >= self.at_most:
            return False
        self._open[house] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection that was let in as gone."""
        house = household(address)
        self._open[house] -= 1
        if self._open[house] <= 0:
            del self._open[house]


class Doorway(asyncio.Protocol):
    """Counts a connection before TLS begins, for a handshake can be held open as well."""

    def __init__(self, server: web.Server, door: Doorkeeper, tls: ssl.SSLContext | None) -> None:
        self._connection = Connection(server, door)
        self._door = door
        self._tls = tls
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, or end it before a byte is read."""
        # A listener's transport is a stream; uvloop's does not inherit from asyncio's class.
        transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        address = peer[0] if peer else ""
        if not self._door.admit(address):
            log.warning("connection:refused")
            transport.abort()
        elif self._tls is None:
            transport.set_protocol(self._connection)
            self._connection.enter(transport, address)
        else:
            transport.pause_reading()
            self._handshake = asyncio.create_task(self._shake_hands(transport, address, self._tls))

    async def _shake_hands(
        self, transport: asyncio.Transport, address: str, tls: ssl.SSLContext
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                transport,
                self._connection,
                tls,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE.total_seconds(),
            )
        except (OSError, TimeoutError):
            # ``ssl.SSLError`` is an ``OSError``. Whoever it was, nobody entered.
            secured = None
        if secured is None or secured.is_closing():
            transport.abort()
            self._door.leave(address)
        else:
            self._connection.enter(secured, address)


class Connection(RequestHandler):
    """One connection that was let in; what it gets wrong is never logged as it came."""

    __slots__ = ("_address", "_door", "_early", "_is_inside")

    def __init__(self, server: web.Server, door: Doorkeeper) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE.total_seconds(),
            access_log=None,  # type: ignore[arg-type] # aiohttp takes None for none
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEADERS,
            # Nothing is ever inflated: a request with a Content-Encoding is refused.
            auto_decompress=False,
        )
        self._door = door
        self._address = ""
        self._is_inside = False
        self._early: list[bytes] = []

    def enter(self, transport: asyncio.Transport, address: str) -> None:
        """Begin to serve; what came with the end of the handshake is served first."""
        self._is_inside = True
        self._address = address
        self.connection_made(transport)
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection as gone."""
        if self._is_inside:
            self._is_inside = False
            self._door.leave(self._address)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        if self._is_inside:
            super().data_received(data)
        else:
            self._early.append(data)

    def log_exception(self, *_args: object, exc_info: object = None, **_kw: object) -> None:
        """Say that a request was malformed; its bytes may hold a token."""
        log.warning("request:malformed", error=type(exc_info).__name__)


async def listen(
    server: web.Server, address: str, *, tls: ssl.SSLContext | None, door: Doorkeeper
) -> asyncio.Server:
    """Open the public listener.

    Raises:
        ConfigurationError: The address is malformed, or taken.
    """
    host, port = split_address(address)
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(
            lambda: Doorway(server, door, tls), host, port, backlog=BACKLOG
        )
    except OSError as error:
        raise ConfigurationError(f"ENLACE_LISTEN {address}: {error.strerror}") from None


def split_address(address: str) -> tuple[str, int]:
    """Read ``host:port`` or ``[v6]:port``.

    Raises:
        ConfigurationError: It is not of that form.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(f"expected host:port, got {address}")
    return host.strip("[]"), int(port)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Make the TLS settings: TLS 1.3, and 1.2 with forward secrecy (RFC 9325).

    Raises:
        ConfigurationError: The files cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        raise ConfigurationError(
            f"{certificate}, {key}: no readable certificate with its key"
        ) from None
    return context

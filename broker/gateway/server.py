"""The listener: TLS, and how long and how often a stranger may hold a line.

aiohttp has a deadline for idle connections, and none for the handshake, nor a cap for one
address; it writes bad header lines into its log as they came. This module adds what is
missing. A header that dribbles in ends with the idle deadline, a body with the handler's.
"""

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from broker.errors import ConfigurationError
from broker.gateway.proxies import Proxies

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
    """Counts the open connections of each address."""

    per_address: int
    proxies: Proxies = field(default_factory=Proxies)
    """Load balancers: many clients stand behind one address of theirs."""
    proxies_only: bool = False
    """Plain HTTP is for the load balancer and for nobody else."""
    _open: Counter[str] = field(default_factory=Counter)

    def admit(self, address: str) -> bool:
        """Let a connection in and count it, or say no."""
        is_proxy = self.proxies.include(address)
        if not is_proxy and (self.proxies_only or self._open[address] >= self.per_address):
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection that was let in as gone."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]


class Connection(RequestHandler):
    """One connection, counted at the door; what it gets wrong is never logged as it came."""

    __slots__ = ("_address", "_door", "_is_admitted")

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
        self._is_admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, or end it before a byte is read."""
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self._is_admitted = self._door.admit(self._address)
        if self._is_admitted:
            super().connection_made(transport)
        elif isinstance(transport, asyncio.Transport):
            log.warning("connection:refused")
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection as gone."""
        if self._is_admitted:
            self._is_admitted = False
            self._door.leave(self._address)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read only what comes from whom was let in."""
        if self._is_admitted:
            super().data_received(data)

    def log_exception(self, *_args: object, **_kw: object) -> None:
        """Say that a request was malformed; its bytes may hold a token."""
        log.warning("request:malformed")


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
            lambda: Connection(server, door),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else HANDSHAKE.total_seconds(),
            backlog=BACKLOG,
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

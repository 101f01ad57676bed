"""The listener: TLS, and how long and how often a stranger may hold a line.

aiohttp has a deadline for idle connections, and no cap for one address; asyncio shows a
connection only after its handshake; and bad header lines go into the log as they came. This
module adds what is missing. A header that dribbles in ends with the idle deadline, a body with
the one of its handler.
"""

import asyncio
import json
import logging
import socket
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from broker.errors import Code, ConfigurationError
from broker.gateway.headers import SECURITY_HEADERS
from broker.gateway.proxies import Proxies, household
from broker.gateway.tls import ServerTls

IDLE: Final = timedelta(seconds=30)
"""From the connection, or the last answer, to the end of the next header."""
HANDSHAKE: Final = timedelta(seconds=10)
MAX_LINE_BYTES: Final = 8190
MAX_FIELD_BYTES: Final = 8190
MAX_HEADERS: Final = 64
BACKLOG: Final = 512
ACCEPT_AGAIN: Final = timedelta(milliseconds=100)
SILENT: Final = logging.getLogger("enlace.silent")
"""aiohttp's own logger writes bad lines as they came; ours says that there was one."""
SILENT.disabled = True
PROBLEM: Final = "application/problem+json"
FIXED: Final[dict[int, bytes]] = {
    status: json.dumps(
        {"status": status.value, "code": code.value, "title": status.phrase}
    ).encode()
    for status, code in (
        (HTTPStatus.BAD_REQUEST, Code.REQUEST_MALFORMED),
        (HTTPStatus.INTERNAL_SERVER_ERROR, Code.INTERNAL_ERROR),
    )
}
"""What is answered where no request could be read: nothing of it is known or repeated."""

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


class Connection(RequestHandler):
    """One connection that was let in; what it gets wrong is never logged, or sent back."""

    __slots__ = ("_address", "_door", "_is_counted")

    def __init__(self, server: web.Server, door: Doorkeeper, address: str) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE.total_seconds(),
            access_log=None,  # type: ignore[arg-type] # aiohttp takes None for none
            logger=SILENT,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEADERS,
            # Nothing is ever inflated: a request with a Content-Encoding is refused.
            auto_decompress=False,
        )
        self._door = door
        self._address = address
        self._is_counted = True

    def leave(self) -> None:
        """Count it as gone; once, whoever notices first."""
        if self._is_counted:
            self._is_counted = False
            self._door.leave(self._address)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection as gone."""
        self.leave()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - it could not be read
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - holds the bytes that were wrong
    ) -> web.StreamResponse:
        """Answer what is no HTTP with a fixed text, and say so in the log without its bytes."""
        log.warning("request:malformed", error=type(exc).__name__)
        code = status if status in FIXED else HTTPStatus.BAD_REQUEST
        response = web.Response(
            body=FIXED[code], status=code, content_type=PROBLEM, headers=SECURITY_HEADERS
        )
        response.force_close()
        return response


class Listener:
    """Accepts connections, each counted before TLS begins: a handshake can be held open too."""

    def __init__(
        self,
        listening: socket.socket,
        server: web.Server,
        *,
        tls: ServerTls | None,
        door: Doorkeeper,
    ) -> None:
        self._listening = listening
        self._server = server
        self._tls = tls
        self._door = door
        self._entering: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept_forever())

    async def close(self) -> None:
        """Accept nothing more; who is inside stays."""
        tasks = (self._accepting, *self._entering)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()

    async def _accept_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(self._listening)
            except OSError:
                # Out of files, or gone before it was taken; neither ends the listener.
                await asyncio.sleep(ACCEPT_AGAIN.total_seconds())
                continue
            if self._door.admit(peer[0]):
                task = asyncio.create_task(self._enter(accepted, peer[0]))
                self._entering.add(task)
                task.add_done_callback(self._entering.discard)
            else:
                log.warning("connection:refused")
                accepted.close()

    async def _enter(self, accepted: socket.socket, address: str) -> None:
        connection = Connection(self._server, self._door, address)
        try:
            accepted.settimeout(0)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                # Asked for each connection: the certificate may have changed since the last.
                ssl=None if self._tls is None else self._tls.context,
                ssl_handshake_timeout=None if self._tls is None else HANDSHAKE.total_seconds(),
            )
        except (OSError, TimeoutError):
            # ``ssl.SSLError`` is an ``OSError``. Whoever it was, nobody entered.
            connection.leave()
            accepted.close()
        except asyncio.CancelledError:
            connection.leave()
            accepted.close()
            raise


async def listen(
    server: web.Server, address: str, *, tls: ServerTls | None, door: Doorkeeper
) -> Listener:
    """Open the public listener.

    Raises:
        ConfigurationError: The address is malformed, or taken.
    """
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(f"ENLACE_LISTEN {address}: {error.strerror}") from None
    listening.settimeout(0)
    return Listener(listening, server, tls=tls, door=door)


def split_address(address: str) -> tuple[str, int]:
    """Read ``host:port`` or ``[v6]:port``.

    Raises:
        ConfigurationError: It is not of that form.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(f"expected host:port, got {address}")
    return host.strip("[]"), int(port)

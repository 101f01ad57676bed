"""Where does a gateway listen, and how does it say goodbye?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import web

from broker.errors import ConfigurationError
from broker.gateway.app import public_app
from broker.gateway.context import Gateway
from broker.gateway.health import management_app
from broker.gateway.server import Doorkeeper, listen, split_address
from broker.gateway.tls import ServerTls
from broker.ports.transport import Transport
from broker.settings import Settings
from broker.wiring.clock import utc_now


@asynccontextmanager
async def serving(
    settings: Settings, gateway: Gateway, transport: Transport, tls: ServerTls | None
) -> AsyncIterator[None]:
    """Serve both listeners for as long as the context lasts; drain on leaving."""
    runner = web.AppRunner(
        public_app(gateway),
        access_log=None,
        shutdown_timeout=settings.drain_seconds,
        # Whoever hangs up is not worked for any more; the ledger finishes what it has begun.
        handler_cancellation=True,
    )
    management = web.AppRunner(management_app(gateway, transport), access_log=None)
    await runner.setup()
    await management.setup()
    host, port = split_address(settings.management_listen)
    await web.TCPSite(management, host, port).start()
    if runner.server is None:
        raise RuntimeError("the runner was not set up")
    listener = await listen(
        runner.server,
        settings.listen,
        tls=tls,
        door=Doorkeeper(
            per_address=settings.max_connections_per_address,
            at_most=settings.max_connections,
            proxies=gateway.proxies,
            proxies_only=settings.plain_http,
        ),
    )
    try:
        yield
    finally:
        # New requests are told to come back; streams say goodbye; what is in work is finished.
        gateway.lifecycle.draining = True
        await listener.close()
        await runner.cleanup()
        await management.cleanup()


def server_tls(settings: Settings) -> ServerTls | None:
    """Make what the public listener speaks TLS with; None behind a proxy that does."""
    if settings.plain_http:
        return None
    if settings.tls_certificate is None or settings.tls_key is None:
        raise ConfigurationError("ENLACE_TLS_CERTIFICATE and ENLACE_TLS_KEY must be set")
    return ServerTls(
        settings.at_home(settings.tls_certificate),
        settings.at_home(settings.tls_key),
        host=urlsplit(settings.base_url).hostname or "localhost",
        clock=utc_now,
    )

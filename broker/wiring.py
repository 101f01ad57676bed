"""Edge. Puts the parts together: the only place that knows which adapter stands where."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from broker.admission.dpop import DpopNonces
from broker.attempt import attempt
from broker.directory_watch import DirectoryWatch
from broker.errors import ConfigurationError
from broker.escalation import Escalations
from broker.exchange import Exchange
from broker.file_watch import FileWatch
from broker.gateway.access import Access, ClientKeys
from broker.gateway.app import public_app
from broker.gateway.context import Gateway
from broker.gateway.health import management_app
from broker.gateway.limits import Buckets, Limits, Rate
from broker.gateway.metrics import Metrics
from broker.gateway.polls import PollSessions
from broker.gateway.proxies import Proxies
from broker.gateway.server import Doorkeeper, listen, split_address
from broker.gateway.tls import ServerTls
from broker.gateway_keys import CurrentTokens, GatewayKeys
from broker.gateway_secrets import Secrets, read_secrets
from broker.hand_over import HandOvers
from broker.key_watch import KeyWatch
from broker.notices import Notices, UnreadNotices
from broker.policy_watch import PolicyWatch
from broker.ports import Transport
from broker.recollection import InFile
from broker.relay import Relay
from broker.settings import Mode, Settings
from broker.storage.ledger import Ledger, open_ledger
from broker.storage.migrate import upgrade
from broker.sweep import Sweep
from broker.texts.catalogue import Catalogue
from broker.transport.local import LocalTransport
from broker.transport.rabbitmq import open_rabbitmq
from broker.transport.topology import Topology
from keys.custody.envelope import RECOMMENDED, KdfCost
from schemas.loader import SchemaSet

log = structlog.get_logger()
DECLARE_AGAIN = timedelta(seconds=2)
REMEMBERED = Path("seen-statements.json")
"""In the gateway's home, outside of the ledger: see ``recollection``."""


def utc_now() -> datetime:
    """Tell the time; a ``ports.Clock``."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_transport(settings: Settings, ledger: Ledger) -> AsyncIterator[Transport]:
    """Open the transport that the settings name; never another one in its place."""
    url = settings.broker_url
    if url is None:
        yield LocalTransport(ledger.deliveries, clock=utc_now)
        return
    topology = Topology(namespace=settings.amqp_namespace)
    async with open_rabbitmq(url, clock=utc_now, topology=topology) as transport:
        yield transport


def build_gateway(
    settings: Settings, secrets: Secrets, ledger: Ledger, transport: Transport
) -> tuple[Gateway, GatewayKeys]:
    """Put one gateway together, and what it signs with; starts nothing."""
    schemas = SchemaSet.load()
    watch = DirectoryWatch(
        ledger.directory,
        roots=lambda: keys.secrets.pins.roots,
        clock=utc_now,
        recollection=InFile(settings.at_home(REMEMBERED)),
    )
    keys = GatewayKeys(secrets, lambda: watch.current, issuer=settings.base_url, clock=utc_now)
    limits = _limits(settings)
    hand_overs = HandOvers(
        ledger=ledger.deliveries,
        transport=transport,
        clock=utc_now,
        sign_receipt=keys.sign_receipt,
        lease=timedelta(seconds=settings.lease_seconds),
    )
    gateway = Gateway(
        base_url=settings.base_url,
        exchange=Exchange(
            directory=watch,
            schemas=schemas,
            ledger=ledger.messages,
            sign_receipt=keys.sign_receipt,
            mac_key=secrets.mac_key,
            clock=utc_now,
            draw=os.urandom,
        ),
        hand_overs=hand_overs,
        polls=PollSessions(hand_overs=hand_overs),
        deliveries=ledger.deliveries,
        key_ledger=ledger.keys,
        recalls=ledger.recalls,
        requests=ledger.requests,
        directory=watch,
        access=_access(settings, keys, ledger, watch, limits),
        relay=Relay(ledger=ledger.deliveries, transport=transport, clock=utc_now),
        schemas=schemas,
        texts=Catalogue.load("problems"),
        limits=limits,
        proxies=Proxies(settings.trusted_proxies),
        metrics=Metrics(),
        clock=utc_now,
        keys=keys,
    )
    return gateway, keys


def _access(
    settings: Settings, keys: GatewayKeys, ledger: Ledger, watch: DirectoryWatch, limits: Limits
) -> Access:
    def find_client(client_id: str) -> ClientKeys | None:
        client = watch.current.client(client_id)
        if client is None:
            return None
        return ClientKeys(record=client, keys=watch.current.client_keys(client, utc_now()))

    return Access(
        base_url=settings.base_url,
        proofs=ledger.proofs,
        clock=utc_now,
        nonces=DpopNonces(keys.secrets.nonce_secret.reveal()),
        tokens=CurrentTokens(keys, issuer=settings.base_url, clock=utc_now),
        find_client=find_client,
        count_client=limits.count_client,
        receipt_keys=keys.receipt_keys,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_postings_per_client=settings.max_postings_per_client,
        clients=Buckets(
            Rate(per_second=settings.client_requests_per_second, burst=settings.client_burst)
        ),
        addresses=Buckets(
            Rate(per_second=settings.address_requests_per_second, burst=settings.address_burst)
        ),
    )


@asynccontextmanager
async def running_gateway(
    settings: Settings,
    *,
    minimum: KdfCost = RECOMMENDED,
    escalate_every: timedelta | None = None,
) -> AsyncIterator[Gateway]:
    """Run a gateway for as long as the context lasts; drains on leaving.

    Args:
        settings: Of this process.
        minimum: What the passphrases must at least have cost.
        escalate_every: How often it looks for what is overdue; None is as often as in life.

    Raises:
        ConfigurationError: Something is missing or contradicts; the text says what to do.
        LedgerUnavailableError: The ledger does not answer.
    """
    secrets = read_secrets(settings, minimum=minimum)
    tls = _tls(settings)
    if settings.mode is Mode.DEVELOPMENT:
        await upgrade(settings.database_url)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(open_ledger(settings.database_url))
        transport = await stack.enter_async_context(open_transport(settings, ledger))
        gateway, keys = build_gateway(settings, secrets, ledger, transport)
        await gateway.directory.refresh()
        gateway.keys.check()
        watches: list[FileWatch[Any]] = [
            FileWatch(
                "gateway-keys",
                files=lambda: _secret_files(settings),
                read=partial(read_secrets, settings, minimum=minimum),
                take=keys.use,
            )
        ]
        if tls is not None:
            gateway.metrics.watch_tls(tls.seconds_left)
            watches.append(tls.watch)
        key_watch = _key_watch(settings, gateway, keys, ledger)
        escalations = _escalations(settings, gateway, keys, ledger, every=escalate_every)
        await stack.enter_async_context(
            _background(
                gateway,
                transport,
                ledger,
                (*watches, key_watch, escalations),
                UnreadNotices(sign=keys.sign_notice, issuer=settings.base_url),
            )
        )
        await stack.enter_async_context(_serving(settings, gateway, transport, tls))
        log.info("gateway:started", transport=transport.name, listen=settings.listen)
        yield gateway


def _key_watch(settings: Settings, gateway: Gateway, keys: GatewayKeys, ledger: Ledger) -> KeyWatch:
    return KeyWatch(
        directory=gateway.directory,
        ledger=ledger.keys,
        notices=Notices(ledger=ledger.keys, sign=keys.sign_notice, issuer=settings.base_url),
        clock=utc_now,
        show=gateway.metrics.show_keys,
        show_reviews=gateway.metrics.show_reviews,
    )


def _escalations(
    settings: Settings,
    gateway: Gateway,
    keys: GatewayKeys,
    ledger: Ledger,
    *,
    every: timedelta | None,
) -> Escalations:
    return Escalations(
        ledger=ledger.requests,
        directory=lambda: gateway.directory.current,
        sign=keys.sign_notice,
        issuer=settings.base_url,
        clock=utc_now,
        every=every,
    )


@asynccontextmanager
async def _background(
    gateway: Gateway,
    transport: Transport,
    ledger: Ledger,
    watches: Sequence[FileWatch[Any] | KeyWatch | Escalations],
    tell: UnreadNotices,
) -> AsyncIterator[None]:
    sweep = Sweep(
        ledger=ledger.deliveries,
        transport=transport,
        clock=utc_now,
        sign_receipt=gateway.hand_overs.sign_receipt,
        tell=tell,
    )
    queues = asyncio.Event()
    gateway.directory.on_change(lambda _: queues.set())
    queues.set()
    watch_policy = PolicyWatch()
    gateway.directory.on_change(watch_policy)
    watch_policy(gateway.directory.current)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(work)
            for work in (
                gateway.directory.run(),
                gateway.relay.run(),
                gateway.hand_overs.run(),
                gateway.polls.run(),
                sweep.run(),
                _keep_declared(transport, gateway.directory, queues),
                *(watch.run() for watch in watches),
            )
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _keep_declared(
    transport: Transport, watch: DirectoryWatch, changed: asyncio.Event
) -> None:
    """Declare the queues of every open pair, now and whenever the directory changes."""
    while True:
        await changed.wait()
        changed.clear()
        queues = watch.current.queues()
        if not await attempt("declare", partial(transport.declare, queues)):
            changed.set()
            await asyncio.sleep(DECLARE_AGAIN.total_seconds())


@asynccontextmanager
async def _serving(
    settings: Settings, gateway: Gateway, transport: Transport, tls: ServerTls | None
) -> AsyncIterator[None]:
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


def _secret_files(settings: Settings) -> Sequence[Path]:
    names = (settings.keys, settings.passphrase_file, settings.roots)
    return [settings.at_home(name) for name in names]


def _tls(settings: Settings) -> ServerTls | None:
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


async def run_gateway(settings: Settings, *, minimum: KdfCost = RECOMMENDED) -> None:
    """Run a gateway until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with running_gateway(settings, minimum=minimum):
        await stop.wait()
        log.info("gateway:draining")

"""Runs a gateway from its settings to its last answer."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from broker.escalation import Escalations
from broker.file_watch import FileWatch
from broker.gateway.context import Gateway
from broker.gateway_keys import GatewayKeys
from broker.gateway_secrets import read_secrets
from broker.key_watch import KeyWatch
from broker.notices import Notices, UnreadNotices
from broker.settings import Mode, Settings
from broker.storage.ledger import Ledger, open_ledger
from broker.storage.migrate import upgrade
from broker.wiring.background import background
from broker.wiring.build import build_gateway, open_transport
from broker.wiring.clock import utc_now
from broker.wiring.serve import server_tls, serving
from keys.custody.envelope import RECOMMENDED, KdfCost

log = structlog.get_logger()


async def run_gateway(settings: Settings, *, minimum: KdfCost = RECOMMENDED) -> None:
    """Run a gateway until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with running_gateway(settings, minimum=minimum):
        await stop.wait()
        log.info("gateway:draining")


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
    tls = server_tls(settings)
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
            background(
                gateway,
                transport,
                ledger,
                (*watches, key_watch, escalations),
                UnreadNotices(sign=keys.sign_notice, issuer=settings.base_url),
            )
        )
        await stack.enter_async_context(serving(settings, gateway, transport, tls))
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


def _secret_files(settings: Settings) -> Sequence[Path]:
    names = (settings.keys, settings.passphrase_file, settings.roots)
    return [settings.at_home(name) for name in names]

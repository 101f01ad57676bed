"""Which parts make a gateway, and what does each of them get? Nothing is started here."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from broker.admission.dpop import DpopNonces
from broker.directory_watch import DirectoryWatch
from broker.exchange import Exchange
from broker.gateway.access import Access, ClientKeys
from broker.gateway.context import Gateway
from broker.gateway.limits import Buckets, Limits, Rate
from broker.gateway.metrics import Metrics
from broker.gateway.polls import PollSessions
from broker.gateway.proxies import Proxies
from broker.gateway_keys import CurrentTokens, GatewayKeys
from broker.gateway_secrets import Secrets
from broker.hand_over import HandOvers
from broker.notices import FindingNotices
from broker.ports.transport import Transport
from broker.recollection import InFile
from broker.relay import Relay
from broker.settings import Settings
from broker.storage.ledger import Ledger
from broker.texts.catalogue import Catalogue
from broker.transport.local import LocalTransport
from broker.transport.rabbitmq import open_rabbitmq
from broker.transport.topology import Topology
from broker.wiring.clock import utc_now
from schemas.loader import SchemaSet

REMEMBERED: Final = Path("seen-statements.json")
"""In the gateway's home, outside of the ledger: see ``recollection``."""


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
        tell_finding=FindingNotices(sign=keys.sign_notice, issuer=settings.base_url),
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

"""An exchange of its own for each test: real keys, TLS, ledger; a gateway on loopback."""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from broker.desk.client import EnlaceClient
from broker.desk.inbox import Inbox
from broker.desk.subscribe import Subscription
from broker.gateway.context import Gateway
from broker.model.names import AgencyRef, DeskRef, Pair
from broker.ports.directory import DirectoryStore
from broker.sandbox.world import Plan, World, make_world
from broker.storage.ledger import open_ledger
from broker.wiring.run import running_gateway
from keys.act_kind import ActKind
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.identifiers import KeyId
from keys.key import VerificationKey
from schemas.examples import accepted
from schemas.loader import SchemaSet
from schemas.vocabulary import AgencyFunction, Compartment, Country
from tests.services.rabbitmq import amqp_url

__all__ = ["amqp_url"]

FISCALIA = AgencyRef(country=Country.MEXICO, agency="fgr")
MIGRACION = AgencyRef(country=Country.MEXICO, agency="inm")
PGN = AgencyRef(country=Country.GUATEMALA, agency="pgn")
GT_DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
HN_DESK = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
MX_DESK = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
GT_PROTECTION = DeskRef(country=Country.GUATEMALA, compartment=Compartment.PROTECTION)

AGENCIES = {
    FISCALIA: (AgencyFunction.PROSECUTION, "Fiscalía General de la República"),
    MIGRACION: (AgencyFunction.MIGRATION_CONTROL, "Instituto Nacional de Migración"),
    PGN: (AgencyFunction.CHILD_PROTECTION, "Procuraduría General de la Nación"),
}
PLAN = Plan(
    agencies=AGENCIES,
    desks=frozenset({GT_DESK, HN_DESK, MX_DESK, GT_PROTECTION}),
    pairs=frozenset(
        {
            Pair(origin=Country.MEXICO, desk=GT_DESK),
            Pair(origin=Country.MEXICO, desk=HN_DESK),
            Pair(origin=Country.MEXICO, desk=GT_PROTECTION),
            Pair(origin=Country.GUATEMALA, desk=MX_DESK),
        }
    ),
)
Document = dict[str, Any]


def new_id() -> str:
    """Make a UUIDv7 of now."""
    milliseconds = int(datetime.now(UTC).timestamp() * 1000)
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64
    return str(UUID(int=value | 2 << 62 | secrets.randbits(62)))


def message(**changes: object) -> Document:
    """A valid route report of Mexico's prosecution to Guatemala; ``None`` takes a member out."""
    document = next(iter(accepted("route-report"))).message
    now = datetime.now(UTC)
    document = {
        **json.loads(json.dumps(document)),
        "id": new_id(),
        "from": {"country": "MX", "agency": "fgr"},
        "to": {"countries": ["GT"], "compartment": "intelligence"},
        "created": now.isoformat(timespec="seconds"),
        "expires": (now + timedelta(days=30)).isoformat(timespec="seconds"),
        "review_by": (now + timedelta(days=20)).isoformat(timespec="seconds"),
    }
    document.pop("reply_by", None)
    document |= changes
    return {name: value for name, value in document.items() if value is not None}


def as_bytes(document: Document) -> bytes:
    """Write a message as its sender would."""
    return json.dumps(document, ensure_ascii=False).encode()


@dataclass
class Running:
    """One exchange with one gateway, and what a test does with it."""

    world: World
    gateway: Gateway
    stack: AsyncExitStack = field(repr=False)
    clients: dict[object, EnlaceClient] = field(default_factory=dict)

    async def client(self, subject: AgencyRef | DeskRef) -> EnlaceClient:
        """A client of a participant, open until the test ends."""
        if subject not in self.clients:
            client = self.world.client(subject)
            self.clients[subject] = await self.stack.enter_async_context(client)
        return self.clients[subject]

    def pair(self, desk: DeskRef, origin: Country = Country.MEXICO) -> Pair:
        """The road from a country to a desk."""
        return Pair(origin=origin, desk=desk)

    @asynccontextmanager
    async def directory_change(self) -> AsyncIterator[DirectoryStore]:
        """Change the directory as an administrator does; in force when it ends."""
        async with open_ledger(self.world.settings.database_url) as ledger:
            yield ledger.directory
        await self.gateway.directory.refresh()

    async def decide(self, *acts: str) -> None:
        """Let administrators act; in force when it ends."""
        async with self.directory_change() as store:
            await store.add_statements(acts, at=datetime.now(UTC))

    async def close(self, pair: Pair) -> None:
        """Close a road, as one administrator of the exchange may."""
        kit = self.world.exchange
        await self.decide(kit.alone(ActKind.CLOSE, at=datetime.now(UTC), pairs=[pair.queue]))

    @property
    def receipt_keys(self) -> Mapping[KeyId, VerificationKey]:
        """The receipt keys that the root of the exchange states."""
        return self.gateway.directory.current.receipt_keys

    async def post(self, document: Document, sender: AgencyRef = FISCALIA) -> str:
        """Post a message and return its id."""
        return (await (await self.client(sender)).send(as_bytes(document))).id

    async def receive(self, desk: DeskRef, *, idle: float = 1.5) -> list[Document]:
        """Subscribe until nothing comes any more; return the inbox's lines."""
        folder = self.world.folder_of(desk)
        client = await self.client(desk)
        with Inbox(folder / "inbox.jsonl") as inbox, Inbox(folder / "refused.jsonl") as refused:
            subscription = Subscription(
                client, inbox=inbox, refused=refused, schemas=SchemaSet.load()
            )
            await subscription.run(idle=timedelta(seconds=idle))
        return lines(folder / "inbox.jsonl")


def lines(path: Path) -> list[Document]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@asynccontextmanager
async def running(folder: Path, *, plan: Plan = PLAN, **settings: object) -> AsyncIterator[Running]:
    """Make an exchange in a folder and run a gateway on it."""
    # Tests share one RabbitMQ and no queue.
    settings = {"amqp_namespace": f"t{secrets.token_hex(4)}.", **settings}
    world = await make_world(folder, plan, cost=INTERACTIVE_DEMO, **settings)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            running_gateway(world.settings, minimum=INTERACTIVE_DEMO)
        )
        clients = await stack.enter_async_context(AsyncExitStack())
        yield Running(world=world, gateway=gateway, stack=clients)


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange on SQLite and the local transport."""
    async with running(tmp_path / "exchange") as one:
        yield one


@pytest.fixture(
    params=["local", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)],
)
async def any_exchange(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange on each transport in turn."""
    url = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None
    async with running(tmp_path / "exchange", amqp_url=url) as one:
        yield one

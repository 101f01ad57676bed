"""What stands while one transport and one ledger are measured."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from bench.load import Author, Caller, Target
from bench.raw_publish import RawPublisher, raw_publisher
from bench.services import Child, Meter, Server, environment_of, running
from broker.desk.tls import client_context
from broker.gateway.server import split_address
from broker.model.names import AgencyRef, DeskRef, Pair
from broker.sandbox.ports import free_ports
from broker.sandbox.world import Plan, World, make_world
from keys.custody.envelope import INTERACTIVE_DEMO
from schemas.vocabulary import AgencyFunction, Compartment, Country

SENDER: Final = AgencyRef(country=Country.MEXICO, agency="fgr")
LOADED: Final = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
"""Where the accept rounds send; nobody reads there meanwhile."""
READ: Final = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
"""Where the delivery rounds send."""
STREAMED: Final = tuple(
    DeskRef(country=country, compartment=Compartment.INTELLIGENCE)
    for country in (
        Country.COSTA_RICA,
        Country.EL_SALVADOR,
        Country.NICARAGUA,
        Country.PANAMA,
        Country.UNITED_STATES,
    )
)
"""Whose streams are read without an answer, one each: what a session was handed and did not
answer is its holder's for a minute, and would be in the way of the next round."""
DESKS: Final = (LOADED, READ, *STREAMED)
LIMITS: Final[dict[str, object]] = {
    "max_connections_per_address": 1000,
    "max_postings_per_client": 256,
    "client_requests_per_second": 1e6,
    "client_burst": 1_000_000,
    "address_requests_per_second": 1e6,
    "address_burst": 1_000_000,
}
"""A load generator is one client at one address, and would be slowed down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs while one transport and one ledger are measured."""

    world: World
    author: Author
    caller: Caller
    gateway: Child
    target: Target
    meter: Meter
    raw: RawPublisher | None


@asynccontextmanager
async def open_stage(folder: Path, name: str, servers: dict[str, Server]) -> AsyncIterator[Stage]:
    """Make a world for one combination (``rabbitmq-sqlite``), and run its gateway."""
    uses_rabbitmq = name.startswith("rabbitmq")
    amqp = servers["rabbitmq"] if uses_rabbitmq else None
    plan = Plan(
        agencies={SENDER: (AgencyFunction.PROSECUTION, "FGR")},
        desks=frozenset(DESKS),
        pairs=frozenset(Pair(origin=SENDER.country, desk=desk) for desk in DESKS),
    )
    world = await make_world(
        folder,
        plan,
        cost=INTERACTIVE_DEMO,
        ledger_url=await _ledger_url(name, servers),
        amqp_url=None if amqp is None else amqp.url,
        **LIMITS,
    )
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            running("bench.gateway_process", environ=environment_of(world.settings))
        )
        raw = None
        if amqp is not None:
            raw = await stack.enter_async_context(raw_publisher(amqp.url))
        tls = client_context(world.folder / "tls" / "ca.pem")
        yield Stage(
            world=world,
            author=Author.of(world, SENDER, LOADED),
            caller=Caller(world=world, subject=SENDER),
            gateway=gateway,
            target=Target(address=split_address(world.settings.listen), tls=tls),
            meter=Meter(
                gateway=gateway,
                rabbitmq=amqp,
                postgresql=servers["postgresql"] if name.endswith("postgresql") else None,
            ),
            raw=raw,
        )


@asynccontextmanager
async def open_bare(stage: Stage, folder: Path) -> AsyncIterator[tuple[Target, Meter]]:
    """Run a bare server that answers what the gateway answers."""
    lines = await stage.target.open(1)
    await lines.send([await _first_request(stage)])
    head, _, body = lines.last.partition(b"\r\n\r\n")
    await lines.close()
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
    answer = folder / "answer"
    answer.write_bytes(json.dumps(headers).encode("ascii") + b"\n" + body)
    (port,) = free_ports(1)
    tls = folder / "tls"
    arguments = [str(tls / "gateway.pem"), str(tls / "gateway.key"), str(port), str(answer)]
    async with running("bench.bare_https", *arguments) as bare:
        yield Target(address=("127.0.0.1", port), tls=stage.target.tls), Meter(gateway=bare)


async def _first_request(stage: Stage) -> bytes:
    await stage.caller.log_in()
    return stage.caller.request(stage.author.write())


async def _ledger_url(name: str, servers: dict[str, Server], suffix: str = "") -> str | None:
    """Make a database for one combination; None is SQLite's default, in the folder."""
    if not name.endswith("postgresql"):
        return None
    url = make_url(servers["postgresql"].url)
    database = f"bench_{name.replace('-', '_')}{suffix}"
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE IF EXISTS {database}"))
        await connection.execute(text(f"CREATE DATABASE {database}"))
    await engine.dispose()
    return url.set(database=database).render_as_string(hide_password=False)


async def scratch_ledger(name: str, servers: dict[str, Server], world: World) -> str:
    """Make another ledger of the same sort, for the parts."""
    home = world.folder / "scratch"
    home.mkdir(mode=0o700)
    default = world.settings.model_copy(update={"home": home}).database_url
    return await _ledger_url(name, servers, suffix="_parts") or default


async def postgresql_version(url: str) -> str:
    """Ask a PostgreSQL what it is."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        version = (await connection.execute(text("SHOW server_version"))).scalar_one()
    await engine.dispose()
    return str(version)

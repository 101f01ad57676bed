"""An exchange whose keys can rotate in a minute: short spans, several gateways, own processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.directory import Directory
from broker.gateway.server import split_address
from broker.model.names import AgencyRef, DeskRef, Pair
from broker.sandbox.kits import APPROVED
from broker.sandbox.ports import free_ports
from broker.sandbox.world import Plan, World, make_world
from broker.storage.ledger import Ledger, open_ledger
from keys.act import ActTerms
from keys.act import sign as sign_act
from keys.act_kind import ActKind
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.key import KeyUse
from keys.strict_json import JsonObject
from schemas.vocabulary import AgencyFunction, Compartment, Country
from tests.fakes.certificates import Authority, replace_file
from tests.flow.load_balancer import load_balancer

ROOT = Path(__file__).parents[2]
SHORT: JsonObject = {
    "decisions": {"time_lock": "3s", "replacement_lock": "3s"},
    "uses": {KeyUse.DESK_ENCRYPTION.value: {"announce": "1s", "grace": "0s"}},
}
"""What takes days in life, in seconds; everything else as in life.

The locks are longer than it takes to publish a decision, so that none is of the past.
"""
HOUR = timedelta(hours=1)
IN_FORCE = timedelta(seconds=4)
"""Every gateway reads directory and files once a second; and this machine may be busy."""


def desk_of(country: Country) -> DeskRef:
    """The desk of a country's intelligence."""
    return DeskRef(country=country, compartment=Compartment.INTELLIGENCE)


def agency_of(country: Country) -> AgencyRef:
    """The prosecution of a country."""
    return AgencyRef(country=country, agency="fiscal")


def plan_of(*pairs: tuple[Country, Country]) -> Plan:
    """A plan with these roads, from country to country."""
    return Plan(
        agencies={
            agency_of(origin): (AgencyFunction.PROSECUTION, "Fiscalía") for origin, _ in pairs
        },
        desks=frozenset(desk_of(to) for _, to in pairs),
        pairs=frozenset(Pair(origin=origin, desk=desk_of(to)) for origin, to in pairs),
    )


@dataclass
class GatewayProcess:
    """One gateway of the exchange: a home of its own, the files of all."""

    world: World
    name: str
    listen: str
    management_listen: str
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return once it takes connections."""
        with (self.world.folder / f"{self.name}.log").open("ab") as console:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.flow.crashing_gateway", "never"),
                env=self._environment(),
                cwd=ROOT,
                stdout=console,
                stderr=console,
            )
        async with asyncio.timeout(30):
            while not await self._answers():
                assert self.process.returncode is None
                await asyncio.sleep(0.05)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, by asking or by killing."""
        process, self.process = self.process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            async with asyncio.timeout(20):
                await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()

    async def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Let another process take its place."""
        await self.stop(how)
        await self.start()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(*split_address(self.listen))
        except OSError:
            return False
        writer.close()
        return True

    def _environment(self) -> dict[str, str]:
        settings, folder = self.world.settings, self.world.folder
        home = folder / self.name
        home.mkdir(mode=0o700, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if "ENLACE" not in name}
        environment |= {
            "ENLACE_MODE": "development",
            "ENLACE_HOME": str(home),
            "ENLACE_BASE_URL": settings.base_url,
            "ENLACE_LISTEN": self.listen,
            "ENLACE_MANAGEMENT_LISTEN": self.management_listen,
            "ENLACE_LEDGER_URL": settings.database_url,
            "ENLACE_KEYS": str(folder / "gateway.keys"),
            "ENLACE_PASSPHRASE_FILE": str(folder / "gateway.passphrase"),
            "ENLACE_SECRET_FILE": str(folder / "gateway.secret"),
            "ENLACE_ROOTS": str(folder / "roots.json"),
            "ENLACE_TLS_CERTIFICATE": str(folder / "tls" / "gateway.pem"),
            "ENLACE_TLS_KEY": str(folder / "tls" / "gateway.key"),
            "ENLACE_LEASE_SECONDS": "5",
            "ENLACE_DRAIN_SECONDS": "3",
            # All clients of this test have one address.
            "ENLACE_MAX_CONNECTIONS_PER_ADDRESS": "800",
            "ENLACE_ADDRESS_REQUESTS_PER_SECOND": "1000",
            "ENLACE_ADDRESS_BURST": "1000",
            "PYTHONPATH": str(ROOT),
        }
        if settings.broker_url is not None:
            environment["ENLACE_AMQP_URL"] = settings.broker_url
            environment["ENLACE_AMQP_NAMESPACE"] = settings.amqp_namespace
        return environment


@dataclass
class RotatingWorld:
    """The exchange, its ledger as administrators reach it, and its gateways."""

    world: World
    ledger: Ledger
    authority: Authority
    gateways: list[GatewayProcess] = field(default_factory=list)

    async def publish(self, *tokens: str) -> datetime:
        """Add signed documents; tells when they were committed."""
        await self.ledger.directory.add_statements(tokens, at=datetime.now(UTC))
        return datetime.now(UTC)

    async def directory(self) -> Directory:
        """Verify what lies in the ledger now, and require that all of it counts."""
        record = await self.ledger.directory.load()
        directory, rejected = Directory.verify(
            record, roots=self.world.pins.roots, now=datetime.now(UTC)
        )
        assert rejected == ()
        return directory

    def require_calm_logs(self) -> None:
        """No gateway saw a document that nobody vouches for, or missed one that was there."""
        for gateway in self.gateways:
            text = (self.world.folder / f"{gateway.name}.log").read_text()
            assert "directory:read" in text
            assert "key-statement:rejected" not in text
            assert "directory:taken-back" not in text

    async def shorten_spans(self) -> None:
        """Let two owners decide on a policy of seconds; decided days ago, so that it counts."""
        exchange, other = self.world.exchange, next(iter(self.world.kits.values()))
        # After all that was decided for this world: time in the ledger never goes back.
        at = (exchange.now - APPROVED + HOUR, exchange.now - APPROVED + 2 * HOUR)
        terms = ActTerms(
            kind=ActKind.POLICY,
            by=exchange.administrator("ana"),
            at=at[0],
            policy=SHORT,
        )
        proposal = sign_act(terms, exchange.administrators["ana"])
        approval = other.approve(proposal, by="luis", at=at[1])
        for token, moment in zip((proposal, approval), at, strict=True):
            await self.ledger.directory.add_statements([token], at=moment)


@asynccontextmanager
async def rotating_world(
    folder: Path, plan: Plan, *, gateways: int = 1, **settings: object
) -> AsyncIterator[RotatingWorld]:
    """Make an exchange, and run its gateways behind a load balancer."""
    world = await make_world(folder, plan, cost=INTERACTIVE_DEMO, **settings)
    authority = Authority()
    renew_certificate(world, authority, 10)
    for subject in world.holdings:
        replace_file(world.folder_of(subject) / "ca.pem", authority.pem)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(open_ledger(world.settings.database_url))
        rotating = RotatingWorld(world, ledger, authority)
        await rotating.shorten_spans()
        for name in "abc"[:gateways]:
            listen, management = (f"127.0.0.1:{port}" for port in free_ports(2))
            gateway = GatewayProcess(world, f"gateway-{name}", listen, management)
            rotating.gateways.append(gateway)
            stack.push_async_callback(gateway.stop, signal.SIGKILL)
            await gateway.start()
        targets = [each.listen for each in rotating.gateways]
        await stack.enter_async_context(load_balancer(world.settings.listen, *targets))
        yield rotating


def renew_certificate(world: World, authority: Authority, number: int) -> None:
    """Put another certificate of the gateways in place, with its key."""
    tls = world.folder / "tls"
    authority.issue(number).write(tls / "gateway.pem", tls / "gateway.key")

"""An exchange of its own in one private folder, for demonstrations, tests and measurements.

Everything is real: keys, statements, certificates, a ledger. Only that one process made them
all, which in life no one may.
"""

import asyncio
import os
import secrets
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from broker.desk.client import EnlaceClient
from broker.desk.connection import DEFAULT_SETTINGS, ClientSettings
from broker.desk.held_keys import HeldKeys
from broker.desk.pins import Pins
from broker.desk.profile import Profile
from broker.directory import AgencyRecord, ClientRecord
from broker.model.names import AgencyRef, DeskRef, Pair
from broker.ports.directory import DirectoryStore
from broker.sandbox.authority import make_tls
from broker.sandbox.countries import CountryKit, Holding
from broker.sandbox.kits import APPROVED, PROPOSED, STATED, ExchangeKit
from broker.sandbox.ports import free_ports
from broker.settings import Mode, Settings, load_settings
from broker.storage.ledger import open_ledger
from broker.storage.migrate import upgrade
from keys.act_kind import ActKind
from keys.charter import Charter
from keys.custody.bundle import KeyBundle, write_bundle
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.key import SigningKey
from keys.secret import Passphrase
from schemas.vocabulary import AgencyFunction, Compartment, Country, Language

SECRET_BYTES: Final = 32
PASSPHRASE_BYTES: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who is to take part."""

    agencies: Mapping[AgencyRef, tuple[AgencyFunction, str]]
    """Each with its function and its name."""
    desks: frozenset[DeskRef]
    pairs: frozenset[Pair]
    channels: tuple[Charter, ...] = ()
    """Channels that all their members have consented to."""

    @classmethod
    def everybody(
        cls,
        agencies: Mapping[AgencyRef, tuple[AgencyFunction, str]],
        channels: tuple[Charter, ...] = (),
    ) -> "Plan":
        """All eleven countries with a desk in every compartment, and every pair open."""
        desks = frozenset(
            DeskRef(country=country, compartment=compartment)
            for country in Country
            for compartment in Compartment
        )
        pairs = frozenset(
            Pair(origin=origin, desk=desk)
            for origin in Country
            for desk in desks
            if origin is not desk.country
        )
        return cls(agencies=agencies, desks=desks, pairs=pairs, channels=channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The finished exchange: its settings, and the private keys of all that take part."""

    folder: Path
    settings: Settings
    holdings: Mapping[AgencyRef | DeskRef, Holding]
    pins: Pins
    exchange: ExchangeKit
    """What in life the exchange's own holders and administrators keep."""
    kits: Mapping[Country, CountryKit]
    """What in life each country keeps to itself."""

    def folder_of(self, subject: AgencyRef | DeskRef) -> Path:
        """Where a participant's profile and keys lie."""
        name = subject.agency if isinstance(subject, AgencyRef) else f"desk-{subject.compartment}"
        return self.folder / subject.country.value / name

    def profile(self, subject: AgencyRef | DeskRef) -> Profile:
        """The profile of a participant, as its own system would read it."""
        holding, folder = self.holdings[subject], self.folder_of(subject)
        return Profile(
            gateway=self.settings.base_url,
            issuer=self.settings.base_url,
            client_id=holding.client_id,
            subject=subject,
            authentication_key=holding.authentication.kid,
            signature_key=holding.signature.kid,
            key_file=folder / "client.key",
            roots_file=folder / "roots.json",
            ca_file=folder / "ca.pem",
            passphrase_file=folder / "passphrase",
        )

    def client(
        self,
        subject: AgencyRef | DeskRef,
        *,
        settings: ClientSettings = DEFAULT_SETTINGS,
        language: Language = Language.ENGLISH,
    ) -> EnlaceClient:
        """A client of a participant, with the keys from memory instead of their file."""
        profile = replace(self.profile(subject), language=language)
        holding = self.holdings[subject]
        keys = HeldKeys.of(holding.bundle, profile)
        return EnlaceClient(profile, keys, self.pins, settings=settings)


async def make_world(
    folder: Path,
    plan: Plan,
    *,
    cost: KdfCost = RECOMMENDED,
    ledger_url: str | None = None,
    amqp_url: str | None = None,
    **settings: object,
) -> World:
    """Make an exchange in a new private folder.

    Args:
        folder: Created with mode 0700; must not hold an exchange yet.
        plan: Who takes part.
        cost: Of the passphrases; less than recommended only where nothing is at stake.
        ledger_url: None means SQLite in the folder.
        amqp_url: None means the local transport.
        settings: More of the gateway's settings.
    """
    now = datetime.now(UTC)
    make_tls(folder, now=now)
    exchange = ExchangeKit(now=now)
    kits = {country: CountryKit(country=country, now=now) for country in _countries(plan)}
    pins = Pins(roots={kit.owner: kit.root for kit in (exchange, *kits.values())})
    holdings = _hold(plan, kits)
    port, management_port = free_ports(2)
    world = World(
        folder=folder,
        settings=load_settings(
            **{
                "mode": Mode.DEVELOPMENT,
                "home": folder,
                "base_url": f"https://localhost:{port}",
                "listen": f"127.0.0.1:{port}",
                "management_listen": f"127.0.0.1:{management_port}",
                "ledger_url": ledger_url,
                "amqp_url": amqp_url,
                **settings,
            }
        ),
        holdings=holdings,
        pins=pins,
        exchange=exchange,
        kits=kits,
    )
    _write_gateway(world, (exchange.receipt_key, exchange.token_key), cost)
    _write_participants(world, cost)
    await _register(world, plan)
    return world


def _countries(plan: Plan) -> list[Country]:
    return sorted({ref.country for ref in plan.agencies} | {ref.country for ref in plan.desks})


def _hold(plan: Plan, kits: Mapping[Country, CountryKit]) -> dict[AgencyRef | DeskRef, Holding]:
    holdings: dict[AgencyRef | DeskRef, Holding] = {}
    for agency in sorted(plan.agencies):
        holdings[agency] = kits[agency.country].agency(agency)
    for desk in sorted(plan.desks):
        holdings[desk] = kits[desk.country].desk(desk)
    return holdings


def _write_gateway(world: World, keys: Iterable[SigningKey], cost: KdfCost) -> None:
    passphrase = secrets.token_urlsafe(PASSPHRASE_BYTES)
    _write_private(world.folder / "gateway.passphrase", passphrase.encode())
    _write_private(world.folder / "gateway.secret", os.urandom(SECRET_BYTES))
    _write_private(world.folder / "roots.json", world.pins.to_bytes())
    bundle = KeyBundle.of(keys)
    write_bundle(world.folder / "gateway.keys", bundle, Passphrase.from_text(passphrase), cost=cost)


def _write_participants(world: World, cost: KdfCost) -> None:
    # Stretching a passphrase takes a tenth of a second and releases the interpreter.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as workers:
        for done in [
            workers.submit(_write_participant, world, holding, cost)
            for holding in world.holdings.values()
        ]:
            done.result()


def _write_participant(world: World, holding: Holding, cost: KdfCost) -> None:
    folder = world.folder_of(holding.subject)
    folder.mkdir(mode=0o700, parents=True)
    passphrase = secrets.token_urlsafe(PASSPHRASE_BYTES)
    _write_private(folder / "passphrase", passphrase.encode())
    _write_private(folder / "roots.json", world.pins.to_bytes())
    _write_private(folder / "ca.pem", (world.folder / "tls" / "ca.pem").read_bytes())
    write_bundle(folder / "client.key", holding.bundle, Passphrase.from_text(passphrase), cost=cost)
    world.profile(holding.subject).write(folder)


async def _register(world: World, plan: Plan) -> None:
    await upgrade(world.settings.database_url)
    # Together, so that the ledger commits hundreds of changes in a few groups.
    async with open_ledger(world.settings.database_url) as ledger, asyncio.TaskGroup() as changes:
        for change in _changes(ledger.directory, world, plan):
            changes.create_task(change)


def _changes(
    store: DirectoryStore, world: World, plan: Plan
) -> Iterator[Coroutine[None, None, None]]:
    yield from (store.add_country(country) for country in world.kits)
    yield _state_all(store, world, plan)
    for ref, (function, name) in plan.agencies.items():
        yield store.put_agency(AgencyRecord(ref=ref, function=function, name=name))
    yield from (store.add_desk(desk) for desk in sorted(plan.desks))
    for holding in world.holdings.values():
        yield store.put_client(
            ClientRecord(
                client_id=holding.client_id, subject=holding.subject, scopes=holding.scopes
            )
        )


async def _state_all(store: DirectoryStore, world: World, plan: Plan) -> None:
    """Write what was stated and decided, each as of its own time."""
    now, kits = world.exchange.now, (world.exchange, *world.kits.values())
    decided = [kit.acts for kit in world.kits.values() if kit.desk_keys]
    if plan.pairs:
        queues = [pair.queue for pair in sorted(plan.pairs)]
        decided.append(world.exchange.decide(ActKind.OPEN, pairs=queues))
    statements = [token for kit in kits for token in kit.statements]
    charters = [
        (charter, world.kits[min(charter.conveners)].propose(charter, at=now - PROPOSED))
        for charter in plan.channels
    ]
    consents = [
        world.kits[country].consent(proposal, at=now - APPROVED)
        for charter, proposal in charters
        for country in sorted(charter.members)
    ]
    proposals = [proposal for proposal, _ in decided] + [proposal for _, proposal in charters]
    approvals = [approval for _, approval in decided] + consents
    await store.add_statements(statements, at=now - STATED)
    await store.add_statements(proposals, at=now - PROPOSED)
    await store.add_statements(approvals, at=now - APPROVED)


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)

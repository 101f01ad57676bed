"""Somebody who can write the ledger's database forges decisions, or takes true ones back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from broker.desk.pins import Pins
from broker.directory import Directory, DirectoryRecord, Document
from broker.directory_watch import DirectoryWatch
from broker.errors import ConfigurationError
from broker.model.names import AgencyRef, DeskRef
from broker.ports.directory import DirectoryStore
from broker.recollection import InFile
from broker.sandbox.countries import CountryKit
from broker.sandbox.kits import ExchangeKit, Kit
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse
from keys.ring import KeyState
from keys.root import RootChain, RootHolder, Roots, RootTerms, sign
from schemas.vocabulary import Compartment, Country
from tests.keys.assembly import GT, MX, charter_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AGO = (NOW - timedelta(hours=50), NOW - timedelta(hours=49))
FISCALIA = AgencyRef(country=Country.MEXICO, agency="fgr")
DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
OPEN_ROAD, CLOSED_ROAD = "MX.GT.intelligence", "HN.GT.intelligence"
READER = KeyId("GT-desk-intelligence-2")


@dataclass(slots=True, kw_only=True)
class Rows:
    """The signed documents as they lie in the database; whoever holds it writes what he likes."""

    statements: list[str]
    recorded: list[datetime | None] = field(default_factory=list)
    changes: int = 1

    async def version(self) -> int:
        """Tell the version."""
        return self.changes

    async def load(self) -> DirectoryRecord:
        """Read everything."""
        return DirectoryRecord(
            version=self.changes,
            statements=tuple(self.statements),
            recorded=tuple(self.recorded),
        )


@dataclass(slots=True, kw_only=True)
class Ground:
    """Two countries and the exchange, true rows, and a process that reads them."""

    exchange: ExchangeKit = field(default_factory=lambda: ExchangeKit(now=NOW))
    mexico: CountryKit = field(default_factory=lambda: CountryKit(country=Country.MEXICO, now=NOW))
    guatemala: CountryKit = field(
        default_factory=lambda: CountryKit(country=Country.GUATEMALA, now=NOW)
    )
    memory: Path
    rows: Rows = field(init=False)
    suspension: str = field(init=False)
    new_root: str = field(init=False)

    def __post_init__(self) -> None:
        agency = self.mexico.agency(FISCALIA)
        self.guatemala.desk(DESK)
        opened = self.exchange.decide(ActKind.OPEN, pairs=[OPEN_ROAD])
        self.suspension = self.mexico.alone(ActKind.SUSPEND, at=AGO[1], keys=[agency.signature.kid])
        terms = replace_version(self.mexico)
        self.new_root = sign(terms, self.mexico.signers)
        self.rows = Rows(
            statements=[
                *self.exchange.statements,
                *self.mexico.statements,
                *self.guatemala.statements,
                *self.guatemala.acts,
                *opened,
                self.suspension,
                self.new_root,
            ]
        )

    def watch(self) -> DirectoryWatch:
        """Start a process; it remembers what earlier ones saw."""
        pins = Pins(roots={kit.owner: kit.root for kit in self.kits})
        return DirectoryWatch(
            cast("DirectoryStore", self.rows),
            roots=lambda: pins.roots,
            clock=lambda: NOW,
            recollection=InFile(self.memory),
        )

    @property
    def kits(self) -> Sequence[Kit]:
        """Everybody who keeps a root."""
        return (self.exchange, self.mexico, self.guatemala)

    def write(self, statements: Sequence[str]) -> None:
        """Put other rows in the place of these."""
        self.rows.statements = list(statements)
        self.rows.changes += 1


def replace_version(kit: Kit, **changes: Any) -> RootTerms:
    """Write the next version of a root."""
    return replace(
        kit.root, **{"version": kit.root.version + 1, "first_serial": 1000, "issued": NOW} | changes
    )


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """Give the true rows."""
    return Ground(memory=tmp_path / "seen.json")


def seen_in(directory: Directory) -> object:
    """Everything that may not change by a forgery."""
    entries = {kid: (one.statement.key, one.state) for kid, one in directory.ring.entries.items()}
    roots = {owner: chain.newest.version for owner, chain in directory.roots.items()}
    return entries, roots, directory.queues(), directory.decisions.policy(NOW)


def stranger() -> CountryKit:
    """A Guatemala of the insider's own: the same names, other keys."""
    return CountryKit(country=Country.GUATEMALA, now=NOW)


def reader_stated_by(kit: Kit) -> str:
    """State an encryption key of the insider's for the true desk."""
    key = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, READER).public
    desk = Holder.desk(Country.GUATEMALA, Compartment.INTELLIGENCE)
    return kit.state(desk, KeyUse.DESK_ENCRYPTION, key)


def own_reader(_: Ground) -> Sequence[str]:
    """His own root states a reader, and his own administrators let it."""
    kit = stranger()
    return [reader_stated_by(kit), *kit.decide(ActKind.ACTIVATE, keys=[READER])]


def swapped_signing_key(_: Ground) -> Sequence[str]:
    """Another key under the name of a true signing key."""
    kit = CountryKit(country=Country.MEXICO, now=NOW)
    kit.agency(FISCALIA)
    return kit.statements


def one_administrator_twice(ground: Ground) -> Sequence[str]:
    """A bribed administrator proposes and approves."""
    (proposal, _) = ground.exchange.decide(ActKind.OPEN, pairs=[CLOSED_ROAD])
    return [proposal, ground.exchange.approve(proposal, by="ana", at=AGO[1])]


def administrators_of_others(ground: Ground) -> Sequence[str]:
    """Mexico's administrators open a road that is not Mexico's."""
    return ground.mexico.decide(ActKind.OPEN, pairs=[CLOSED_ROAD])


def own_administrators(_: Ground) -> Sequence[str]:
    """Administrators that no root states open a road."""
    return ExchangeKit(now=NOW).decide(ActKind.OPEN, pairs=[CLOSED_ROAD])


def lifted_by_one(ground: Ground) -> Sequence[str]:
    """One administrator lifts what was suspended, and agrees with himself."""
    kid = ground.mexico.signing("fgr-sign-1").kid
    (proposal, _) = ground.mexico.decide(ActKind.LIFT, keys=[kid], at=(AGO[1], NOW))
    return [proposal, ground.mexico.approve(proposal, by="ana", at=NOW)]


def policy_of_one_owner(ground: Ground) -> Sequence[str]:
    """The exchange alone shortens the time-lock."""
    return ground.exchange.decide(ActKind.POLICY, policy={"decisions": {"time_lock": "0s"}})


def root_of_his_own(ground: Ground) -> Sequence[str]:
    """Guatemala's next root, held by the insider, and signed by him alone."""
    kit = stranger()
    holders = tuple(
        RootHolder(name=old.name, key=key.public)
        for old, key in zip(ground.guatemala.root.holders, kit.holders, strict=True)
    )
    return [sign(replace_version(ground.guatemala, holders=holders), kit.signers)]


def root_by_one_holder(ground: Ground) -> Sequence[str]:
    """Guatemala's next root, signed by one true holder."""
    return [sign(replace_version(ground.guatemala), ground.guatemala.holders[:1])]


def changed_act(ground: Ground) -> Sequence[str]:
    """A true approval's signature under other words."""
    header, payload, signature = ground.suspension.split(".")
    return [f"{header}.{payload[:-2]}AA.{signature}"]


def channel_consented_to_by_strangers(ground: Ground) -> Sequence[str]:
    """Mexico proposes a channel in good faith; the insider consents for Guatemala."""
    proposal = ground.mexico.propose(charter_of(MX, GT, now=NOW), at=AGO[0])
    true, false = (kit.consent(proposal, at=AGO[1]) for kit in (ground.mexico, stranger()))
    return [proposal, true, false]


def channel_consented_to_by_one_country(ground: Ground) -> Sequence[str]:
    """Both of Mexico's administrators consent, as if the second were Guatemala's."""
    proposal = ground.mexico.propose(charter_of(MX, GT, now=NOW), at=AGO[0])
    consents = [ground.mexico.consent(proposal, by=name, at=AGO[1]) for name in ("luis", "ana")]
    return [proposal, *consents]


def channel_consented_to_by_the_exchange(ground: Ground) -> Sequence[str]:
    """The exchange's administrators open a channel as they open a pair."""
    proposal = ground.mexico.propose(charter_of(MX, GT, now=NOW), at=AGO[0])
    return [
        proposal,
        ground.exchange.consent(proposal, at=AGO[1]),
        ground.exchange.approve(proposal, by="luis", at=AGO[1]),
    ]


FORGERIES: dict[str, Callable[[Ground], Sequence[str]]] = {
    "a reader by his own root": own_reader,
    "a swapped signing key": swapped_signing_key,
    "one administrator twice": one_administrator_twice,
    "administrators of another country": administrators_of_others,
    "administrators of his own": own_administrators,
    "a suspension lifted by one": lifted_by_one,
    "a policy of one owner": policy_of_one_owner,
    "a root of his own": root_of_his_own,
    "a root by one true holder": root_by_one_holder,
    "other words under a true signature": changed_act,
    "a channel that strangers consent to": channel_consented_to_by_strangers,
    "a channel that one country consents to twice": channel_consented_to_by_one_country,
    "a channel that the exchange consents to": channel_consented_to_by_the_exchange,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_insider_changes_nothing_and_is_reported_when_he_forges_a_decision(
    ground: Ground, forge: Callable[[Ground], Sequence[str]]
) -> None:
    """Keys, roots, roads and policy stay as they were, and an error names the reason."""
    watch = ground.watch()
    await watch.refresh()
    before = seen_in(watch.current)
    forged = forge(ground)

    ground.write([*ground.rows.statements, *forged])
    with capture_logs() as logged:
        await watch.refresh()

    assert watch.current.version == ground.rows.changes
    assert seen_in(watch.current) == before
    reports = [one for one in logged if one["event"] == "key-statement:rejected"]
    assert reports
    assert {one["log_level"] for one in reports} == {"error"}
    assert not [token for token in forged if token in str(reports)]


async def test_insider_reads_nothing_new_when_the_exchange_alone_lets_a_key(
    ground: Ground,
) -> None:
    """Even a reader that Guatemala states waits for an administrator of Guatemala."""
    watch = ground.watch()
    await watch.refresh()
    stated = reader_stated_by(ground.guatemala)

    acts = ground.exchange.decide(ActKind.ACTIVATE, keys=[READER])
    ground.write([*ground.rows.statements, stated, *acts])
    await watch.refresh()

    assert watch.current.ring.entries[READER].state is KeyState.ANNOUNCED
    assert watch.current.encryption_key(DESK, NOW).kid == "GT-desk-intelligence-1"


async def test_insider_opens_no_closed_road_when_he_replays_its_acts(ground: Ground) -> None:
    """The same acts behind the one that closed the road are the same acts."""
    opened = ground.rows.statements[-4:-2]
    closed = ground.exchange.alone(ActKind.CLOSE, at=NOW, pairs=[OPEN_ROAD])
    ground.write([*ground.rows.statements, closed, *opened])
    watch = ground.watch()

    await watch.refresh()

    assert watch.current.queues() == ()


def without(*places: int) -> Callable[[Ground], list[str]]:
    """Delete rows."""

    def delete(ground: Ground) -> list[str]:
        gone = {len(ground.rows.statements) + place for place in places}
        return [one for place, one in enumerate(ground.rows.statements) if place not in gone]

    return delete


TAKEN_BACK: dict[str, Callable[[Ground], list[str]]] = {
    "the suspension deleted": without(-2),
    "the new root deleted": without(-1),
    "the last two deleted": without(-1, -2),
    "an approval deleted": without(-3),
    "a statement deleted": lambda ground: ground.rows.statements[1:],
    "two rows exchanged": lambda ground: [
        *ground.rows.statements[:-2],
        ground.new_root,
        ground.suspension,
    ],
    "the suspension put behind a later act": lambda ground: [
        *ground.rows.statements[:-2],
        ground.guatemala.alone(ActKind.CLOSE, at=NOW, pairs=[OPEN_ROAD]),
        ground.suspension,
        ground.new_root,
    ],
    "everything deleted": lambda _: [],
}


@pytest.mark.parametrize("take_back", TAKEN_BACK.values(), ids=TAKEN_BACK.keys())
async def test_insider_changes_nothing_and_is_reported_when_he_takes_history_back(
    ground: Ground, take_back: Callable[[Ground], list[str]]
) -> None:
    """What was seen goes on counting, a restart refuses and says what to do; putting back heals."""
    watch = ground.watch()
    await watch.refresh()
    before, true = watch.current, list(ground.rows.statements)

    ground.write(take_back(ground))
    with capture_logs() as logged:
        await watch.refresh()

    assert {*watch.current.vouched_for} >= {*before.vouched_for}
    assert watch.current.ring.entries.keys() >= before.ring.entries.keys()
    assert watch.is_taken_back
    assert "directory:taken-back" in {one["event"] for one in logged}
    with pytest.raises(ConfigurationError, match="enlace admin statement add"):
        await ground.watch().refresh()

    ground.write(true)
    await watch.refresh()
    assert not watch.is_taken_back
    assert watch.current.version == ground.rows.changes


async def test_insider_changes_nothing_when_he_changes_when_an_act_came(ground: Ground) -> None:
    """No document is missing then, but an opening that nobody noted counts for nothing."""
    ground.rows.recorded = [AGO[0]] * (len(ground.rows.statements) - 3) + [AGO[1], NOW, NOW]
    watch = ground.watch()
    await watch.refresh()
    before, true = watch.current, list(ground.rows.recorded)

    ground.rows.recorded = [None] * len(true)
    ground.rows.changes += 1
    await watch.refresh()

    assert watch.is_taken_back
    assert seen_in(watch.current) == seen_in(before)
    with pytest.raises(ConfigurationError):
        await ground.watch().refresh()


async def test_insider_stops_nobody_with_what_nobody_signed(ground: Ground) -> None:
    """Sixty thousand rows of garbage, written once, are neither remembered nor missed later."""
    true = list(ground.rows.statements)
    await ground.watch().refresh()
    before = ground.memory.stat().st_size
    closed = ground.exchange.alone(ActKind.CLOSE, at=NOW, pairs=[OPEN_ROAD])
    forged_root = sign(replace_version(ground.mexico, version=1), stranger().signers)

    ground.write([*true, *(f"j{number}" for number in range(60_000)), forged_root, closed])
    await ground.watch().refresh()
    ground.write([*true, closed])
    again = ground.watch()
    await again.refresh()

    assert again.current.queues() == ()
    assert ground.memory.stat().st_size < before + 200


def test_country_undoes_nothing_when_it_names_another_key_alike(ground: Ground) -> None:
    """What its administrator did with the first one stays done, in every country."""
    roots = {kit.owner: kit.root for kit in ground.kits}
    true = (*ground.rows.statements, *administrator_named_twice(ground))

    before, _ = Directory.verify(
        DirectoryRecord(version=1, statements=true[:-1]), roots=roots, now=NOW
    )
    after, rejected = Directory.verify(
        DirectoryRecord(version=2, statements=true), roots=roots, now=NOW
    )

    assert seen_in(after) == seen_in(before)
    assert rejected == ("a key id names two keys",)


def root_by_true_holders(ground: Ground) -> Sequence[str]:
    """Guatemala's next root, whose other holders state everything from serial 1 on."""
    old = ground.guatemala.root.holders
    key = ground.guatemala.signing("root-cuatro")
    holders = (old[1], old[2], RootHolder(name="cuatro", key=key.public))
    return [
        sign(
            replace_version(ground.guatemala, holders=holders, first_serial=1),
            [*ground.guatemala.holders, key],
        )
    ]


def administrator_named_twice(ground: Ground) -> Sequence[str]:
    """Guatemala states another key under the name of its administrator's."""
    kit = ground.guatemala
    other = kit.signing("admin-ana-1")
    return [kit.state(kit.administrator("ana"), KeyUse.ADMINISTRATION, other.public)]


MISTAKES: dict[str, Callable[[Ground], Sequence[str]]] = {
    "a root that claims the serials of older statements": root_by_true_holders,
    "two keys under an administrator's name": administrator_named_twice,
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
async def test_country_stops_nobody_else_when_it_signs_a_mistake(
    ground: Ground, mistake: Callable[[Ground], Sequence[str]]
) -> None:
    """Its own keys may fall; the exchange reads on, and other countries' acts count."""
    watch = ground.watch()
    await watch.refresh()
    closed = ground.exchange.alone(ActKind.CLOSE, at=NOW, pairs=[OPEN_ROAD])

    ground.write([*ground.rows.statements, *mistake(ground), closed])
    await watch.refresh()

    assert not watch.is_taken_back
    assert watch.current.queues() == ()
    again = ground.watch()
    await again.refresh()
    assert again.current.version == ground.rows.changes


async def test_recollection_lets_history_grow_when_a_process_starts_again(
    ground: Ground,
) -> None:
    """What is added behind is news, and no attack; garbage is neither remembered nor missed."""
    await ground.watch().refresh()
    closed = ground.exchange.alone(ActKind.CLOSE, at=NOW, pairs=[OPEN_ROAD])
    true = list(ground.rows.statements)

    ground.write([*true, "garbage", closed])
    await ground.watch().refresh()
    ground.write([*true, closed])
    again = ground.watch()
    await again.refresh()

    assert again.current.queues() == ()


def test_recollection_refuses_a_file_that_it_cannot_read(ground: Ground) -> None:
    """A damaged memory is not taken for none."""
    ground.memory.write_text('{"count": 3')

    with pytest.raises(ConfigurationError, match="look why before you remove it"):
        ground.watch()


async def test_recollection_is_private_when_it_is_written(ground: Ground) -> None:
    """Only the gateway's own user may change what it remembers."""
    await ground.watch().refresh()

    assert ground.memory.stat().st_mode & 0o777 == 0o600


@dataclass(frozen=True, slots=True)
class There:
    """A directory of these documents, all of which count, with the roots of these owners."""

    witnessed: tuple[Document, ...]
    owners: tuple[Country, ...] = (Country.MEXICO,)

    @property
    def vouched_for(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(each.token for each in self.witnessed)

    @property
    def roots(self) -> Roots:
        """Only whose they are is asked."""
        return dict.fromkeys(self.owners, cast("RootChain", None))


ROOT = Document(Country.MEXICO, "root", NOW)
ACT = Document(Country.MEXICO, "act", NOW)
FOREIGN = Document(Country.GUATEMALA, "another country's", NOW)
BOTH = (Country.MEXICO, Country.GUATEMALA)


def test_recollection_keeps_the_longer_memory_when_two_processes_share_it(tmp_path: Path) -> None:
    """A client that asked earlier, and writes later, makes the other forget nothing."""
    file = tmp_path / "profile.seen.json"
    early, late = InFile(file), InFile(file)

    late.keep(There((ROOT, ACT)))
    early.keep(There((ROOT,)))

    assert not InFile(file).agrees(There((ROOT,)))
    assert InFile(file).agrees(There((ROOT, ACT, ACT._replace(token="more"))))


@pytest.mark.parametrize(
    "there",
    [
        (ROOT, ACT._replace(came_at=None)),
        (ROOT, ACT._replace(came_at=NOW + timedelta(seconds=1))),
        (ACT, ROOT),
        (ROOT,),
        (ROOT, ACT._replace(token="put between"), ACT),
    ],
    ids=["without its moment", "another moment", "another order", "missing", "one put between"],
)
def test_recollection_misses_a_document_that_came_otherwise(
    there: tuple[Document, ...], tmp_path: Path
) -> None:
    """When an act came, and behind which, decides what it does."""
    memory = InFile(tmp_path / "profile.seen.json")
    memory.keep(There((ROOT, ACT)))

    assert not memory.agrees(There(there))
    assert memory.agrees(There((ROOT, ACT)))


def test_recollection_asks_nothing_of_owners_that_are_pinned_anew(tmp_path: Path) -> None:
    """A country that joins has signed before; one that left is missed by nobody."""
    file = tmp_path / "profile.seen.json"
    InFile(file).keep(There((ROOT, ACT)))

    assert InFile(file).agrees(There((ROOT, FOREIGN, ACT), BOTH))
    InFile(file).keep(There((ROOT, FOREIGN, ACT), BOTH))
    assert InFile(file).agrees(There((ROOT, ACT)))
    assert not InFile(file).agrees(There((ROOT, ACT), BOTH))

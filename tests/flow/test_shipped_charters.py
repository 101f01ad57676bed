"""The charters that are shipped: each is one, lives its whole life, and stands in an exchange."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from broker.charters import read_charter
from broker.directory import Directory
from broker.errors import ConfigurationError
from broker.model.names import AgencyRef, DeskRef, channel_queue
from broker.sandbox import charters
from broker.sandbox.charters import FOLDER, shipped_charters
from broker.sandbox.world import Plan, make_world
from broker.storage.ledger import open_ledger
from keys.act_kind import ActKind
from keys.channel import ChannelState
from keys.charter import Charter
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.errors import ActError
from schemas.vocabulary import AgencyFunction, Compartment, Country, Kind
from tests.keys.assembly import LOCK, Assembly, Life

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = ("gt-sv-hn", "hlsg-mx-gt", "joint-operation", "prosecutors", "trinational-pa-cr-do")
SHIPPED: Mapping[str, Charter] = {one.channel: one for one in shipped_charters(NOW)}
GOOD = (FOLDER / "hlsg-mx-gt.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def assembly() -> Assembly:
    """Give the administrators of all eleven countries."""
    return Assembly(now=NOW, countries=tuple(Country))


def test_shipped_charters_are_those_that_are_promised() -> None:
    """Five of them, each in the file of its name, and the day of its review is in that file."""
    assert tuple(SHIPPED) == NAMES
    for name in NAMES:
        read = read_charter((FOLDER / f"{name}.toml").read_text("utf-8"))
        assert replace(read, review=SHIPPED[name].review) == SHIPPED[name]


def test_shipped_charters_say_what_they_are_for() -> None:
    """Who is in them, and in which compartment."""
    members = {name: len(charter.members) for name, charter in SHIPPED.items()}
    judicial = [name for name in NAMES if SHIPPED[name].compartment is Compartment.JUDICIAL]

    assert [members[name] for name in NAMES] == [3, 2, 11, 11, 3]
    assert judicial == ["prosecutors"]
    assert Kind.JUDICIAL_REQUEST in SHIPPED["prosecutors"].kinds
    assert Kind.OPERATION_RESULT in SHIPPED["joint-operation"].kinds
    for charter in SHIPPED.values():
        # Whatever was said must be able to be taken back, and asked about.
        assert {Kind.RECALL, Kind.RECTIFICATION, Kind.REPLY} <= charter.kinds


@pytest.mark.parametrize("name", NAMES)
def test_shipped_charter_lives_its_whole_life(assembly: Assembly, name: str) -> None:
    """Proposed, consented, active, suspended, resumed, left, joined again, due, renewed, closed."""
    charter = SHIPPED[name]
    life, members = Life(assembly=assembly, name=charter.channel), sorted(charter.members)
    convener = min(charter.conveners)
    others = [country for country in members if country is not convener]
    seen = []

    def see() -> None:
        seen.append((life.state, len(life.channel.members(life.clock))))

    proposal = life.bring(f"{convener} ana", charter)
    see()
    life.consent(proposal, *(f"{country} luis" for country in members))
    see()
    life.wait()
    see()
    life.do(f"{others[0]} ana", ActKind.SUSPEND_CHANNEL)
    see()
    life.wait(timedelta(minutes=1))
    life.resume(f"{others[0]} ana", f"{convener} ana")
    see()
    life.do(f"{others[-1]} ana", ActKind.LEAVE_CHANNEL)
    see()
    second = replace(charter, version=2, review=life.clock + 100 * LOCK)
    life.consent(life.bring(f"{convener} ana", second), *(f"{country} luis" for country in members))
    life.wait()
    see()
    life.wait(100 * LOCK)
    see()
    third = replace(second, version=3, review=life.clock + 100 * LOCK)
    life.consent(life.bring(f"{convener} ana", third), *(f"{country} luis" for country in members))
    life.wait()
    see()
    life.do(f"{convener} luis", ActKind.CLOSE_CHANNEL)
    see()

    all_of_them, without = len(members), len(members) - 1
    assert life.refused == []
    assert seen == [
        ("proposed", 0),
        ("consented", 0),
        ("active", all_of_them),
        ("suspended", all_of_them),
        ("active", all_of_them),
        # One alone is no channel.
        ("active" if without > 1 else "suspended", without),
        ("active", all_of_them),
        ("suspended", all_of_them),
        ("active", all_of_them),
        ("closed", all_of_them),
    ]


async def test_shipped_charters_are_active_in_an_exchange_that_plans_them(tmp_path: Path) -> None:
    """Each member has its queue, and its desk reads it."""
    now = datetime.now(UTC)
    shipped = shipped_charters(now)
    agencies = {
        AgencyRef(country=country, agency=agency): (AgencyFunction.PROSECUTION, agency)
        for charter in shipped
        for country, names in charter.members.items()
        for agency in names
    }
    desks = frozenset(
        DeskRef(country=country, compartment=charter.compartment)
        for charter in shipped
        for country in charter.members
    )
    plan = Plan(agencies=agencies, desks=desks, pairs=frozenset(), channels=shipped)

    world = await make_world(tmp_path / "world", plan, cost=INTERACTIVE_DEMO)

    async with open_ledger(world.settings.database_url) as ledger:
        record = await ledger.directory.load()
    directory, rejected = Directory.verify(record, roots=world.pins.roots, now=now)
    assert rejected == ()
    assert [one.name for one in directory.channels] == [*NAMES]
    assert {one.state(now) for one in directory.channels} == {ChannelState.ACTIVE}
    queues = {channel_queue(one.channel, each) for one in shipped for each in one.members}
    assert set(directory.queues()) == queues
    assert len(queues) == 2 + 3 + 3 + 11 + 11
    assert {queue for desk in desks for queue in directory.queues_of(desk)} >= queues


def test_shipped_charters_are_refused_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A demonstration without channels would show nothing, and say nothing."""
    monkeypatch.setattr(charters, "FOLDER", tmp_path)

    with pytest.raises(ConfigurationError):
        shipped_charters(NOW)


def test_read_charter_takes_a_date_or_a_moment() -> None:
    """A date is due from its beginning, in UTC."""
    by_day = read_charter(GOOD)
    by_moment = read_charter(GOOD.replace("2027-11-01", "2027-11-01T00:00:00-06:00"))

    assert by_day.review == datetime(2027, 11, 1, tzinfo=UTC)
    assert by_moment.review == by_day.review + timedelta(hours=6)
    assert by_day.review.date() == date(2027, 11, 1)


def test_read_charter_takes_the_version_that_it_is_given() -> None:
    """Whoever proposes the next version need not count."""
    without = GOOD.replace("version = 1\n", "")

    assert read_charter(without, next_version=lambda _: 7).version == 7
    assert read_charter(GOOD, next_version=lambda _: 7).version == 1


FAULTS = {
    "no TOML": ("channel = ", "channel ", "not TOML"),
    "a review without a zone": ("2027-11-01", "2027-11-01T00:00:00", "no time zone"),
    "a review that is a number": ("2027-11-01", "1800000000", "review is no date"),
    "a review that is a time": ("2027-11-01", "12:00:00", "review is no date"),
    "a kind that is none": ('"reply"', '"gossip"', "charter's kinds"),
    "a member twice": ("[members]", "[members]\nMX = ['x']", "not TOML"),
    "a member too many": ("version = 1", "version = 1\ncolor = 'red'", "too many"),
    "a review too few": ("review = 2027-11-01", "", "too few"),
    "a date elsewhere": ('title = "High', 'title = 2027-01-01 # "', "charter's title"),
}


@pytest.mark.parametrize(("old", "new", "why"), FAULTS.values(), ids=FAULTS.keys())
def test_read_charter_refuses_what_is_malformed(old: str, new: str, why: str) -> None:
    """It says which member, so that a person finds the line."""
    with pytest.raises(ActError, match=why):
        read_charter(GOOD.replace(old, new, 1))

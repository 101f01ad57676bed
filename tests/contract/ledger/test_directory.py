"""The contract of ``DirectoryStore``, on both databases."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broker.directory import AgencyRecord, ClientRecord, DirectoryRecord
from broker.model.names import AgencyRef, DeskRef, Scope
from broker.storage.ledger import Ledger
from schemas.vocabulary import AgencyFunction, Compartment, Country
from tests.contract.ledger.world import NOW, World

AGENCY = AgencyRecord(
    ref=AgencyRef(country=Country.MEXICO, agency="fiscalia"),
    function=AgencyFunction.PROSECUTION,
    name="Fiscalía",
)
DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL)
SYSTEM = ClientRecord(
    client_id="MX.fiscalia", subject=AGENCY.ref, scopes=frozenset({Scope.MESSAGES_SEND})
)
DESK_CLIENT = ClientRecord(
    client_id="GT.desk",
    subject=DESK,
    scopes=frozenset({Scope.MESSAGES_RECEIVE, Scope.DIRECTORY_READ}),
)
LONG_TOKEN = "header." + "x" * 5000

CHANGES = {
    "country": lambda store: store.add_country(Country.MEXICO),
    "agency": lambda store: store.put_agency(AGENCY),
    "client of an agency": lambda store: store.put_client(SYSTEM),
    "client of a desk": lambda store: store.put_client(DESK_CLIENT),
    "desk": lambda store: store.add_desk(DESK),
    "statement": lambda store: store.add_statements([LONG_TOKEN], at=NOW),
}


async def test_load_is_empty_at_first(ledger: Ledger) -> None:
    """Nobody is a member until an administrator says so."""
    assert await ledger.directory.load() == DirectoryRecord(version=0)
    assert await ledger.directory.version() == 0


async def test_load_brings_back_everything(world: World) -> None:
    """What was set up is there, for whoever opens the ledger later."""
    async with world.open() as ledger:
        for change in CHANGES.values():
            await change(ledger.directory)

    async with world.open() as ledger:
        loaded = await ledger.directory.load()

    assert loaded == DirectoryRecord(
        version=len(CHANGES),
        countries=frozenset({Country.MEXICO}),
        agencies=(AGENCY,),
        clients=(DESK_CLIENT, SYSTEM),
        desks=frozenset({DESK}),
        statements=(LONG_TOKEN,),
        recorded=(NOW,),
    )


@pytest.mark.parametrize("what", CHANGES)
async def test_change_is_one_version_and_repeating_it_is_none(ledger: Ledger, what: str) -> None:
    """The version rises with every change, and only then."""
    await CHANGES[what](ledger.directory)
    first = await ledger.directory.load()

    await CHANGES[what](ledger.directory)

    assert first.version == 1
    assert await ledger.directory.load() == first


async def test_put_changes_what_is_there(ledger: Ledger) -> None:
    """An agency gets another name, a client other scopes, under the same key."""
    agency = replace(AGENCY, name="Fiscalía General")
    client = replace(SYSTEM, scopes=frozenset({Scope.AUDIT_READ}))
    await ledger.directory.put_agency(AGENCY)
    await ledger.directory.put_client(SYSTEM)

    await ledger.directory.put_agency(agency)
    await ledger.directory.put_client(client)

    loaded = await ledger.directory.load()
    assert (loaded.agencies, loaded.clients, loaded.version) == ((agency,), (client,), 4)


async def test_add_statements_keeps_the_order(ledger: Ledger) -> None:
    """Statements come back as they came; one that is there already stays where it is."""
    await ledger.directory.add_statements(["c", "a"], at=NOW)

    await ledger.directory.add_statements(["b", "a", "d"], at=NOW)

    loaded = await ledger.directory.load()
    assert (loaded.statements, loaded.version) == (("c", "a", "b", "d"), 2)


async def test_add_statements_is_one_version_when_there_are_many(ledger: Ledger) -> None:
    """A proposal and its approval come together; of nothing new nobody need be told."""
    await ledger.directory.add_statements(["a", "b", "c"], at=NOW)
    await ledger.directory.add_statements(["c", "b"], at=NOW)
    await ledger.directory.add_statements([], at=NOW)

    assert await ledger.directory.version() == 1


async def test_versions_tell_with_which_one_each_document_came(ledger: Ledger) -> None:
    """What comes together has one version; other changes lie between."""
    await ledger.directory.add_statements(["c", "a"], at=NOW)
    await ledger.directory.add_country(Country.MEXICO)
    await ledger.directory.add_statements(["a", "b"], at=NOW)

    assert await ledger.directory.versions() == {"c": 1, "a": 1, "b": 3}
    assert await ledger.directory.version() == 3


async def test_now_is_the_time_of_the_ledgers_machine(ledger: Ledger) -> None:
    """Whoever writes a moment can ask whether its own clock is right."""
    told = await ledger.directory.now()

    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


async def test_changes_of_two_processes_are_all_counted(world: World) -> None:
    """Two administrators at once lose nothing, and each change is a version."""
    async with world.open() as one, world.open() as two:
        await asyncio.gather(
            *(ledger.directory.add_country(country) for country in Country for ledger in (one, two))
        )
        loaded = await one.directory.load()

    assert loaded.countries == frozenset(Country)
    assert loaded.version == len(Country)

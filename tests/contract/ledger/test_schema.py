"""The schema: built by migrations, equal to ``tables``, checked at every start."""

import asyncio
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Executable, text

from broker.errors import ConfigurationError
from broker.ports.requests import RequestState
from broker.storage import (
    affected,
    clocks,
    endings,
    key_counts,
    leasing,
    publishing,
    queues,
    recalls,
    requests,
    retention,
)
from broker.storage.connect import connect
from broker.storage.database import Work
from broker.storage.ledger import open_ledger
from broker.storage.migrate import check, upgrade
from broker.storage.tables import IS_UNANSWERED, metadata
from broker.storage.tables import clocks as clocks_table
from tests.contract.ledger.world import LIMITS, Maker, World

STORED = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE name <> 'alembic_version'",
    "postgresql": """
        SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL
        SELECT table_name || '.' || column_name, data_type || is_nullable ||
            coalesce(character_maximum_length::text, '') || coalesce(column_default, '')
        FROM information_schema.columns WHERE table_schema = 'public'
    """,
}


async def run(url: str, work: Work[object]) -> object:
    """Do something in a database without asking what its schema is."""
    database = connect(url, limits=LIMITS)
    try:
        return await database.write(work)
    finally:
        await database.close()


def describe(connection: Connection) -> object:
    """Read what the database itself says of its schema."""
    rows = connection.execute(text(STORED[connection.dialect.name]))
    return {
        (name, definition and _plain(definition))
        for name, definition in rows
        if "alembic" not in name
    }


def _plain(definition: str) -> str:
    spaced = " ".join(definition.replace('"', "").split()).replace(" ,", ",")
    # Alembic copies a table of SQLite with brackets about an empty default.
    return spaced.replace("DEFAULT ('')", "DEFAULT ''")


async def test_upgrade_builds_what_the_tables_say(world: World) -> None:
    """Alembic finds nothing to add, to change or to remove."""

    def compare(connection: Connection) -> object:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return compare_metadata(context, metadata)

    assert await world.run(compare) == []


@pytest.mark.parametrize(
    ("world", "bare_url"),
    [("sqlite", "sqlite"), pytest.param(*["postgresql"] * 2, marks=pytest.mark.postgresql)],
    indirect=True,
)
async def test_upgrade_builds_the_very_same_as_the_tables_would(
    world: World, bare_url: str
) -> None:
    """Partial indexes, checks and lengths too, which Alembic does not compare."""
    await run(bare_url, metadata.create_all)

    migrated, created = await world.run(describe), await run(bare_url, describe)

    assert migrated == created


async def test_upgrade_may_be_repeated_and_run_twice_at_once(bare_url: str) -> None:
    """Two processes that start together do not hinder each other."""
    await asyncio.gather(upgrade(bare_url), upgrade(bare_url))
    await upgrade(bare_url)

    await check(bare_url)


async def test_open_refuses_an_older_schema_and_says_what_to_run(bare_url: str) -> None:
    """A database that nobody has upgraded is not touched."""
    with pytest.raises(ConfigurationError, match=r"older.*enlace db upgrade"):
        async with open_ledger(bare_url, limits=LIMITS):
            pytest.fail("there is no schema")


@pytest.mark.parametrize("act", [check, upgrade])
async def test_newer_schema_is_refused(world: World, act: Callable[[str], Awaitable[None]]) -> None:
    """An old program neither runs on what it does not know, nor changes it."""

    def pretend(connection: Connection) -> object:
        return connection.execute(text("UPDATE alembic_version SET version_num = '9999'")).rowcount

    await world.run(pretend)

    with pytest.raises(ConfigurationError, match="newer"):
        await act(world.url)


def read_modes(folder: Path) -> dict[str, int]:
    """Tell who may read and write each file."""
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


async def test_sqlite_files_are_private(tmp_path: Path, make: Maker) -> None:
    """Nobody but the owner reads the ledger or its log, even if the file was open before."""
    path = tmp_path / "ledger.db"
    path.touch(mode=0o644)
    url = f"sqlite:///{path}"
    await upgrade(url)

    async with open_ledger(url, limits=LIMITS) as ledger:
        await ledger.messages.record(make.acceptance(), sign=make.sign)
        modes = read_modes(tmp_path)

    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


async def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    """WAL with a flush at every commit, and foreign keys are kept."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"

    def settings(connection: Connection) -> object:
        return {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert await run(url, settings) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
    }


PARAMETERS = {"now": 0, "most": 1, "queue": "q", "holder": "h", "after": 0}


def explain(connection: Connection, statement: Executable) -> list[str]:
    """Ask SQLite how it finds the rows; PostgreSQL goes by statistics, and here are none."""
    compiled = statement.compile(dialect=connection.dialect)
    # A list of values is written into the statement only when it is executed.
    text = re.sub(r"__\[POSTCOMPILE_\w+\]", "'q'", str(compiled))
    names = [key for key in compiled.positiontup if f"POSTCOMPILE_{key}" not in str(compiled)]
    values = tuple(PARAMETERS.get(key, 1) for key in names)
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_statements_use_the_partial_indexes(world: World) -> None:
    """What is asked every second does not read the whole history."""

    def plan(connection: Connection) -> object:
        found = {}
        for name, statement in {
            "ix_deliveries_unpublished": publishing.UNCLAIMED,
            "ix_deliveries_in_queue": queues.WAITING,
            "ix_deliveries_open": endings.OVERDUE,
            "ix_deliveries_given_up": endings.GIVEN_UP,
            "ix_deliveries_leased": leasing.RELEASE,
            "ix_deliveries_dead_lettered": endings.DEAD,
            "ix_deliveries_unopened": key_counts.UNOPENED,
            "ix_clocks_message": clocks.ASKED,
            "ix_deliveries_key": key_counts.LAST_USES[0],
            "ix_rewraps_old_key": key_counts.LAST_USES[1],
            "ix_rewraps_new_key": key_counts.LAST_USES[2],
            "ix_messages_signed": affected.SIGNED[0],
            "ix_messages_second_signed": affected.SIGNED[1],
        }.items():
            found[name] = any(name in step for step in explain(connection, statement))
        return found

    plans = await world.run(plan)
    assert isinstance(plans, dict)
    assert all(plans.values()), plans


OF_DESK = (clocks_table.c.desk_country == "GT", clocks_table.c.compartment == "intelligence")
OF_COUNTRY = clocks_table.c.origin_country == "MX"
OPEN, OVERDUE = (requests.STATES[state] for state in (RequestState.OPEN, RequestState.OVERDUE))
PAGES: tuple[tuple[str, Executable], ...] = (
    ("ix_deliveries_in_queue", endings.LOST),
    ("ix_deliveries_in_queue", queues.DEPTHS),
    ("ix_messages_expires", retention.EXPIRED),
    ("ix_messages_expires", retention.EXPIRED.where(retention.BEHIND)),
    ("ix_messages_expires", retention.TO_REVIEW),
    ("ix_messages_expires", retention.TO_REVIEW.where(retention.BEHIND)),
    *(("ix_clocks_owed", requests.PAGE.where(*OF_DESK, state)) for state in (OPEN, OVERDUE)),
    *(("ix_clocks_running", requests.PAGE.where(OF_COUNTRY, state)) for state in (OPEN, OVERDUE)),
    ("ix_clocks_running", requests.BY_ROAD),
    ("ix_orders_origin", recalls.SENT),
    ("ix_orders_desk", recalls.RECEIVED),
    ("ix_orders_open", recalls.SENT.where(IS_UNANSWERED)),
    ("ix_orders_owed", recalls.RECEIVED.where(IS_UNANSWERED)),
    ("ix_clocks_untold", requests.TO_ESCALATE.where(requests.BEHIND)),
    ("ix_deliveries_unopened", key_counts.IN_FLIGHT_OF),
)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_pages_go_by_an_index_of_what_they_list(world: World) -> None:
    """A page of what still waits costs the same however much was done before."""

    def plan(connection: Connection) -> object:
        return [explain(connection, statement) for _, statement in PAGES]

    plans = await world.run(plan)

    assert isinstance(plans, list)
    for (name, _), steps in zip(PAGES, plans, strict=True):
        assert any(name in step for step in steps), steps

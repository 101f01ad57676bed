"""A ledger on each database, empty for every test."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.storage.ledger import Ledger
from broker.storage.migrate import upgrade
from tests.contract.ledger.world import Maker, Server, World, plain
from tests.services.postgresql import PostgresqlMissingError, postgresql_server


@pytest.fixture
def make() -> Maker:
    """Give each test its own maker."""
    return Maker()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Have one server for all tests; without one they are skipped, or fail if it is required."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgresql_server())
        except PostgresqlMissingError as error:
            if os.environ.get("ENLACE_REQUIRE_SERVICES") == "1":
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield Server(url)


DIALECTS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))


@pytest.fixture(params=DIALECTS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Have an empty ledger on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
        await upgrade(url)
        yield World(url=url, dialect="sqlite")
        return
    server: Server = request.getfixturevalue("postgresql")
    database = await server.migrated()
    yield World(url=plain(database), dialect="postgresql")
    await server.drop(database)


@pytest.fixture(params=DIALECTS)
async def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Have a database without any schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
        return
    server: Server = request.getfixturevalue("postgresql")
    database = await server.empty()
    yield plain(database)
    await server.drop(database)


@pytest.fixture
async def ledger(world: World) -> AsyncIterator[Ledger]:
    """Have the ledger open, as one process has it."""
    async with world.open() as opened:
        yield opened

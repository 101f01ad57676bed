"""Arenas: a real gateway on loopback, one for each module that can share it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from broker.model.names import AgencyRef
from broker.sandbox.world import Plan
from schemas.vocabulary import AgencyFunction, Country
from tests.attacks.attacker import Arena, arena
from tests.flow.conftest import PLAN

EVERYBODY = Plan.everybody(
    {
        AgencyRef(country=country, agency=name): (AgencyFunction.PROSECUTION, name)
        for country in Country
        for name in ("first", "second")
    }
)
"""Eleven countries, two agencies and three desks in each, every road open."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="small")
async def _small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """A few participants; for attacks that leave nothing behind."""
    async with arena(
        tmp_path_factory.mktemp("attacks") / "exchange",
        PLAN,
        address_burst=5000,
        address_requests_per_second=1000,
    ) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="everybody")
async def _everybody(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """All countries."""
    async with arena(tmp_path_factory.mktemp("attacks") / "exchange", EVERYBODY) as one:
        yield one

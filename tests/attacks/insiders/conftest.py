"""An exchange whose database is in somebody else's hands."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.attacks.attacker import arena
from tests.attacks.insiders.ground import Ground
from tests.flow.conftest import PLAN


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="ground")
async def _ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """An exchange whose countries' true keys are known, to sign with a wrong country's."""
    folder = tmp_path_factory.mktemp("insiders") / "exchange"
    async with arena(folder, PLAN) as one:
        yield Ground(arena=one)

"""The exchange that is attacked, with honest clients."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from tests.attacks.attacker import Arena
from tests.flow.conftest import Running


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="running")
async def _running(small: Arena) -> AsyncIterator[Running]:
    """The same exchange, with honest clients."""
    async with AsyncExitStack() as stack:
        yield Running(world=small.world, gateway=small.gateway, stack=stack)

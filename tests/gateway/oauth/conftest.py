"""The world of the access tests, served in plain HTTP on loopback."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.gateway.oauth.world import OAuthWorld


@pytest.fixture
def world() -> OAuthWorld:
    """A world with one registered client."""
    return OAuthWorld()


@pytest.fixture
async def http(world: OAuthWorld) -> AsyncIterator[TestClient[Any, Any]]:
    """An HTTP client of that world; its Host is never the base URL."""
    async with TestClient(TestServer(world.app())) as client:
        yield client

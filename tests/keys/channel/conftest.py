"""Countries and an empty journal, for the life of a channel."""

from datetime import datetime

import pytest

from tests.keys.assembly import Assembly, Life


@pytest.fixture(scope="module")
def assembly(now: datetime) -> Assembly:
    """Give the countries; no test changes them."""
    return Assembly(now=now)


@pytest.fixture
def life(assembly: Assembly) -> Life:
    """Give an empty journal."""
    return Life(assembly=assembly)

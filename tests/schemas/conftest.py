"""The schemas, compiled once for all tests."""

import pytest

from schemas.loader import SchemaSet


@pytest.fixture(scope="session")
def schema_set() -> SchemaSet:
    """Every published schema of the package."""
    return SchemaSet.load()

"""What a regional result is checked against."""

from tests.schemas.conftest import schema_set

__all__ = ["schema_set"]

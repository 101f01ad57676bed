"""Whole numbers and moments in signed documents: read strictly, refused by the caller's error."""

from datetime import UTC, datetime
from typing import Final

from keys.errors import KeysError
from keys.strict_json import JsonValue

MAX_SECONDS: Final = 7258118400
"""1 January 2200: whatever span a policy adds to it, a datetime can still say it."""


def whole_number(value: JsonValue, error: type[KeysError]) -> int:
    """Read a whole number from 0 to the year 2200, in seconds.

    Raises:
        KeysError: Of the given type; it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS:
        return value
    raise error("a number or time in the document is impossible")


def moment(value: JsonValue, error: type[KeysError]) -> datetime:
    """Read seconds since 1970.

    Raises:
        KeysError: Of the given type; it is none.
    """
    return datetime.fromtimestamp(whole_number(value, error), UTC)

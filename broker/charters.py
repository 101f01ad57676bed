"""Pure. A charter as a person writes it: TOML, with dates that one can read."""

import tomllib
from datetime import UTC, date, datetime, time
from typing import Any

from keys.charter import Charter
from keys.errors import ActError


def read_charter(text: str, *, version: int = 1) -> Charter:
    """Read a charter.

    Args:
        text: TOML; ``review`` is a date, from the beginning of which it is due, or a moment.
        version: For a charter that names none.

    Raises:
        ActError: Not TOML, or not a charter; it names the member.
    """
    try:
        members: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise ActError("the charter is not TOML") from None
    members.setdefault("version", version)
    if "review" in members:
        members["review"] = _seconds(members["review"])
    return Charter.from_json(members)


def _seconds(value: object) -> int:
    # A moment is a date, too.
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ActError("the charter's review names no time zone: write a date, or add Z")
        return int(value.timestamp())
    if isinstance(value, date):
        return int(datetime.combine(value, time.min, UTC).timestamp())
    raise ActError("the charter's review is no date")

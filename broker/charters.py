"""Pure. A charter as a person writes it: TOML, with dates that one can read."""

import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

from keys.charter import ChannelName, Charter
from keys.errors import ActError


def read_charter(text: str, *, next_version: Callable[[ChannelName], int] = lambda _: 1) -> Charter:
    """Read a charter.

    Args:
        text: TOML; ``review`` is a date, from the beginning of which it is due, or a moment.
        next_version: Which version of a channel is next, for a charter that names none.

    Raises:
        ActError: Not TOML, or not a charter; it names the member.
    """
    try:
        members: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise ActError("the charter is not TOML") from None
    if "version" not in members:
        members["version"] = next_version(ChannelName(str(members.get("channel"))))
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

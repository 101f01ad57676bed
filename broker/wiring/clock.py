"""The time of this machine."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Tell the time; a ``ports.Clock``."""
    return datetime.now(UTC)

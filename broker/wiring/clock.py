"""What time is it here?"""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Tell the time; a ``ports.clock.Clock``."""
    return datetime.now(UTC)

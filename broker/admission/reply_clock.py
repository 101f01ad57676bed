"""Until when is a request to be answered, and which replies answer it (SG-13)?"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from schemas.vocabulary import Kind, Urgency

REQUESTS: Final = frozenset({Kind.INFORMATION_REQUEST, Kind.JUDICIAL_REQUEST})
"""The kinds that ask for an answer."""
TIMES: Final[Mapping[Urgency, timedelta]] = MappingProxyType(
    {
        Urgency.FLASH: timedelta(hours=8),
        Urgency.IMMEDIATE: timedelta(hours=8),
        Urgency.PRIORITY: timedelta(days=3),
        Urgency.ROUTINE: timedelta(days=7),
    }
)
"""Directive (EU) 2023/977, article 5(1): eight hours where it is urgent, three days where it is
urgent and not at hand, seven days otherwise."""
ANSWERS: Final = frozenset(
    {
        "answered",
        "partly_answered",
        "no_record",
        "refused",
        "permission_granted",
        "permission_refused",
    }
)
"""Outcomes of a reply after which nobody waits any more. Any other is noted; the clock runs on, and
its due time does not move."""


def due_at(
    kind: Kind, urgency: Urgency, *, accepted_at: datetime, reply_by: datetime | None
) -> datetime | None:
    """Say until when a message is to be answered; None if it asks nothing.

    Args:
        kind: Of the message.
        urgency: Gives the longest time.
        accepted_at: When the time begins.
        reply_by: The sender's own; it counts if it is earlier.
    """
    if kind not in REQUESTS:
        return None
    latest = accepted_at + TIMES[urgency]
    return latest if reply_by is None else min(latest, reply_by)


def answers(outcome: str | None) -> bool:
    """Whether a reply with this outcome ends the wait; one that nobody knows does not."""
    return outcome in ANSWERS

"""A hold, as `enlace retention hold add` writes it."""

from datetime import datetime
from pathlib import Path

from broker.desk.holds import DeskHold, locked


def write_hold(inbox: Path, hold: DeskHold, *, at: datetime) -> None:
    """Add a word on a message."""
    with locked(inbox) as holds:
        holds.write(hold, at=at)

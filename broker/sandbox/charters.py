"""The charters that are shipped as examples, for demonstrations and tests."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from broker.charters import read_charter
from broker.errors import ConfigurationError
from keys.charter import Charter

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "channels"
LIFE: Final = timedelta(days=365)
"""Of a demonstration's charter; what the files say would be past one day."""


def shipped_charters(now: datetime) -> tuple[Charter, ...]:
    """Read every charter of ``deploy/channels``, by name, due for review in a year from now.

    Raises:
        ConfigurationError: This is no checkout of the project: there are none.
        ActError: One of them is malformed.
    """
    files = sorted(FOLDER.glob("*.toml"))
    if not files:
        raise ConfigurationError("deploy/channels holds no charters")
    review = (now + LIFE).replace(microsecond=0)
    return tuple(
        replace(read_charter(file.read_text(encoding="utf-8")), review=review) for file in files
    )

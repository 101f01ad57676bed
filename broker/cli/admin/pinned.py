"""Which roots does this administrator's machine trust?"""

from pathlib import Path
from typing import TYPE_CHECKING

from broker.cli.admin.ledger import read_settings
from broker.cli.terminal import Terminal

if TYPE_CHECKING:
    from broker.desk.pins import Pins


def roots_file(named: Path | None, terminal: Terminal) -> Path:
    """Find the file of pinned roots: from the command line, else from the settings."""
    if named is not None:
        return named
    settings = read_settings(None, terminal)
    return settings.at_home(settings.roots)


def read_pins(named: Path | None, terminal: Terminal) -> "Pins":
    """Read the pinned roots.

    Raises:
        ConfigurationError: Malformed, or writable by others.
        OSError: There is no such file.
    """
    from broker.desk.pins import Pins  # noqa: PLC0415 - a tenth of a second

    return Pins.load(roots_file(named, terminal))

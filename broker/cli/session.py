"""A client of the gateway, from a profile; its passphrase from a file or a person."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from broker.cli import logs
from broker.cli.passphrases import read_passphrase
from broker.cli.terminal import Terminal
from schemas.vocabulary import Language

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient


def open_client(folder: Path, terminal: Terminal) -> "EnlaceClient":
    """Make a client that the caller opens with ``async with``.

    Raises:
        ConfigurationError, CustodyError: The profile or its keys cannot be used.
    """
    from broker.desk.client import EnlaceClient  # noqa: PLC0415 - half a second
    from broker.desk.held_keys import HeldKeys  # noqa: PLC0415
    from broker.desk.pins import Pins  # noqa: PLC0415
    from broker.desk.profile import PASSPHRASE_VARIABLE, Profile  # noqa: PLC0415

    logs.configure(terminal)
    profile = replace(Profile.load(folder), language=Language(terminal.language))
    named = os.environ.get(PASSPHRASE_VARIABLE)
    file = Path(named) if named else profile.passphrase_file
    keys = HeldKeys.load(profile, read_passphrase(file, terminal))
    return EnlaceClient(profile, keys, Pins.load(profile.roots_file))

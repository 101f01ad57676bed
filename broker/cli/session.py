"""A client of the gateway, from a profile; its passphrase from a file or a person."""

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

    It follows its files. A passphrase that a person typed opens the next key file, too.

    Raises:
        ConfigurationError, CustodyError: The profile or its keys cannot be used.
    """
    from broker.desk.client import EnlaceClient  # noqa: PLC0415 - half a second
    from broker.desk.profile import Profile  # noqa: PLC0415
    from broker.desk.wallet import FileWallet  # noqa: PLC0415

    logs.configure(terminal)
    profile = replace(Profile.load(folder), language=Language(terminal.language))
    is_in_file = profile.find_passphrase_file() is not None
    typed = None if is_in_file else read_passphrase(None, terminal)
    return EnlaceClient.of_wallet(FileWallet(profile, passphrase=typed))

"""With which key does an officer sign, and what has another one signed already?"""

from pathlib import Path
from typing import TYPE_CHECKING

from broker.cli.documents import read_lines
from broker.cli.explain import CommandError
from broker.cli.passphrases import read_passphrase
from broker.cli.terminal import Terminal

if TYPE_CHECKING:
    from keys.key import SigningKey


def read_officer_key(
    file: Path, passphrase_file: Path | None, terminal: Terminal, *, kid: str | None = None
) -> "SigningKey":
    """Open an officer's key file, and take the key that signs.

    Raises:
        CommandError: There is none of that name, or several and none was named.
        CustodyError: The file does not open, or others may read it.
    """
    from keys.custody.provider import open_provider  # noqa: PLC0415 - a tenth of a second

    passphrase = read_passphrase(passphrase_file, terminal, ask="passphrase.officer")
    signing = open_provider(file, passphrase).read().signing
    found = [key for name, key in signing.items() if kid in (None, name)]
    if len(found) != 1:
        raise CommandError(terminal.text("sign.which_key", file=file, count=len(found)))
    return found[0]


def read_signature(file: str, terminal: Terminal) -> str:
    """Read what `enlace sign` has printed.

    Raises:
        CommandError: It is not one line.
        OSError: It cannot be read.
    """
    lines = read_lines(file)
    if len(lines) != 1:
        raise CommandError(terminal.text("sign.no_signature", file=file))
    return lines[0]

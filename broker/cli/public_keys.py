"""The public halves of keys as they go from hand to hand: JSON lines that hold no secret."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broker.cli.documents import read_lines
from broker.cli.public_files import write_new
from broker.cli.terminal import Terminal, json_line
from keys import strict_json
from keys.errors import KeyFormatError
from keys.strict_json import JsonObject

if TYPE_CHECKING:
    from broker.cli.key_making import MadeKey

COLUMNS: Final = ("kid", "use", "algorithm", "fingerprint")
MEMBERS: Final = frozenset({"kid", "holder", "use", "jwk"})
"""What a reader needs; the rest is for people, and is worked out again."""


def read_public_keys(files: Sequence[str]) -> list[JsonObject]:
    """Read what `enlace keys new --public` wrote.

    Raises:
        OSError: A file cannot be read.
        KeyFormatError: A line is no public key of ours.
    """
    found = [strict_json.parse_object(_ascii(line)) for name in files for line in read_lines(name)]
    if not all(each.keys() >= MEMBERS and isinstance(each["jwk"], dict) for each in found):
        raise KeyFormatError("a line is no public key as `enlace keys new` writes it")
    return found


def write_public_keys(file: Path, made: "Sequence[MadeKey]") -> None:
    """Write a new file of public keys.

    Raises:
        CommandError: The file is there already.
    """
    write_new(file, [json_line(each.public()) for each in made])


def show_public_keys(keys: Sequence[JsonObject], terminal: Terminal) -> None:
    """Show keys: to a person their names, fingerprints, and JWKs beneath."""
    terminal.rows(keys, COLUMNS)
    if not terminal.json:
        for each in keys:
            jwk = each["jwk"]
            if isinstance(jwk, dict):
                terminal.line(jwk)


def _ascii(line: str) -> bytes:
    return line.encode("ascii", errors="replace")

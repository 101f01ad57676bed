"""What does a command do with a passphrase that a person typed, while it runs for months?"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from broker.cli import passphrases
from broker.cli.session import open_client
from broker.cli.terminal import Terminal
from broker.desk.profile import PASSPHRASE_VARIABLE
from keys.custody.bundle import KeyBundle, write_bundle
from keys.secret import Passphrase
from schemas.vocabulary import Language
from tests.desk import world
from tests.fakes.certificates import replace_file

TYPED = "correct horse"


class Typist:
    """A person at a terminal; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def isatty(self) -> bool:
        """Is there."""
        return True

    def __call__(self, _: str, *, stream: object) -> str:
        """Type."""
        assert stream is sys.stderr
        self.asked += 1
        return TYPED


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Somebody sits there, and no file is named."""
    person = Typist()
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", person)
    monkeypatch.setattr(passphrases, "getpass", person)
    return person


def put_bundle(folder: Path, *names: str) -> None:
    """Put a desk's bundle in place, closed with what the person types."""
    made = [
        world.decryption_key(name) if "-enc-" in name else world.signing_key(name) for name in names
    ]
    beside = folder / "client.key.new"
    write_bundle(beside, KeyBundle.of(made), Passphrase.from_text(TYPED))
    beside.replace(folder / "client.key")


async def test_open_client_asks_once_when_the_key_file_changes(
    tmp_path: Path, typist: Typist
) -> None:
    """The typed passphrase opens the next key file, too; and the terminal keeps its language."""
    profile = world.desk_profile("https://enlace.test")
    names = ("GT-client-1", "GT-int-sig-1", "GT-int-enc-1")
    put_bundle(tmp_path, *names)
    replace_file(tmp_path / "roots.json", world.pins().to_bytes())
    replace(profile, key_file=tmp_path / "client.key", roots_file=tmp_path / "roots.json").write(
        tmp_path
    )
    client = open_client(tmp_path, Terminal(language="es"))

    put_bundle(tmp_path, *names, "GT-int-enc-2")
    await client.wallet.look()

    assert typist.asked == 1
    assert set(client.keys.decryption) == {"GT-int-enc-1", "GT-int-enc-2"}
    assert client.profile.language is Language.SPANISH

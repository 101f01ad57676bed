"""Two officers of one agency sign a message, together or one after the other."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from keys.custody.bundle import KeyBundle, write_bundle
from keys.key import SigningKey
from keys.secret import Passphrase
from tests.cli.conftest import Cli
from tests.desk import world
from tests.desk.world import FISCALIA
from tests.fakes.gateway import FakeGateway

SECRET = "correct horse"


class StandingClock:
    """Tells the time of the standard world."""

    @staticmethod
    def now(_: object) -> datetime:
        """Tell it."""
        return world.NOW


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.cli.sign.datetime", StandingClock)


def key_file(tmp_path: Path, name: str, *kids: str) -> Path:
    """Write an officer's key file."""
    file = tmp_path / f"{name}.key"
    keys: list[SigningKey] = [world.signing_key(kid) for kid in kids]
    write_bundle(file, KeyBundle.of(keys), Passphrase.from_text(SECRET))
    return file


@pytest.fixture
def message(tmp_path: Path) -> Path:
    """Write a message of the fiscalia."""
    file = tmp_path / "message.json"
    file.write_text(json.dumps(world.document()))
    return file


@pytest.fixture
def two_officers(as_agency: FakeGateway) -> FakeGateway:
    """A gateway that knows a key of a second officer."""
    stated = world.agency_statement(FISCALIA, "MX-fiscalia-2")
    record = world.record(*world.standard_statements(), stated)
    as_agency.record = record
    as_agency.directory, _ = world.verified(record)
    return as_agency


def test_sign_adds_a_second_officer_to_the_author(
    two_officers: FakeGateway,
    message: Path,
    tmp_path: Path,
    passphrase: Path,
    cli: Cli,
) -> None:
    """Each signs on a machine of his own with the file alone; whoever is online sends it."""
    first, both = tmp_path / "one.sig", tmp_path / "both.sig"
    secret = ("--passphrase-file", passphrase)
    author = cli("sign", message, key_file(tmp_path, "author", "MX-fiscalia-1"), *secret)
    first.write_text(author.out)
    officer = key_file(tmp_path, "officer", "MX-fiscalia-2")

    second = cli("sign", message, officer, "--signature", first, *secret)
    both.write_text(second.out)
    sent = cli("send", message, "--signature", both, "--json")

    assert (author.code, second.code, sent.code) == (0, 0, 0), second.err + sent.err
    assert second.out.startswith(author.out.strip() + ",")
    assert "signed with MX-fiscalia-2 for MX/fiscalia" in second.err
    assert sent.lines[0]["status"] == "accepted"
    assert two_officers.signatures[world.message_id(1)] == second.out.strip()


def test_send_lets_a_second_officer_sign_when_his_key_file_is_named(
    two_officers: FakeGateway, message: Path, tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """Both sit at one machine."""
    officer = key_file(tmp_path, "officer", "MX-fiscalia-2")

    ran = cli("send", message, "--second-officer", officer, "--second-passphrase-file", passphrase)

    assert ran.code == 0, ran.err
    assert two_officers.signatures[world.message_id(1)].count(",") == 1


@pytest.mark.parametrize("kid", ["MX-fiscalia-1", "MX-policia-1"])
def test_send_keeps_a_message_back_when_the_second_officer_is_none(
    kid: str, two_officers: FakeGateway, message: Path, tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """The author again, or an officer of another agency."""
    officer = key_file(tmp_path, "officer", kid)

    ran = cli("send", message, "--second-officer", officer, "--second-passphrase-file", passphrase)

    assert ran.code == 4
    assert two_officers.messages == {}


def test_sign_refuses_when_the_author_would_be_his_own_second_officer(
    message: Path, tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """Said before anything is sent; so is a third signature."""
    secret = ("--passphrase-file", passphrase)
    author = key_file(tmp_path, "author", "MX-fiscalia-1")
    officer = key_file(tmp_path, "officer", "MX-fiscalia-2")
    third = key_file(tmp_path, "third", "MX-fiscalia-3")
    one, two = tmp_path / "one.sig", tmp_path / "two.sig"
    one.write_text(cli("sign", message, author, *secret).out)
    two.write_text(cli("sign", message, officer, "--signature", one, *secret).out)

    again = cli("sign", message, author, "--signature", one, *secret)
    many = cli("sign", message, third, "--signature", two, *secret)

    assert (again.code, again.out) == (4, "")
    assert (many.code, many.out) == (4, "")


def test_sign_asks_which_key_when_a_file_holds_several(
    message: Path, tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """None is chosen by chance."""
    file = key_file(tmp_path, "author", "MX-fiscalia-1", "MX-fiscalia-client-1")
    secret = ("--passphrase-file", passphrase)

    unsure = cli("sign", message, file, *secret)
    named = cli("sign", message, file, "--kid", "MX-fiscalia-1", *secret, "--json")

    assert unsure.code == 2
    assert "holds 2 keys" in unsure.err
    assert named.lines[0]["kid"] == "MX-fiscalia-1"


@pytest.mark.parametrize("options", [("--new-id",), ("--second-officer", "x.key"), ("more.json",)])
def test_send_takes_one_message_as_it_is_when_it_is_signed_already(
    options: tuple[str, ...], message: Path, cli: Cli
) -> None:
    """Not a byte of it may change, and a signature is of one message."""
    ran = cli("send", message, "--signature", "x.sig", *options)

    assert ran.code == 2
    assert "--signature is for one message" in ran.err


def test_send_says_so_when_a_signature_file_is_none(
    as_agency: FakeGateway, message: Path, tmp_path: Path, cli: Cli
) -> None:
    """An empty file is not taken for an unsigned message."""
    del as_agency
    empty = tmp_path / "empty.sig"
    empty.touch()

    ran = cli("send", message, "--signature", empty)

    assert ran.code == 2
    assert "expected one line" in ran.err

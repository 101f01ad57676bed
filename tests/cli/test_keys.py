"""Keys are made, shown, certified and pinned; nothing secret is ever shown."""

import json
import stat
from pathlib import Path

import pytest

from broker.desk.pins import Pins
from broker.desk.profile import Profile
from broker.model import AgencyRef, DeskRef
from keys.custody.bundle import read_bundle
from keys.secret import Passphrase
from keys.statement import verify
from schemas.vocabulary import Compartment, Country
from tests.cli.conftest import Cli

MEMBERS = {"kid", "holder", "use", "algorithm", "fingerprint", "thumbprint", "jwk"}


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize(
    ("arguments", "kids"),
    [
        (("root", "--for", "MX"), ["MX-root-1"]),
        (("receipt", "token"), ["GW-receipt-1", "GW-token-1"]),
        (
            ("agency", "client", "--for", "MX/fiscalia", "--number", "2"),
            ["MX-fiscalia-sign-2", "MX-fiscalia-client-2"],
        ),
        (
            ("desk", "--for", "GT.intelligence", "--label", "inteligencia"),
            ["GT-inteligencia-ack-1", "GT-inteligencia-1"],
        ),
    ],
)
def test_keys_new_writes_a_private_file_and_shows_public_halves(
    arguments: tuple[str, ...], kids: list[str], tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """Mode 0600, opened by the passphrase alone; the members of the output are stable."""
    file = tmp_path / "new.key"

    ran = cli("keys", "new", *arguments, "-o", file, "--passphrase-file", passphrase, "--json")

    assert ran.code == 0, ran.err
    assert [each["kid"] for each in ran.lines] == kids
    assert all(each.keys() == MEMBERS for each in ran.lines)
    assert not any({"d", "priv"} & each["jwk"].keys() for each in ran.lines)
    assert _mode(file) == 0o600
    bundle = read_bundle(file, Passphrase.from_text("correct horse"))
    assert {*bundle.signing, *bundle.decryption} == set(kids)


def test_keys_new_never_overwrites(tmp_path: Path, passphrase: Path, cli: Cli) -> None:
    """A key that is replaced by mistake is lost for good."""
    arguments = ("keys", "new", "root", "--for", "MX", "-o", tmp_path / "k")
    assert cli(*arguments, "--passphrase-file", passphrase).code == 0
    before = (tmp_path / "k").read_bytes()

    ran = cli(*arguments, "--passphrase-file", passphrase)

    assert ran.code == 2
    assert (tmp_path / "k").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("receipt", "--for", "MX"), "root"),
        (("root",), "receipt"),
        (("agency", "--for", f"MX/{'a' * 32}"), "--label"),
    ],
)
def test_keys_new_refuses_keys_that_nobody_could_use(
    arguments: tuple[str, ...], said: str, tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """A country has no receipt key; a key id has 32 characters."""
    ran = cli("keys", "new", *arguments, "-o", tmp_path / "k", "--passphrase-file", passphrase)

    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / "k").exists()


def test_keys_new_refuses_a_passphrase_that_others_may_read(
    tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """A passphrase for all protects nothing."""
    passphrase.chmod(0o644)

    ran = cli("keys", "new", "token", "-o", tmp_path / "k", "--passphrase-file", passphrase)

    assert ran.code == 2
    assert "0644" in ran.err


def test_keys_new_asks_nobody_where_nobody_is(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal there is no prompt, but a text that says what to give."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    ran = cli("keys", "new", "token", "-o", tmp_path / "k")

    assert ran.code == 2
    assert "--passphrase-file" in ran.err


def test_keys_show_tells_the_same_keys_again(tmp_path: Path, passphrase: Path, cli: Cli) -> None:
    """The fingerprint of a key file is the one that was read out when it was made."""
    secret = ("--passphrase-file", passphrase, "--json")
    made = cli("keys", "new", "desk", "--for", "GT.judicial", "-o", tmp_path / "k", *secret)

    shown = cli("keys", "show", tmp_path / "k", *secret)

    assert [each["fingerprint"] for each in shown.lines] == [
        each["fingerprint"] for each in made.lines
    ]
    passphrase.write_text("wrong")
    assert cli("keys", "show", tmp_path / "k", *secret).code == 2


def test_keys_certify_needs_a_yes(tmp_path: Path, passphrase: Path, cli: Cli) -> None:
    """Nobody certifies by accident what they have not compared; then the root's word holds."""
    secret = ("--passphrase-file", passphrase)
    root, roots = tmp_path / "root.key", tmp_path / "root.pub"
    cli("keys", "new", "root", "--for", "GT", "-o", root, "--public", roots, *secret)
    public = tmp_path / "desk.pub"
    desk = ("--for", "GT.judicial", "-o", tmp_path / "desk.key")
    cli("keys", "new", "desk", "client", *desk, "--public", public, *secret)

    unasked = cli("keys", "certify", public, "--root", root, *secret)
    assert (unasked.code, unasked.out) == (2, "")
    assert "--yes" in unasked.err

    ran = cli("keys", "certify", public, "--root", root, "--yes", "--json", *secret)
    pins = Pins.from_bytes(cli("keys", "pin", roots).out.strip().encode())
    stated = [verify(each["statement"], roots=pins.roots) for each in ran.lines]
    assert [each.kid for each in stated] == [
        "GT-desk-judicial-ack-1",
        "GT-desk-judicial-1",
        "GT-desk-judicial-client-1",
    ]
    assert stated[2].holder.name == "gt-desk-judicial"
    assert sorted({each.serial for each in stated}) == [each.serial for each in stated]


def test_keys_certify_refuses_another_countrys_key(
    tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """Guatemala's root states no key of Mexico."""
    secret = ("--passphrase-file", passphrase)
    cli("keys", "new", "root", "--for", "GT", "-o", tmp_path / "root.key", *secret)
    public = tmp_path / "a.pub"
    agency = ("--for", "MX/fiscalia", "-o", tmp_path / "a.key", "--public", public)
    cli("keys", "new", "agency", *agency, *secret)

    ran = cli("keys", "certify", public, "--root", tmp_path / "root.key", "--yes", *secret)

    assert (ran.code, ran.out) == (6, "")


@pytest.mark.parametrize(
    ("subject", "expected", "kids"),
    [
        ("MX/fiscalia", AgencyRef(country=Country.MEXICO, agency="fiscalia"), 2),
        (
            "GT.judicial",
            DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL),
            3,
        ),
    ],
)
def test_profile_new_writes_all_that_a_system_needs(
    subject: str,
    expected: AgencyRef | DeskRef,
    kids: int,
    tmp_path: Path,
    passphrase: Path,
    cli: Cli,
) -> None:
    """The profile loads, its keys open, and nobody else can read the folder."""
    folder = tmp_path / "own"
    gateway = ("--gateway", "https://enlace.example/", "--passphrase-file", passphrase)

    ran = cli("profile", "new", folder, subject, *gateway, "--json")

    assert ran.code == 0, ran.err
    assert len(ran.lines) == kids
    profile = Profile.load(folder)
    assert (profile.subject, profile.gateway) == (expected, "https://enlace.example")
    bundle = read_bundle(profile.key_file, profile.passphrase({}))
    assert {profile.authentication_key, profile.signature_key} <= bundle.signing.keys()
    assert (_mode(folder), _mode(folder / "client.key")) == (0o700, 0o600)
    public = (folder / "public.jsonl").read_text().splitlines()
    assert [json.loads(each) for each in public] == ran.lines
    shown = cli("profile", "show", "--profile", folder, "--json").lines[0]
    assert shown["subject"] == subject
    assert cli("profile", "new", folder, subject, *gateway).code == 2

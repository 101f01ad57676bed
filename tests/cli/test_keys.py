"""Keys are made, shown, certified and pinned; nothing secret is ever shown."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.cli.explain import explain
from broker.cli.terminal import Terminal
from broker.desk.profile import Profile
from broker.model.names import AgencyRef, DeskRef
from keys.custody.bundle import read_bundle
from keys.custody.provider import open_provider
from keys.errors import CustodyError, CustodyFault
from keys.identifiers import parse_kid
from keys.secret import Passphrase
from schemas.vocabulary import Compartment, Country
from tests.cli.conftest import Cli
from tests.services.softhsm import SoftToken

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
        (("agency",), "receipt"),
        (("administrator", "--for", "MX"), "--label"),
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
    assert "chmod 600" in ran.err
    assert str(passphrase) in ran.err


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


def test_keys_new_adds_keys_to_a_file_that_is_there(
    tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """A renewed key lies beside the old one; a name that is taken changes nothing."""
    secret = ("--passphrase-file", passphrase, "--json")
    agency, file = ("keys", "new", "agency", "--for", "MX/fiscalia"), tmp_path / "k"
    assert cli(*agency, "-o", file, *secret).code == 0

    ran = cli(*agency, "--into", file, "--number", "2", *secret)
    again = cli(*agency, "--into", file, "--number", "2", *secret)

    assert [each["kid"] for each in ran.lines] == ["MX-fiscalia-sign-2"]
    assert (again.code, again.out) == (2, "")
    kids = [each["kid"] for each in cli("keys", "show", file, *secret).lines]
    assert kids == ["MX-fiscalia-sign-1", "MX-fiscalia-sign-2"]


@pytest.mark.parametrize("places", [(), ("-o", "a", "--into", "b")])
def test_keys_new_wants_one_place(places: tuple[str, ...], passphrase: Path, cli: Cli) -> None:
    """A key that is nowhere, or in two places, is a mistake."""
    ran = cli("keys", "new", "token", *places, "--passphrase-file", passphrase)

    assert ran.code == 2
    assert "--into" in ran.err


def test_keys_new_makes_no_key_when_its_public_half_has_no_place(
    tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """The file of public halves is asked for first."""
    public = tmp_path / "public"
    public.touch()

    options = ("-o", tmp_path / "k", "--public", public, "--passphrase-file", passphrase)
    ran = cli("keys", "new", "token", *options)

    assert ran.code == 2
    assert not (tmp_path / "k").exists()


def test_keys_passphrase_changes_it_and_nothing_else(
    tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """The same keys open with the new passphrase, and with the old one no more."""
    new, file = tmp_path / "new", tmp_path / "k"
    new.touch(mode=0o600)
    new.write_text("battery staple\n")
    old, renewed = ("--passphrase-file", passphrase), ("--passphrase-file", new)
    made = cli("keys", "new", "token", "-o", file, *old, "--json").lines

    ran = cli("keys", "passphrase", file, *old, "--new-passphrase-file", new)

    assert (ran.code, ran.out) == (0, "")
    shown = cli("keys", "show", file, *renewed, "--json").lines
    assert [each["fingerprint"] for each in shown] == [each["fingerprint"] for each in made]
    assert cli("keys", "show", file, *old).code == 2
    assert _mode(file) == 0o600


def test_keys_passphrase_says_what_to_do_when_the_old_one_is_wrong(
    tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """In the reader's words, repeating nothing secret, and changing nothing."""
    file, wrong = tmp_path / "k", tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("tr0ub4dor")
    cli("keys", "new", "token", "-o", file, "--passphrase-file", passphrase)
    before = file.read_bytes()

    options = ("--passphrase-file", wrong, "--new-passphrase-file", passphrase)
    ran = cli("keys", "passphrase", file, *options, "--lang", "es")

    assert ran.code == 2
    assert "frase de paso correcta" in ran.err
    assert "tr0ub4dor" not in ran.err
    assert file.read_bytes() == before


@pytest.mark.softhsm
def test_keys_new_makes_keys_in_a_token(
    softhsm: SoftToken, tmp_path: Path, passphrase: Path, cli: Cli
) -> None:
    """A root that never leaves its token is made, shown, and signs statements."""
    passphrase.write_bytes(softhsm.pin.reveal())
    secret = ("--passphrase-file", passphrase)
    place = f"{softhsm.uri}&x-seed-file={tmp_path / 'seeds'}"
    public = tmp_path / "public"
    desk = ("desk", "--for", "GT.judicial", "--public", public)

    root = cli("keys", "new", "root", "--for", "GT", "--into", softhsm.uri, *secret)
    made = cli("keys", "new", *desk, "--into", place, *secret, "--json")
    shown = cli("keys", "show", place, *secret, "--json")

    assert (root.code, made.code) == (0, 0), root.err + made.err
    assert {each["kid"] for each in made.lines} < {each["kid"] for each in shown.lines}
    provider = open_provider(place, softhsm.pin)
    provider.erase(parse_kid("GT-desk-judicial-ack-1"))
    provider.erase(parse_kid("GT-root-1"))


@pytest.mark.parametrize("fault", CustodyFault)
@pytest.mark.parametrize("language", ["en", "es"])
def test_explain_says_what_to_do_about_every_fault_of_custody(
    fault: CustodyFault, language: str
) -> None:
    """No fault is without its title and its remedy."""
    explained = explain(CustodyError(fault), Terminal(language=language))

    assert explained.code == "key-custody"
    assert explained.title
    assert explained.detail


def _widen(file: Path) -> None:
    file.chmod(0o644)


def _link(file: Path) -> None:
    file.rename(file.with_name("target"))
    file.symlink_to("target")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _cheapen(file: Path) -> None:
    document = json.loads(file.read_bytes())
    document["kdf"].update(passes=1, memory_kib=1024, lanes=1)
    file.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "fault", "remedy"),
    [
        (_widen, CustodyFault.WIDE_MODE, "chmod 600"),
        (_link, CustodyFault.ABSENT, "ls -l"),
        (_cut, CustodyFault.MALFORMED, ""),
        (_cheapen, CustodyFault.TOO_CHEAP, "enlace keys new"),
    ],
)
def test_keys_new_changes_nothing_when_the_file_is_not_as_it_should_be(
    spoil: Callable[[Path], None],
    fault: CustodyFault,
    remedy: str,
    tmp_path: Path,
    passphrase: Path,
    cli: Cli,
) -> None:
    """The reader is told what to do in his language; the file stays as it is."""
    file, secret = tmp_path / "k", ("--passphrase-file", passphrase)
    cli("keys", "new", "token", "-o", file, *secret)
    spoil(file)
    before = file.read_bytes()

    add = ("keys", "new", "receipt", "--into", file, *secret)
    ran = {language: cli(*add, "--lang", language) for language in ("en", "es")}

    for language, each in ran.items():
        title = Terminal(language=language).text(f"error.key-custody.{fault.value}.title")
        assert each.code == 2
        assert title in each.err
        assert remedy in each.err
    assert file.read_bytes() == before

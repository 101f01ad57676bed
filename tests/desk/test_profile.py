"""Is a profile read strictly, and are its secrets kept from other people and places?"""

from dataclasses import replace
from pathlib import Path

import pytest

from broker.desk import tls
from broker.desk.client import EnlaceClient
from broker.desk.held_keys import HeldKeys
from broker.desk.pins import Pins
from broker.desk.profile import PASSPHRASE_VARIABLE, Profile
from broker.errors import ConfigurationError
from keys import root, strict_json
from keys.custody.bundle import KeyBundle, write_bundle
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.errors import CustodyError
from keys.identifiers import KeyId
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase
from schemas.vocabulary import Country, Language
from tests.desk import world

GATEWAY = "https://enlace.example"
MINIMAL = {
    "gateway": GATEWAY,
    "issuer": world.ISSUER,
    "client_id": "gt-intelligence",
    "subject": "GT.intelligence",
    "authentication_key": "GT-client-1",
    "signature_key": "GT-int-sig-1",
}


def written(folder: Path, **changes: str) -> Path:
    """Write a profile by hand."""
    file = folder / "profile.toml"
    members = {**MINIMAL, **changes}
    file.write_text("".join(f'{name} = "{value}"\n' for name, value in members.items()))
    file.chmod(0o600)
    return file


def test_load_reads_paths_beside_the_profile(tmp_path: Path) -> None:
    """What is not said has a place of its own."""
    written(tmp_path, ca_file="ca.pem", language="es")

    profile = Profile.load(tmp_path)

    assert (profile.subject, profile.desk) == (world.DESK, world.DESK)
    assert profile.key_file == tmp_path / "client.key"
    assert profile.roots_file == tmp_path / "roots.json"
    assert profile.ca_file == tmp_path / "ca.pem"
    assert profile.passphrase_file is None
    assert profile.seen_file == tmp_path / "profile.seen.json"
    assert profile.language is Language.SPANISH


def test_load_reads_what_write_wrote(tmp_path: Path) -> None:
    """The tools that set a country up write what its programs read."""
    profile = replace(
        world.agency_profile(GATEWAY),
        key_file=tmp_path / "own.key",
        roots_file=Path("/etc/enlace/roots.json"),
        ca_file=tmp_path / 'a "quoted\\" name.pem',
        passphrase_file=tmp_path / "passphrase",
        seen_file=Path("/var/lib/enlace/seen.json"),
    )

    file = profile.write(tmp_path)

    assert Profile.load(file) == profile
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="exists"):
        profile.write(tmp_path)


def test_write_refuses_what_no_file_name_holds(tmp_path: Path) -> None:
    """A line end in a path would be a line of the profile."""
    profile = replace(world.agency_profile(GATEWAY), ca_file=Path("a\nb"))

    with pytest.raises(ConfigurationError, match="printable"):
        profile.write(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gatway": "x"}, "unknown key gatway"),
        ({"gateway": "http://enlace.example"}, "gateway"),
        ({"gateway": "https://user@enlace.example"}, "gateway"),
        ({"gateway": "enlace.example"}, "gateway"),
        ({"gateway": "https://enlace.example?x=1"}, "gateway"),
        ({"client_id": "GT intelligence"}, "client_id"),
        ({"subject": "GT"}, "subject"),
        ({"subject": "XX/agency"}, "subject"),
        ({"authentication_key": "../client"}, "authentication_key"),
        ({"language": "de"}, "language"),
    ],
)
def test_load_names_the_key_that_is_wrong(
    tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    """Who set it up must learn what to change."""
    with pytest.raises(ConfigurationError, match=named):
        Profile.load(written(tmp_path, **changes))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:1/", "http://localhost"])
def test_load_takes_http_for_this_very_machine(tmp_path: Path, url: str) -> None:
    """A demonstration needs no certificate."""
    assert Profile.load(written(tmp_path, gateway=url)).gateway == url.rstrip("/")


@pytest.mark.parametrize(
    ("text", "named"),
    [("gateway", "not TOML"), ("gateway = 1", "must be a text"), ("", "gateway is missing")],
)
def test_load_refuses_what_is_no_profile(tmp_path: Path, text: str, named: str) -> None:
    """Nothing is guessed."""
    file = tmp_path / "profile.toml"
    file.write_text(text)
    file.chmod(0o600)

    with pytest.raises(ConfigurationError, match=named):
        Profile.load(tmp_path)


def test_load_refuses_a_file_that_others_may_write(tmp_path: Path) -> None:
    """Who writes the profile decides whom we trust."""
    file = written(tmp_path)
    file.chmod(0o620)

    with pytest.raises(ConfigurationError, match="0620 is too wide"):
        Profile.load(file)


def test_load_refuses_a_file_that_is_missing_large_or_none(tmp_path: Path) -> None:
    """A profile is a small file."""
    with pytest.raises(ConfigurationError, match="No such file"):
        Profile.load(tmp_path / "missing.toml")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        Profile.load(Path("/dev/null"))
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 70_000)
    large.chmod(0o600)
    with pytest.raises(ConfigurationError, match="larger"):
        Profile.load(large)


def test_tell_no_desk_when_the_profile_is_an_agency_s() -> None:
    """An agency receives nothing."""
    with pytest.raises(ConfigurationError, match="MX/fiscalia is an agency"):
        _ = world.agency_profile(GATEWAY).desk


def test_read_passphrase_from_the_file_that_is_named_first(tmp_path: Path) -> None:
    """The environment names a file, never the passphrase."""
    files = {name: tmp_path / name for name in ("profile", "environment")}
    for name, file in files.items():
        file.write_text(f"{name}\r\n")
        file.chmod(0o600)
    profile = replace(world.agency_profile(GATEWAY), passphrase_file=files["profile"])

    named = profile.passphrase({PASSPHRASE_VARIABLE: str(files["environment"])})

    assert named == Passphrase(b"environment")
    assert profile.passphrase({}) == Passphrase(b"profile")


def test_read_passphrase_refuses_a_file_that_others_may_read(tmp_path: Path) -> None:
    """A passphrase that the group reads is none."""
    file = tmp_path / "passphrase"
    file.write_text("x")
    file.chmod(0o640)

    with pytest.raises(ConfigurationError, match="too wide"):
        replace(world.agency_profile(GATEWAY), passphrase_file=file).passphrase({})
    with pytest.raises(ConfigurationError, match="passphrase_file"):
        world.agency_profile(GATEWAY).passphrase({})


# --- keys and pins ------------------------------------------------------------------------


def bundle_at(folder: Path) -> Profile:
    """Write the desk's bundle, cheaply protected."""
    profile = replace(world.desk_profile(GATEWAY), key_file=folder / "client.key")
    keys: list[SigningKey | DecryptionKey] = [
        world.signing_key("GT-client-1"),
        world.signing_key("GT-int-sig-1"),
        world.decryption_key("GT-int-enc-1"),
    ]
    write_bundle(profile.key_file, KeyBundle.of(keys), Passphrase(b"secret"), cost=INTERACTIVE_DEMO)
    return profile


def test_load_keys_picks_those_that_the_profile_names(tmp_path: Path) -> None:
    """Each key has its one use."""
    profile = bundle_at(tmp_path)

    held = HeldKeys.load(profile, Passphrase(b"secret"), minimum=INTERACTIVE_DEMO)

    assert held.authentication == world.signing_key("GT-client-1")
    assert held.signature == world.signing_key("GT-int-sig-1")
    assert list(held.decryption) == ["GT-int-enc-1"]
    assert "secret" not in repr(held)


def test_load_keys_names_the_key_that_is_missing(tmp_path: Path) -> None:
    """Who set it up must learn which key."""
    profile = replace(bundle_at(tmp_path), signature_key=KeyId("GT-int-sig-2"))

    with pytest.raises(ConfigurationError, match=r"signature_key.*GT-int-sig-2"):
        HeldKeys.load(profile, Passphrase(b"secret"), minimum=INTERACTIVE_DEMO)


def test_pins_are_read_as_they_were_written(tmp_path: Path) -> None:
    """The exchange's own root stands under GW, beside the countries'."""
    file = tmp_path / "roots.json"
    file.write_bytes(world.pins().to_bytes())
    file.chmod(0o644)

    pins = Pins.load(file)

    assert pins == world.pins()
    assert {owner.value for owner in pins.roots} == {"MX", "GT", "GW"}


MEXICAN: strict_json.JsonObject = strict_json.parse_object(
    world.root_of(Country.MEXICO).token.encode()
)
SIGNED_BY_ONE: strict_json.JsonObject = strict_json.parse_object(
    root.sign(world.root_of(Country.MEXICO), world.root_keys(Country.MEXICO, "uno")).encode()
)


@pytest.mark.parametrize(
    "members",
    [
        {"XX": MEXICAN},
        {"MX": {}},
        {"MX": ["text"]},
        {"GT": MEXICAN},
        {"GW": MEXICAN},
        {"MX": SIGNED_BY_ONE},
        {"MX": {**MEXICAN, "signatures": []}},
    ],
    ids=[
        "nobody's",
        "empty",
        "list",
        "another country's",
        "a country's for the exchange",
        "one holder alone",
        "unsigned",
    ],
)
def test_pins_refuse_what_is_no_root_of_the_owner(
    tmp_path: Path, members: strict_json.JsonObject
) -> None:
    """A pinned root of another country would let it speak for this one."""
    file = tmp_path / "roots.json"
    file.write_bytes(strict_json.write(members))

    with pytest.raises(ConfigurationError, match=r"roots\.json"):
        Pins.load(file)


def test_pins_refuse_a_file_that_others_may_write(tmp_path: Path) -> None:
    """Whoever writes the roots speaks for all countries."""
    file = tmp_path / "roots.json"
    file.write_bytes(world.pins().to_bytes())
    file.chmod(0o666)

    with pytest.raises(ConfigurationError, match="too wide"):
        Pins.load(file)


def test_trust_refuses_an_authority_that_is_none(tmp_path: Path) -> None:
    """A file without a certificate is said at the start."""
    file = tmp_path / "ca.pem"
    file.write_text("nothing")

    with pytest.raises(ConfigurationError, match="ca_file"):
        tls.client_context(file)
    with pytest.raises(ConfigurationError, match="ca_file"):
        tls.client_context(tmp_path / "missing.pem")


def test_open_refuses_a_bundle_that_is_protected_too_cheaply(tmp_path: Path) -> None:
    """A client is made from its files alone, and takes no demonstration's key file."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("secret")
    passphrase.chmod(0o600)
    profile = replace(bundle_at(tmp_path), passphrase_file=passphrase)

    with pytest.raises(CustodyError, match="too cheaply"):
        EnlaceClient.open(profile, environ={})

"""Several people make a root and its statements, and nobody can alone."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.desk.pins import Pins
from broker.sandbox.kits import Kit
from keys import base64url
from keys.root import verify_first, verify_next
from schemas.vocabulary import Country
from tests.cli.ceremonies import Ceremony
from tests.cli.conftest import Cli


@pytest.fixture
def mexico(tmp_path: Path, cli: Cli, passphrase: Path) -> Ceremony:
    """Let Mexico's holders sit down."""
    return Ceremony(folder=tmp_path, cli=cli, passphrase=passphrase)


def test_ceremony_makes_a_root_that_can_be_pinned(mexico: Ceremony, cli: Cli) -> None:
    """Two of three holders sign, each with his own file, and everybody takes the root."""
    finished = mexico.root()

    pinned = cli("keys", "pin", finished)

    root = verify_first(finished.read_text().strip())
    assert (root.owner, root.version, root.threshold) == (Country.MEXICO, 1, 2)
    assert [one.name for one in root.holders] == ["ana", "luis", "eva"]
    assert Pins.from_bytes(pinned.out.strip().encode()).roots[Country.MEXICO].token == root.token
    assert root.holders[0].key.fingerprint in pinned.err


def test_ceremony_finish_says_where_each_document_goes(mexico: Ceremony, cli: Cli) -> None:
    """A first root to everybody, who pins it; what follows from it to the exchange."""
    root = mexico.root()
    draft = mexico.draft("root-2", "--previous", root)
    mexico.sign(draft, "ana", "luis")

    ran = cli("keys", "ceremony", "finish", draft, "-o", draft.with_suffix(".json"))
    again = cli("keys", "ceremony", "finish", root, "-o", root.with_suffix(".again"))

    assert "enlace admin statement add" in ran.err
    assert "keys pin" not in ran.err
    assert "keys pin" in again.err


def test_ceremony_holder_writes_a_private_file_and_a_public_line(mexico: Ceremony) -> None:
    """The key is for its holder alone; the public line says who he is."""
    mexico.holder("ana")

    public = json.loads(mexico.public("ana").read_text())
    assert stat.S_IMODE(mexico.key("ana").stat().st_mode) == 0o600
    assert (public["kid"], public["holder"]) == ("MX-root-ana-1", {"root": "ana"})
    assert "d" not in public["jwk"]


def test_ceremony_status_tells_who_is_missing_until_enough_have_signed(
    mexico: Ceremony, cli: Cli
) -> None:
    """Status 7 while a signature is missing, 0 after; every holder is listed."""
    for name in ("ana", "luis", "eva"):
        mexico.holder(name)
    file = mexico.draft("root-1")
    mexico.sign(file, "ana")

    before = cli("keys", "ceremony", "status", file, "--json")
    mexico.sign(file, "eva")
    after = cli("keys", "ceremony", "status", file, "--json")

    assert before.code == 7
    assert "luis, eva" in before.err
    signed = {each["holder"]: each["signed"] for each in before.lines}
    assert signed == {"ana": True, "luis": False, "eva": False}
    assert after.code == 0
    assert "ceremony finish" in after.err


def test_ceremony_finish_writes_nothing_when_too_few_have_signed(
    mexico: Ceremony, cli: Cli, tmp_path: Path
) -> None:
    """One holder is no root; the text names who can still sign."""
    for name in ("ana", "luis", "eva"):
        mexico.holder(name)
    file = mexico.draft("root-1")
    mexico.sign(file, "luis")

    ran = cli("keys", "ceremony", "finish", file, "-o", tmp_path / "root.json")

    assert ran.code == 6
    assert "ana, eva" in ran.err
    assert not (tmp_path / "root.json").exists()


def test_ceremony_sign_refuses_who_is_no_holder(mexico: Ceremony, cli: Cli) -> None:
    """A stranger's signature is not added, and the file stays as it was."""
    for name in ("ana", "luis", "eva", "otro"):
        mexico.holder(name)
    file = mexico.draft("root-1")
    before = file.read_bytes()

    ran = cli(
        *("keys", "ceremony", "sign", file, "--key", mexico.key("otro"), "--yes"),
        *("--passphrase-file", mexico.passphrase),
    )

    assert ran.code == 6
    assert "no key of a holder" in ran.err
    assert file.read_bytes() == before


def test_ceremony_sign_changes_nothing_when_nobody_says_yes(mexico: Ceremony, cli: Cli) -> None:
    """Without --yes somebody must be there to compare."""
    for name in ("ana", "luis", "eva"):
        mexico.holder(name)
    file = mexico.draft("root-1")
    before = file.read_bytes()

    ran = cli(
        *("keys", "ceremony", "sign", file, "--key", mexico.key("ana")),
        *("--passphrase-file", mexico.passphrase),
    )

    assert ran.code == 2
    assert "--yes" in ran.err
    assert file.read_bytes() == before


def test_ceremony_sign_refuses_a_wrong_passphrase(mexico: Ceremony, cli: Cli) -> None:
    """The draft stays as it was."""
    for name in ("ana", "luis", "eva"):
        mexico.holder(name)
    file = mexico.draft("root-1")
    before = file.read_bytes()
    mexico.passphrase.write_text("wrong\n")

    ran = cli(
        *("keys", "ceremony", "sign", file, "--key", mexico.key("ana"), "--yes"),
        *("--passphrase-file", mexico.passphrase),
    )

    assert ran.code == 2
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", '{"payload":"e30","signatures":[]}', "nonsense"])
def test_ceremony_refuses_a_file_that_is_no_draft(tmp_path: Path, cli: Cli, content: str) -> None:
    """A truncated file says so, and what to do."""
    file = tmp_path / "bad.draft"
    file.write_text(content)

    ran = cli("keys", "ceremony", "status", file)

    assert ran.code == 6
    assert "Nothing was changed" in ran.err


def test_ceremony_refuses_a_draft_that_was_cut_off(mexico: Ceremony, cli: Cli) -> None:
    """Half a file is asked for again; nobody is told to have it signed."""
    for name in ("ana", "luis", "eva"):
        mexico.holder(name)
    file = mexico.draft("root-1")
    file.write_bytes(file.read_bytes()[:-100])

    ran = cli("keys", "ceremony", "status", file)

    assert ran.code == 6
    assert "cut off" in ran.err
    assert "Ask its holders for it again" in ran.err


def test_ceremony_replaces_a_root_when_old_and_new_holders_sign(mexico: Ceremony, cli: Cli) -> None:
    """A holder leaves, another comes; two of the old and two of the new must agree."""
    first = mexico.root()
    mexico.holder("rosa")
    file = mexico.draft("root-2", "--previous", first, holders=("luis", "eva", "rosa"))

    mexico.sign(file, "luis", "rosa")
    waiting = cli("keys", "ceremony", "status", file)
    mexico.sign(file, "ana")
    second = mexico.finish(file, "--previous", first)

    assert waiting.code == 7
    assert "root 1 must sign: ana, eva" in waiting.err
    old = verify_first(first.read_text().strip())
    new = verify_next(second.read_text().strip(), previous=old)
    assert (new.version, new.first_serial > 1) == (2, True)


def test_ceremony_finish_refuses_another_previous_root(mexico: Ceremony, cli: Cli) -> None:
    """Whoever finishes holds his own copy against the draft's."""
    first = mexico.root()
    # Made in the same second with the same words, it would be the same root.
    other = mexico.draft("other", "--days", 100)
    mexico.sign(other, "ana", "luis")
    second = mexico.draft("root-2", "--previous", first)
    mexico.sign(second, "ana", "luis")

    ran = cli(
        *("keys", "ceremony", "finish", second, "-o", mexico.folder / "x"),
        *("--previous", mexico.finish(other)),
    )

    assert ran.code == 6
    assert not (mexico.folder / "x").exists()


def test_ceremony_draft_refuses_a_life_beyond_the_policy(mexico: Ceremony, cli: Cli) -> None:
    """Three years at most."""
    named = []
    for name in ("ana", "luis", "eva"):
        mexico.holder(name)
        named += ["--holder", mexico.public(name)]

    ran = cli(
        *("keys", "ceremony", "draft", "MX", *named, "--days", "1096"),
        *("-o", mexico.folder / "x", "--yes"),
    )

    assert ran.code == 6
    assert not (mexico.folder / "x").exists()


def test_pin_refuses_two_roots_of_one_country(mexico: Ceremony, cli: Cli) -> None:
    """Which of two would count, nobody could tell."""
    root = mexico.root()

    ran = cli("keys", "pin", root, root)

    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_pin_refuses_a_truncated_root(mexico: Ceremony, cli: Cli, cut: int) -> None:
    """Nothing is written that could be pinned by mistake."""
    kit = Kit(owner=Country.MEXICO, now=datetime.now(UTC))
    file = mexico.folder / "root.json"
    file.write_text(kit.root.token[:-cut])

    ran = cli("keys", "pin", file)

    assert (ran.code, ran.out) == (6, "")
    assert "ceremony status" in ran.err


def test_ceremony_never_overwrites_what_was_finished(mexico: Ceremony, cli: Cli) -> None:
    """A finished root is what others have pinned."""
    finished = mexico.root()
    before = finished.read_bytes()

    ran = cli("keys", "ceremony", "finish", mexico.folder / "root-1.draft", "-o", finished)

    assert ran.code == 2
    assert finished.read_bytes() == before


def test_ceremony_sign_spoils_nothing_when_a_signature_does_not_hold(
    mexico: Ceremony, cli: Cli
) -> None:
    """A draft that was changed under way is refused before anybody signs it."""
    for name in ("ana", "luis", "eva"):
        mexico.holder(name)
    file = mexico.draft("root-1")
    mexico.sign(file, "ana")
    document = json.loads(file.read_text())
    members = json.loads(base64url.decode(document["payload"]))
    document["payload"] = base64url.encode(json.dumps(members | {"threshold": 3}).encode())
    file.write_text(json.dumps(document))

    ran = cli(
        *("keys", "ceremony", "sign", file, "--key", mexico.key("luis"), "--yes"),
        *("--passphrase-file", mexico.passphrase),
    )

    assert ran.code == 6
    assert len(json.loads(file.read_text())["signatures"]) == 1

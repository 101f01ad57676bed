"""From public keys to statements that several holders signed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.sandbox.kits import Kit
from keys.holder import Holder
from keys.identifiers import Exchange
from keys.key import KeyUse
from keys.root import RootChain, verify_first
from keys.statement import verify
from schemas.vocabulary import Country
from tests.cli.ceremonies import Ceremony
from tests.cli.conftest import Cli


@pytest.fixture
def mexico(tmp_path: Path, cli: Cli, passphrase: Path) -> Ceremony:
    """Let Mexico's holders sit down."""
    return Ceremony(folder=tmp_path, cli=cli, passphrase=passphrase)


def _public(mexico: Ceremony, cli: Cli, *arguments: object) -> Path:
    public = mexico.folder / "new.pub"
    ran = cli(
        *("keys", "new", *arguments, "-o", mexico.folder / "new.key", "--public", public),
        *("--passphrase-file", mexico.passphrase),
    )
    assert ran.code == 0, ran.err
    return public


def test_certify_makes_statements_that_two_holders_sign(mexico: Ceremony, cli: Cli) -> None:
    """From public keys to statements that every reader takes."""
    root = mexico.root()
    public = _public(mexico, cli, "desk", "client", "--for", "MX.judicial")
    draft = mexico.folder / "statements.draft"
    certified = cli("keys", "certify", public, "--root", root, "-o", draft, "--yes")
    assert certified.code == 0, certified.err

    mexico.sign(draft, "ana", "eva")
    finished = mexico.finish(draft, "--root", root)

    roots = {Country.MEXICO: RootChain((verify_first(root.read_text().strip()),))}
    stated = [verify(token, roots=roots) for token in finished.read_text().split()]
    assert [each.kid for each in stated] == [
        "MX-desk-judicial-ack-1",
        "MX-desk-judicial-1",
        "MX-desk-judicial-client-1",
    ]
    assert sorted({each.serial for each in stated}) == [each.serial for each in stated]
    assert {frozenset({"MX-root-ana-1", "MX-root-eva-1"})} == {each.signed_with for each in stated}


def test_certify_goes_on_from_earlier_serials(mexico: Ceremony, cli: Cli) -> None:
    """A register of one's own goes on where it ended."""
    root = mexico.root()
    public = _public(mexico, cli, "agency", "--for", "MX/fiscalia")
    first = mexico.folder / "first.draft"
    cli("keys", "certify", public, "--root", root, "-o", first, "--yes", "--serial", 41)
    mexico.sign(first, "ana", "luis")

    ran = cli(
        *("keys", "certify", public, "--root", root, "--after", mexico.finish(first)),
        *("-o", mexico.folder / "second.draft", "--yes", "--json"),
    )

    assert [each["serial"] for each in ran.lines] == [42]


@pytest.mark.parametrize(
    ("purpose", "arguments"),
    [
        (("agency", "--for", "GT/fiscalia"), ()),
        (("agency", "--for", "MX/fiscalia"), ("--days", "401")),
        (("root", "--for", "MX", "--label", "ana"), ()),
    ],
)
def test_certify_drafts_nothing_that_no_gateway_would_take(
    mexico: Ceremony, cli: Cli, purpose: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    """Another country's key, too long a life, a root's key: refused before anybody signs."""
    root = mexico.root()
    public = _public(mexico, cli, *purpose)
    draft = mexico.folder / "statements.draft"

    ran = cli("keys", "certify", public, "--root", root, "-o", draft, "--yes", *arguments)

    assert ran.code == 6
    assert not draft.exists()


def test_certify_needs_a_yes(mexico: Ceremony, cli: Cli) -> None:
    """Nobody certifies by accident what they have not compared."""
    root = mexico.root()
    public = _public(mexico, cli, "agency", "--for", "MX/fiscalia")

    ran = cli("keys", "certify", public, "--root", root, "-o", mexico.folder / "x")

    assert ran.code == 2
    assert "--yes" in ran.err
    assert not (mexico.folder / "x").exists()


def test_new_administrator_says_who_it_is(mexico: Ceremony, cli: Cli) -> None:
    """The public line carries the person; without a person there is no such key."""
    public = _public(mexico, cli, "administrator", "--for", "MX", "--label", "ana")

    unnamed = cli(
        *("keys", "new", "administrator", "-o", mexico.folder / "k"),
        *("--passphrase-file", mexico.passphrase),
    )

    line = json.loads(public.read_text())
    assert (line["kid"], line["use"]) == ("MX-admin-ana-1", "administration")
    assert line["holder"] == {"administrator": "ana"}
    assert unnamed.code == 2
    assert "--label" in unnamed.err


def test_ceremony_serves_the_exchange_itself(tmp_path: Path, cli: Cli, passphrase: Path) -> None:
    """Receipt and token keys are stated by the exchange's own root."""
    exchange = Ceremony(folder=tmp_path, cli=cli, passphrase=passphrase, owner="GW")
    root = exchange.root()
    public = _public(exchange, cli, "receipt", "token")
    draft = tmp_path / "statements.draft"
    assert cli("keys", "certify", public, "--root", root, "-o", draft, "--yes").code == 0

    exchange.sign(draft, "luis", "eva")
    finished = exchange.finish(draft)

    roots = {Exchange.GATEWAY: RootChain((verify_first(root.read_text().strip()),))}
    stated = [verify(token, roots=roots) for token in finished.read_text().split()]
    assert [each.holder.name for each in stated] == ["receipts", "tokens"]


def test_certify_and_finish_refuse_an_expired_root(mexico: Ceremony, cli: Cli) -> None:
    """It makes no new statement, whoever signs."""
    kit = Kit(owner=Country.MEXICO, now=datetime.now(UTC) - timedelta(days=1100))
    root, draft = mexico.folder / "root.json", mexico.folder / "statements.draft"
    root.write_text(kit.root.token + "\n")
    kit.state(
        Holder.agency(Country.MEXICO, "fiscalia"), KeyUse.MESSAGE_SIGNATURE, kit.root.holders[0].key
    )
    draft.write_text(f"{kit.root.token}\n{kit.statements[-1]}\n")
    public = _public(mexico, cli, "agency", "--for", "MX/fiscalia")

    certified = cli("keys", "certify", public, "--root", root, "-o", mexico.folder / "x", "--yes")
    finished = cli("keys", "ceremony", "finish", draft, "-o", mexico.folder / "y")

    assert (certified.code, finished.code) == (6, 6)
    assert "has expired" in certified.err
    assert "has expired" in finished.err
    assert not (mexico.folder / "x").exists()
    assert not (mexico.folder / "y").exists()

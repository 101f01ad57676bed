"""What is let into the ledger counts there; all of it, or nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.cli.admin import statements
from broker.sandbox.countries import CountryKit
from broker.sandbox.kits import APPROVED
from keys import root as roots
from keys.act_kind import ActKind
from keys.algorithms import SignatureAlgorithm
from keys.holder import Holder
from keys.key import KeyUse, SigningKey
from keys.root import Root, RootHolder, RootTerms
from keys.statement import StatementTerms, issue, read
from tests.cli.conftest import Cli
from tests.cli.office import DAY, HOUR, Office, clock_off_by, open_office

Make = Callable[[CountryKit], list[str]]


@pytest.fixture
def office(tmp_path: Path, cli: Cli, ledger: str, passphrase: Path) -> Office:
    """Open the office."""
    return open_office(tmp_path, cli, ledger, passphrase)


def _terms(kit: CountryKit, key: SigningKey | None = None, **changed: object) -> StatementTerms:
    terms = StatementTerms(
        holder=Holder.agency(kit.country, "fiscalia"),
        use=KeyUse.MESSAGE_SIGNATURE,
        key=(key or kit.signing("fiscalia-sign-1")).public,
        not_before=kit.now,
        not_after=kit.now + 365 * DAY,
        serial=100,
        issued=kit.now,
    )
    return replace(terms, **changed)  # type: ignore[arg-type] # a table of changes


def _state(kit: CountryKit, **changed: object) -> list[str]:
    return [issue(_terms(kit, **changed), signers=kit.signers)]  # type: ignore[arg-type]


def _root_terms(root: Root, **changed: object) -> RootTerms:
    terms = RootTerms(
        owner=root.owner,
        version=root.version + 1,
        threshold=root.threshold,
        holders=root.holders,
        first_serial=50,
        issued=root.issued + HOUR,
        expires=root.expires,
    )
    return replace(terms, **changed)  # type: ignore[arg-type] # a table of changes


def _next_root(kit: CountryKit, **changed: object) -> str:
    return roots.sign(_root_terms(kit.root, **changed), kit.signers)


def test_statements_are_added_with_acts_and_a_new_root(office: Office) -> None:
    """A root, a statement that it makes, and acts go in by one call, and are listed."""
    kit = office.guatemala

    now = datetime.now(UTC)
    acts = kit.decide(ActKind.ACTIVATE, keys=kit.desk_keys, at=(now, now))
    ran = office.add([_next_root(kit), *_state(kit), *acts])

    assert ran.code == 0, ran.err
    assert [each["what"] for each in ran.lines] == ["root", "statement", "act", "act"]
    listed = office.run("admin", "list")
    assert listed.code == 0
    assert [each["what"] for each in listed.lines[-4:]] == ["root", "statement", "act", "act"]


def test_statements_that_are_there_already_change_nothing(office: Office) -> None:
    """An operator who is not sure runs the command again."""
    before = office.documents()

    ran = office.add(office.guatemala.statements)

    assert (ran.code, ran.lines) == (0, [])
    assert office.documents() == before


def _old_serial(kit: CountryKit) -> list[str]:
    key = kit.signing("fiscalia-sign-1")
    first = issue(_terms(kit, key), signers=kit.signers)
    return [first, issue(replace(read(first), serial=99), signers=kit.signers)]


def _old_serial_of_holder(kit: CountryKit) -> list[str]:
    return [*_state(kit), *_state(kit, key=kit.signing("fiscalia-sign-2"), serial=100)]


def _taken_name(kit: CountryKit) -> list[str]:
    return [*_state(kit), *_state(kit, key=kit.signing("fiscalia-sign-1"), serial=101)]


def _one_signer(kit: CountryKit) -> list[str]:
    return [issue(_terms(kit), signers=kit.signers[:1])]


def _unknown_holder(kit: CountryKit) -> list[str]:
    return [issue(_terms(kit), signers=[kit.signers[0], kit.signing("root-otro")])]


def _holder_who_left(kit: CountryKit) -> list[str]:
    came = kit.signing("root-nueva")
    holders = (*kit.root.holders[1:], RootHolder(name="nueva", key=came.public))
    terms = _root_terms(kit.root, holders=holders)
    signed = roots.sign(terms, [*kit.holders, came])
    return [signed, issue(_terms(kit), signers=kit.holders[:2])]


def _older_root(kit: CountryKit) -> list[str]:
    return [_next_root(kit), *_state(kit, serial=49)]


REFUSED: dict[str, tuple[Make, str]] = {
    "old serial of the key": (_old_serial, "old version"),
    "old serial of the holder": (_old_serial_of_holder, "old version"),
    "serial of an older root": (_older_root, "old version"),
    "name of another key": (_taken_name, "another key has this name"),
    "too long a life": (lambda kit: _state(kit, not_after=kit.now + 401 * DAY), "400 days"),
    "over already": (
        lambda kit: _state(kit, not_before=kit.now - 2 * DAY, not_after=kit.now - DAY),
        "over already",
    ),
    "dated an hour ahead": (lambda kit: _state(kit, issued=kit.now + HOUR), "yet to come"),
    "a root dated an hour ahead": (
        lambda kit: [_next_root(kit, issued=kit.now + HOUR)],
        "yet to come",
    ),
    "one signature": (_one_signer, "enough holders"),
    "unknown holder": (_unknown_holder, "enough holders"),
    "a holder who left": (_holder_who_left, "enough holders"),
    "a root that skips a version": (
        lambda kit: [roots.sign(_root_terms(kit.root, version=3), kit.signers)],
        "version 2",
    ),
    "the root again": (
        lambda kit: [_next_root(kit), _next_root(kit, first_serial=60)],
        "version 3",
    ),
    "a root that one signed": (
        lambda kit: [roots.sign(_root_terms(kit.root), kit.signers[:1])],
        "too few holders",
    ),
    "an expired root": (
        lambda kit: [_next_root(kit, expires=kit.now - HOUR)],
        "expired",
    ),
    "a root for too long": (
        lambda kit: [_next_root(kit, expires=kit.now + 2000 * DAY)],
        "1095 days",
    ),
    "an act on another's pair": (
        lambda kit: [kit.alone(ActKind.CLOSE, at=kit.now, pairs=["MX.HN.judicial"])],
        "other countries",
    ),
    "truncated": (lambda kit: [_state(kit)[0][:-40]], "malformed"),
    "nonsense": (lambda _: ["nonsense"], "not signed by an administrator"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_statements_are_refused_that_would_not_count(office: Office, name: str) -> None:
    """Status 6, a text that says what to do, and of the whole file nothing is added."""
    make, said = REFUSED[name]
    before = office.documents()

    ran = office.add(make(office.guatemala))

    assert ran.code == 6
    assert said in ran.err
    assert office.documents() == before


def test_statements_of_an_expired_root_are_refused(
    tmp_path: Path, cli: Cli, ledger: str, passphrase: Path
) -> None:
    """Also one that is dated back: whoever has the old keys could write any date."""
    office = open_office(tmp_path, cli, ledger, passphrase)
    kit = office.guatemala
    ends = kit.now - HOUR
    expired = roots.sign(
        _root_terms(kit.root, version=1, first_serial=1, issued=kit.root.issued, expires=ends),
        kit.signers,
    )
    (tmp_path / "roots.json").write_text('{"GT":' + expired + "}")

    ran = office.add(_state(kit, issued=kit.now - DAY))

    assert ran.code == 6
    assert "has expired" in ran.err


def test_statements_of_an_unpinned_country_are_refused(office: Office) -> None:
    """The text says what to pin."""
    (office.folder / "roots.json").write_text("{}")

    ran = office.add(_state(office.guatemala))

    assert ran.code == 6
    assert "keys pin" in ran.err


@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_statements_are_refused_when_this_clock_is_an_hour_off(
    office: Office, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    """They count from when they came; nothing is added before the clock is set."""
    before = office.documents()
    monkeypatch.setattr(statements, "datetime", clock_off_by(off))

    ran = office.add(_state(office.guatemala))

    assert ran.code == 2
    assert "set the one that is wrong" in ran.err
    assert office.documents() == before


def test_statements_are_refused_when_others_may_write_the_roots(office: Office) -> None:
    """Pins that anybody can change pin nothing."""
    (office.folder / "roots.json").chmod(0o666)

    ran = office.add(_state(office.guatemala))

    assert ran.code == 2
    assert "0666" in ran.err


def test_statements_are_held_against_the_decided_policy(office: Office) -> None:
    """An algorithm that two owners ruled out makes no new key."""
    kit, exchange = office.guatemala, office.exchange
    policy = {"uses": {"message_signature": {"algorithms": ["Ed25519"]}}}
    proposal, _ = exchange.decide(ActKind.POLICY, policy=policy)  # type: ignore[arg-type]
    approval = kit.approve(proposal, by="ana", at=kit.now - APPROVED)
    office.decided((proposal, approval))
    key = SigningKey.generate(SignatureAlgorithm.ES256, kit.signing("fiscalia-sign-1").kid)

    ran = office.add(_state(kit, key=key))

    assert ran.code == 6
    assert "must be Ed25519" in ran.err

"""A policy is tried before anybody decides on it, and decided on by two."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from broker.admission.policy import STANDARD_POLICY
from broker.sandbox.kits import APPROVED
from keys.act_kind import ActKind
from keys.strict_json import JsonObject
from schemas import examples
from schemas.vocabulary import Kind
from tests.cli.conftest import Cli
from tests.cli.office import DESK, QUEUE, Office, open_office

STANDARD = Path(__file__).parents[2] / "broker" / "admission" / "policy.toml"


@pytest.fixture
def office(tmp_path: Path, cli: Cli, ledger: str, passphrase: Path) -> Office:
    """Open the office."""
    return open_office(tmp_path, cli, ledger, passphrase)


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    """The standard policy with some words changed."""
    text = STANDARD.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = folder / "safeguards.toml"
    file.write_text(text, encoding="utf-8")
    return file


NEXT = ("version = 1", "version = 2")
CLOSED = ('prosecution = ["intelligence", "judicial", "protection"]', 'prosecution = ["judicial"]')


def test_show_prints_the_standard_policy_when_no_directory_is_named(cli: Cli) -> None:
    """What ships is what is read."""
    ran = cli("policy", "show", "--json")

    assert ran.code == 0
    assert ran.lines == [STANDARD_POLICY.to_json()]
    assert json.loads(cli("policy", "show").out) == STANDARD_POLICY.to_json()
    assert STANDARD_POLICY.to_json()["version"] == tomllib.loads(STANDARD.read_text())["version"]


def test_check_shows_what_a_policy_closes(tmp_path: Path, cli: Cli) -> None:
    """Every kind that the prosecution no longer sends, on each of the 110 ordered pairs."""
    ran = cli("policy", "check", written(tmp_path, NEXT, CLOSED), "--json")

    assert ran.code == 0
    assert {(row["change"], row["table"], row["what"]) for row in ran.lines} == {
        ("closed", "sends", "prosecution > intelligence"),
        ("closed", "sends", "prosecution > protection"),
    }
    closed = 110 * sum(len(row["codes"]) for row in ran.lines)
    assert f"opens 0 and closes {closed} of 30030 ways" in ran.err


@pytest.mark.parametrize(
    ("change", "table", "what"),
    [
        (
            (
                '[reads]\npolice_intelligence = ["intelligence", "judicial"]',
                '[reads]\npolice_intelligence = ["judicial"]',
            ),
            "reads",
            "police_intelligence",
        ),
        (('required = ["protection"]', "required = []"), "readers", ""),
        (
            ('"victim_protection", "child_protection"]\n\n#', '"victim_protection"]\n\n#'),
            "purposes",
            "protection",
        ),
        (('"title" = 120', '"title" = 60'), "words", "title"),
        (
            ('civil_society = ["protection-referral"]', "civil_society = []"),
            "reads_addressed",
            "civil_society",
        ),
        (('recall = ["intelligence", ', "recall = ["), "sends", "prosecution > intelligence"),
    ],
)
def test_check_shows_each_table_that_changes(
    change: tuple[str, str], table: str, what: str, tmp_path: Path, cli: Cli
) -> None:
    """Nothing of a policy changes unseen."""
    ran = cli("policy", "check", written(tmp_path, NEXT, change), "--json")

    assert ran.code == 0, ran.err
    assert (table, what) in {(row["table"], row["what"]) for row in ran.lines}
    assert {row["table"] for row in ran.lines} == {table}


def test_check_says_that_dropping_a_consent_opens(tmp_path: Path, cli: Cli) -> None:
    """Nobody votes for it in the belief that it closes: use without consent, source with."""
    changed = written(tmp_path, NEXT, ('purposes = ["prosecution"]', "purposes = []"))

    ran = cli("policy", "check", changed, "--json")

    assert {(row["change"], row["table"], row["what"]) for row in ran.lines} == {
        ("opened", "consent", "use"),
        ("closed", "consent", "source"),
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ('kinds]\nroute-report = ["intelligence", "judicial"]', "kinds]"),
            "kinds: lacks route-report",
        ),
        (
            ('child_protection = ["protection"]', 'child_protection = ["gossip"]'),
            "something unknown",
        ),
        (("[words]", "[extra]\n[words]"), "a member that no policy has"),
        (('migration_control = ["intelligence"]', 'migration_control = ["protection"]'), "SG-02"),
        (('protection-referral = ["protection"]', 'protection-referral = ["judicial"]'), "SG-01"),
        (('"title" = 120', '"title" = 9000'), "words"),
        (("version = 1", 'version = "2"'), "version"),
        (("[words]", "[words"), "TOML"),
    ],
)
def test_check_refuses_what_is_no_policy(
    change: tuple[str, str], said: str, tmp_path: Path, cli: Cli
) -> None:
    """Incomplete, unknown or what no policy may allow: the text names the member."""
    ran = cli("policy", "check", written(tmp_path, change))

    assert ran.code != 0
    assert said in ran.err


def test_check_refuses_a_version_that_does_not_rise(tmp_path: Path, cli: Cli) -> None:
    """Going back to an older policy is a new version, too."""
    ran = cli("policy", "check", written(tmp_path))

    assert ran.code == 6
    assert "not above 1" in ran.err


def test_check_refuses_a_version_after_which_none_could_follow(tmp_path: Path, cli: Cli) -> None:
    """Nobody numbers a policy so that there is no next one."""
    ran = cli("policy", "check", written(tmp_path, ("version = 1", "version = 1002")))

    assert ran.code == 6
    assert "far above 1" in ran.err


def message(folder: Path, **changes: Any) -> Path:
    """A judicial request of Mexico's prosecution."""
    example = next(examples.accepted(Kind.JUDICIAL_REQUEST)).message
    file = folder / "message.json"
    document = {
        **example,
        "from": {"country": "MX", "agency": "fgr"},
        "to": {"countries": ["GT", "HN"], "compartment": "judicial"},
        **changes,
    }
    file.write_text(json.dumps(document))
    return file


def with_agency(office: Office, *more: tuple[str, str]) -> None:
    """Register Mexico's prosecution, and open its road to Guatemala's judicial desk."""
    ran = office.cli(
        "admin",
        "agency",
        "add",
        "MX/fgr",
        "--function",
        "prosecution",
        "--name",
        "Fiscalía",
        "--ledger-url",
        office.ledger,
    )
    assert ran.code == 0, ran.err
    kit = office.exchange
    office.decided(kit.decide(ActKind.OPEN, pairs=(QUEUE,)), *more)


def test_explain_names_the_rule_of_each_recipient(office: Office) -> None:
    """One is allowed by its open road, the other has no desk; then a policy denies the first."""
    with_agency(office)
    file = message(office.folder)

    ran = office.run("policy", "explain", file)

    assert ran.code == 4, ran.err
    by_recipient = {row["recipient"]: (row["verdict"], row["rule"]) for row in ran.lines}
    assert by_recipient == {
        str(DESK): ("allowed", "open-pair"),
        "HN": ("denied", "open-pair"),
    }

    stricter = written(
        office.folder,
        NEXT,
        ('prosecution = ["intelligence", "judicial", "protection"]', "prosecution = []"),
    )
    tried = office.run("policy", "explain", file, "--policy", stricter)
    assert {(row["rule"], row["code"]) for row in tried.lines} == {
        ("SG-02", "compartment-denied"),
        ("open-pair", "recipient-unknown"),
    }


def test_explain_works_offline_on_a_snapshot(office: Office) -> None:
    """A file of the directory and the pinned roots are enough; earlier messages are unknown."""
    with_agency(office)
    snapshot = office.folder / "directory.json"
    snapshot.write_bytes(office.snapshot())
    file = message(
        office.folder,
        to={"countries": ["GT"], "compartment": "judicial"},
        lineage=["01950260-5c00-7a00-8a00-000000000260"],
    )

    ran = office.cli(
        "policy",
        "explain",
        file,
        "--directory",
        snapshot,
        "--roots",
        office.folder / "roots.json",
        "--json",
    )

    assert ran.code == 0, ran.err
    assert [row["verdict"] for row in ran.lines] == ["allowed"]
    assert "SG-05, SG-11 and SG-13 were not asked" in ran.err
    by_ledger = office.run("policy", "explain", file)
    assert [row["code"] for row in by_ledger.lines] == ["reference-unknown"]


def test_explain_asks_for_the_ledger_where_something_is_taken_back(office: Office) -> None:
    """A recall goes where its message went, and only the ledger knows where that was."""
    with_agency(office)
    snapshot = office.folder / "directory.json"
    snapshot.write_bytes(office.snapshot())
    body = {"of": "01950260-5c00-7a00-8a00-000000000260", "reason": "no_longer_needed"}
    file = message(office.folder, kind="recall", body=body)
    roots = office.folder / "roots.json"

    ran = office.cli("policy", "explain", file, "--directory", snapshot, "--roots", roots)
    by_ledger = office.run("policy", "explain", file)

    assert ran.code == 6
    assert "--ledger-url" in ran.err
    assert [(row["recipient"], row["rule"], row["code"]) for row in by_ledger.lines] == [
        (None, "SG-07", "recall-denied")
    ]


def test_explain_judges_as_sealed_by_the_origin_when_asked_to(office: Office) -> None:
    """Words are counted by the standard policy then, as the gateway does."""
    with_agency(office)
    file = message(office.folder, to={"countries": ["GT"], "compartment": "judicial"})

    ran = office.run("policy", "explain", file, "--seal")

    assert [row["verdict"] for row in ran.lines] == ["allowed"]


def test_explain_refuses_what_is_no_message(office: Office) -> None:
    """Faults come before rules."""
    ran = office.run("policy", "explain", message(office.folder, urgency="soon"))

    assert ran.code == 6


def decided(office: Office, policy: JsonObject) -> tuple[str, str]:
    """Let the exchange have proposed a policy, and Guatemala approved it, long ago."""
    proposal, _ = office.exchange.decide(ActKind.SAFEGUARDS, policy=policy)
    kit = office.guatemala
    approval = kit.approve(proposal, by=next(iter(kit.administrators)), at=kit.now - APPROVED)
    return proposal, approval


def test_safeguards_are_proposed_by_one_and_approved_by_another_owner(office: Office) -> None:
    """The whole policy stands in the act; until the time-lock is over the old one counts."""
    file = written(office.folder, NEXT, CLOSED)

    ran = office.act(office.exchange, "ana", "admin", "safeguards", "propose", file, "--yes")

    assert ran.code == 0, ran.err
    (row,) = ran.lines
    assert (row["act"], row["state"]) == ("safeguards", "proposed")
    own = office.act(office.exchange, "luis", "admin", "approve", "--yes", "--", row["id"])
    assert own.code == 6
    name = next(iter(office.guatemala.administrators))
    ran = office.act(office.guatemala, name, "admin", "approve", "--yes", "--", row["id"])
    assert ran.code == 0, ran.err
    assert ran.lines[0]["state"] == "locked"
    assert office.run("policy", "show").lines == [STANDARD_POLICY.to_json()]


def test_safeguards_are_in_force_when_the_time_lock_is_over(office: Office) -> None:
    """Then a policy with the same version is refused, also as a proposal."""
    file = written(office.folder, NEXT, CLOSED)
    policy = {**STANDARD_POLICY.to_json(), "version": 2}
    kit = office.exchange
    office.decided(decided(office, policy))

    assert [row["version"] for row in office.run("policy", "show").lines] == [2]
    ran = office.act(kit, "ana", "admin", "safeguards", "propose", file, "--yes")
    assert ran.code != 0
    assert "not above 2" in ran.err


def test_everything_is_denied_when_an_unreadable_policy_was_decided(office: Office) -> None:
    """Nobody could say what was meant, so nothing goes."""
    with_agency(office, decided(office, {"version": 2}))

    shown = office.run("policy", "show")
    assert shown.code == 7
    assert "Everything is denied" in shown.err
    assert office.run("policy", "check").code == 6
    ran = office.run("policy", "explain", message(office.folder))
    assert "policy" in {row["rule"] for row in ran.lines}

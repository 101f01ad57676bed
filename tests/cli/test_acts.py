"""Administrators act: one takes away, two give, and nothing is written that does not count."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from broker.cli.admin import acting
from keys.act_kind import ActKind
from tests.cli.conftest import Cli
from tests.cli.office import DAY, DESK, HOUR, QUEUE, Office, clock_off_by, open_office


@pytest.fixture
def office(tmp_path: Path, cli: Cli, ledger: str, passphrase: Path) -> Office:
    """Open the office."""
    return open_office(tmp_path, cli, ledger, passphrase)


def test_pair_opens_when_two_agree_and_the_time_lock_is_over(office: Office) -> None:
    """Proposed by one, approved by another, locked until tomorrow."""
    proposed = office.act(office.exchange, "ana", "admin", "pair", "open", "MX", DESK, "--yes")
    assert proposed.code == 0, proposed.err
    (row,) = proposed.lines
    assert (row["state"], row["what"]) == ("proposed", QUEUE)
    assert row["id"] in proposed.err

    approved = office.act(office.exchange, "luis", "admin", "approve", "--yes", "--", row["id"])

    assert approved.code == 0, approved.err
    assert approved.lines[0]["state"] == "locked"
    assert approved.lines[0]["approved_by"] == "GW/administrator/luis"
    assert "admin cancel" in approved.err


def test_approve_is_refused_to_who_proposed(office: Office) -> None:
    """Nobody approves his own act, and nothing is written."""
    ran = office.act(office.exchange, "ana", "admin", "pair", "open", "MX", DESK, "--yes")
    before = office.documents()

    again = office.act(
        office.exchange, "ana", "admin", "approve", "--yes", "--", ran.lines[0]["id"][:10]
    )

    assert again.code == 6
    assert "own act" in again.err
    assert office.documents() == before


def test_cancel_stops_what_is_locked(office: Office) -> None:
    """Whoever sees a mistake in time undoes it alone."""
    ran = office.act(office.exchange, "ana", "admin", "pair", "open", "MX", DESK, "--yes")
    name = ran.lines[0]["id"]
    office.act(office.exchange, "luis", "admin", "approve", "--yes", "--", name)

    cancelled = office.act(office.exchange, "ana", "admin", "cancel", "--", name)

    assert cancelled.lines[0]["state"] == "cancelled"


def test_suspend_takes_effect_at_once_and_asks_for_a_second(office: Office) -> None:
    """One person, no question, and the text says what must follow."""
    ran = office.act(
        office.guatemala, "ana", "keys", "suspend", office.desk_key, "--reason", "lost"
    )

    assert ran.code == 0, ran.err
    (row,) = ran.lines
    assert (row["state"], row["reason"]) == ("to-ratify", "lost")
    assert "admin approve" in ran.err


def test_lift_and_activate_are_proposals(office: Office) -> None:
    """Both need a second person."""
    office.act(office.guatemala, "ana", "keys", "suspend", office.desk_key, "--reason", "lost")

    lifted = office.act(office.guatemala, "ana", "keys", "lift", office.desk_key, "--yes")
    activated = office.act(office.guatemala, "ana", "keys", "activate", office.desk_key, "--yes")

    assert [lifted.lines[0]["state"], activated.lines[0]["state"]] == ["proposed", "proposed"]
    fingerprints = [each for each in activated.err.split() if each.count("-") == 7]
    assert len(fingerprints) == 1


def test_proposals_need_a_yes(office: Office) -> None:
    """Without somebody who compares, nothing is signed."""
    before = office.documents()

    ran = office.act(office.guatemala, "ana", "keys", "activate", office.desk_key)

    assert ran.code == 2
    assert "--yes" in ran.err
    assert office.documents() == before


def test_compromise_lists_what_is_touched(office: Office) -> None:
    """Here nothing was sent yet, and the answer says so."""
    ran = office.act(
        *(office.guatemala, "ana", "keys", "compromise", office.desk_key),
        *("--since", "2026-01-01T00:00:00Z", "--reason", "stolen"),
    )

    assert ran.code == 0, ran.err
    assert [each["act"] for each in ran.lines] == ["compromise"]
    assert "0 copies" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "suspend", "MX-nobody-1", "--reason", "lost"), "no key of this name"),
        (("keys", "suspend", "GW-receipt-1", "--reason", "lost"), "another owner"),
        (("admin", "approve", "--yes", "AAAAAAAA"), "0 acts begin so"),
        (("admin", "pair", "close", "MX", "HN.judicial"), "other countries"),
    ],
)
def test_acts_are_refused_that_would_not_count(
    office: Office, arguments: tuple[str, ...], said: str
) -> None:
    """Status 6, a text that says why, and nothing written."""
    before = office.documents()

    ran = office.act(office.guatemala, "ana", *arguments)

    assert ran.code == 6
    assert said in ran.err
    assert office.documents() == before


def test_acts_are_refused_to_a_key_that_is_no_administrators(office: Office, cli: Cli) -> None:
    """An unstated key signs nothing here."""
    file = office.folder / "other.key"
    secret = ("--passphrase-file", office.passphrase)
    cli("keys", "new", "administrator", "--for", "GT", "--label", "eva", "-o", file, *secret)
    before = office.documents()

    ran = office.run("keys", "suspend", office.desk_key, "--reason", "lost", "--as", file, *secret)

    assert ran.code == 6
    assert "administrator" in ran.err
    assert office.documents() == before


@pytest.mark.parametrize("fault", ["passphrase", "mode", "truncated"])
def test_acts_are_refused_when_the_key_file_does_not_open(office: Office, fault: str) -> None:
    """A wrong passphrase, a file that others may read, half a file: nothing is written."""
    file = office.key_file(office.guatemala, "ana")
    before = office.documents()
    if fault == "passphrase":
        office.passphrase.write_text("wrong\n")
    elif fault == "mode":
        file.chmod(0o644)
    else:
        file.write_bytes(file.read_bytes()[:-20])

    ran = office.act(
        office.guatemala, "ana", "keys", "suspend", office.desk_key, "--reason", "lost"
    )

    assert ran.code == 2
    assert office.documents() == before


@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
@pytest.mark.parametrize("kind", ["suspend", "activate"])
def test_acts_are_refused_when_this_clock_is_an_hour_off(
    office: Office, monkeypatch: pytest.MonkeyPatch, kind: str, off: timedelta
) -> None:
    """Else a suspension would begin in an hour, or a time-lock end an hour too soon."""
    before = office.documents()
    monkeypatch.setattr(acting, "datetime", clock_off_by(off))

    arguments = ("--reason", "lost") if kind == "suspend" else ("--yes",)
    ran = office.act(office.guatemala, "ana", "keys", kind, office.desk_key, *arguments)

    assert ran.code == 2
    assert "set the one that is wrong" in ran.err
    assert office.documents() == before


def test_acts_stop_nobody_when_one_is_dated_ahead(office: Office) -> None:
    """Else one administrator, with a wrong clock or on purpose, would keep all from deciding."""
    kit = office.guatemala
    ahead = kit.alone(ActKind.SUSPEND, at=kit.now + 100 * DAY, keys=[kit.desk_keys[0]])
    assert office.add([ahead]).code == 0

    ran = office.act(office.exchange, "ana", "admin", "pair", "open", "MX", DESK, "--yes")

    assert ran.code == 0, ran.err


def test_acts_are_refused_when_this_clock_is_behind(office: Office) -> None:
    """An act came an hour from now: somebody must set a clock."""
    kit = office.guatemala
    ahead = kit.alone(ActKind.SUSPEND, at=kit.now + HOUR, keys=[kit.desk_keys[0]])
    office.record([ahead], at=kit.now + HOUR)
    before = office.documents()

    ran = office.act(office.exchange, "ana", "admin", "pair", "open", "MX", DESK, "--yes")

    assert ran.code == 2
    assert "set the clock" in ran.err
    assert office.documents() == before


def test_acts_ask_for_attention_when_a_second_is_overdue(office: Office) -> None:
    """Status 7 when nobody has agreed within a day."""
    kit = office.guatemala
    old = kit.alone(ActKind.SUSPEND, at=kit.now - 25 * HOUR, keys=[kit.desk_keys[0]])
    office.add([old])

    ran = office.run("admin", "acts")

    assert ran.code == 7
    assert [each["state"] for each in ran.lines] == ["overdue"]


def test_policy_is_proposed_from_a_file(office: Office) -> None:
    """What the file leaves out stays; another owner must agree."""
    file = office.folder / "policy.toml"
    file.write_text('[decisions]\ntime_lock = "48h"\n')

    ran = office.act(office.exchange, "ana", "admin", "policy", "propose", file, "--yes")
    same = office.act(
        office.exchange, "luis", "admin", "approve", "--yes", "--", ran.lines[0]["id"]
    )
    other = office.act(
        office.guatemala, "ana", "admin", "approve", "--yes", "--", ran.lines[0]["id"]
    )

    assert (ran.code, same.code) == (0, 6)
    assert '"time_lock":"48h"' in other.err
    assert other.lines[0]["state"] == "locked"


@pytest.mark.parametrize("text", ["time_lock =", '[decisions]\nlock = "1h"', "[root]\nlife = 3"])
def test_policy_that_is_none_is_refused(office: Office, text: str) -> None:
    """No TOML, an unknown member, a span that is none."""
    file = office.folder / "policy.toml"
    file.write_text(text)

    ran = office.act(office.exchange, "ana", "admin", "policy", "propose", file, "--yes")

    assert ran.code == 6
    assert office.states() == {}


def test_destroy_is_refused_while_a_key_is_in_use(office: Office) -> None:
    """An active key goes only after its successor has come."""
    kit = office.guatemala
    office.decided(kit.acts)
    before = office.documents()

    ran = office.act(kit, "ana", "keys", "destroy", office.desk_key, "--yes")

    assert ran.code == 6
    assert "in use" in ran.err
    assert office.documents() == before


def test_destroy_is_proposed_when_nothing_waits(office: Office) -> None:
    """A key that never received may go when two agree."""
    ran = office.act(office.guatemala, "ana", "keys", "destroy", office.desk_key, "--yes")

    assert ran.code == 0, ran.err
    assert ran.lines[0]["state"] == "proposed"


def test_errors_are_json_for_programs(office: Office) -> None:
    """A refusal has a stable code."""
    ran = office.act(office.guatemala, "ana", "keys", "suspend", "GT-no-1", "--reason", "lost")

    assert json.loads(ran.err.splitlines()[-1])["error"]["code"] == "refused"

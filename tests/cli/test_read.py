"""Nothing is shown to a person before the gateway has noted who reads it and for what."""

import json
from pathlib import Path

import pytest

from broker.desk.profile import Profile
from broker.desk.rewriting import rewrite, tombstone
from tests.cli.conftest import Cli
from tests.desk import world
from tests.desk.world import NOW, HandOverParts
from tests.fakes.gateway import DROP, FakeGateway

ID = world.message_id(1)
PURPOSE = world.document()["purpose"]["code"]


@pytest.fixture
def inbox(as_desk: FakeGateway, tmp_path: Path, cli: Cli) -> Path:
    """An inbox with two messages, kept and not read."""
    for number in (1, 2):
        as_desk.deliver(HandOverParts(number=number, hand_over=number).to_json())
    folder = tmp_path / "inbox"
    folder.mkdir()
    assert cli("subscribe", "--once", "-o", folder).code == 0
    assert as_desk.uses == []
    return folder


def test_read_shows_a_message_once_its_use_is_noted(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """A person sees the message, a program the whole line; both were stated."""
    person = cli("read", ID, "--inbox", inbox, "--reader", "analista de turno")
    program = cli("read", ID, "--inbox", inbox / "inbox.jsonl", "--reader", "indexer", "--json")

    assert (person.code, program.code) == (0, 0), person.err + program.err
    assert json.loads(person.out)["id"] == ID
    assert program.lines[0]["signed_with"] == "MX-fiscalia-1"
    assert as_desk.uses == [(ID, "analista de turno", PURPOSE), (ID, "indexer", PURPOSE)]


def test_read_shows_nothing_when_the_purpose_is_not_allowed(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """Not even the other message that was asked for."""
    as_desk.denied_purposes = {"prosecution"}

    ran = cli(
        "read", ID, world.message_id(2), "--inbox", inbox,
        "--reader", "prosecutor", "--purpose", "prosecution",
    )  # fmt: skip

    assert (ran.code, ran.out) == (4, "")
    assert "purpose-denied" in ran.err


def test_read_shows_nothing_when_the_gateway_is_away(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """Fail closed: what cannot be noted is not read, and nothing is kept for later."""
    as_desk.faults["/v1/uses"].extend([DROP] * 500)

    ran = cli("read", ID, "--inbox", inbox, "--reader", "analyst")

    assert (ran.code, ran.out) == (5, "")
    assert as_desk.uses == []


def test_read_shows_nothing_when_the_desk_does_not_hold_it(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """Fail closed: what is not noted is not read."""
    as_desk.deliveries.clear()

    ran = cli("read", ID, "--inbox", inbox, "--reader", "analyst")

    assert (ran.code, ran.out) == (4, "")
    assert "delivery-unknown" in ran.err


def test_read_asks_who_reads_when_nobody_said_so(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """There is no reader by default, and a person's address is no role."""
    nobody = cli("read", ID, "--inbox", inbox)
    address = cli("read", ID, "--inbox", inbox, "--reader", "ana@pgn.example")

    assert (nobody.code, address.code) == (2, 2)
    assert "--reader ROLE" in nobody.err
    assert as_desk.uses == []


def test_read_finds_nothing_when_the_inbox_does_not_hold_it(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """And nothing is stated about the others."""
    ran = cli("read", ID, world.message_id(9), "--inbox", inbox, "--reader", "analyst")

    assert (ran.code, ran.out) == (3, "")
    assert as_desk.uses == []


def test_subscribe_states_the_use_of_what_it_prints_when_it_knows_who_reads(
    as_desk: FakeGateway, cli: Cli
) -> None:
    """Before it is printed and acknowledged, for the purpose that each message has."""
    as_desk.deliver(HandOverParts(number=1, hand_over=1).to_json())

    ran = cli("subscribe", "--once", "--reader", "analyst")

    assert ran.code == 0, ran.err
    assert [each["id"] for each in ran.lines] == [ID]
    assert as_desk.uses == [(ID, "analyst", PURPOSE)]


def test_subscribe_prints_nothing_when_the_use_is_not_noted(as_desk: FakeGateway, cli: Cli) -> None:
    """Nor does it acknowledge: the message comes again."""
    as_desk.denied_purposes = {PURPOSE}
    as_desk.deliver(HandOverParts(number=1, hand_over=1).to_json())

    ran = cli("subscribe", "--once", "--reader", "analyst")

    assert (ran.code, ran.out) == (4, "")
    assert as_desk.answers == []


def test_subscribe_asks_who_reads_when_it_would_print_to_a_person(
    as_desk: FakeGateway, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes into a pipe is kept by a program; a screen is read."""
    monkeypatch.setattr("broker.cli.subscribe.sys.stdout.isatty", lambda: True)

    ran = cli("subscribe", "--once")

    assert (ran.code, ran.out) == (2, "")
    assert "--reader ROLE" in ran.err
    assert as_desk.answers == []


def test_profile_says_who_reads_when_it_is_written_there(tmp_path: Path) -> None:
    """A desk with one duty does not say so each time."""
    profile = world.desk_profile("https://enlace.example")
    file = Profile(
        gateway=profile.gateway,
        issuer=profile.issuer,
        client_id=profile.client_id,
        subject=profile.subject,
        authentication_key=profile.authentication_key,
        signature_key=profile.signature_key,
        reader="analista de turno",
        purpose="prosecution",
    ).write(tmp_path)

    again = Profile.load(file)

    assert (again.reader, again.purpose) == ("analista de turno", "prosecution")


def test_read_goes_on_when_another_message_was_destroyed(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """A tombstone is no damage: it hides no other message, and there is nothing to read in it."""
    file = inbox / "inbox.jsonl"
    rewrite(file, lambda line: None if line["id"] == ID else tombstone(line, reason="x", at=NOW))

    whole = cli("read", ID, "--inbox", inbox, "--reader", "analyst")
    gone = cli("read", world.message_id(2), "--inbox", inbox, "--reader", "analyst")

    assert (whole.code, gone.code) == (0, 3), whole.err
    assert [each[0] for each in as_desk.uses] == [ID]


def test_read_says_that_a_message_was_rectified(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """Whoever reads what was wrong is told what replaces it."""
    del as_desk
    mark = {"rectification": "r", "replaced_by": "the-new-one", "at": "2026-03-01T12:00:00.000Z"}
    rewrite(inbox / "inbox.jsonl", lambda line: {**line, "superseded": mark})

    ran = cli("read", ID, "--inbox", inbox, "--reader", "analyst")

    assert ran.code == 0
    assert "the-new-one" in ran.err

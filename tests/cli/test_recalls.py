"""`enlace recalls`: open until answered, and destroyed before it is signed."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from broker.cli.exit_codes import ExitCode
from broker.desk.inbox import Inbox
from broker.model.events import EventKind
from schemas.vocabulary import Disposition
from tests.cli.conftest import Cli
from tests.desk import world
from tests.desk.world import HandOverParts
from tests.fakes.gateway import FakeGateway, Fault

SUBJECT = world.message_id(1)
RECALL = HandOverParts(number=2).to_json()
SECRET = "the witness lives in"


def listed(
    gateway: FakeGateway,
    *,
    kind: str = "recall",
    disposition: str | None = None,
    delivery: str = "acknowledged",
) -> dict[str, Any]:
    """Have the gateway list one order."""
    order = {
        "state": "open" if disposition is None else "answered",
        "disposition": disposition,
        "because": None,
        "until": None,
        "answered_at": None if disposition is None else "2026-03-01T12:00:00.000Z",
        "desk_evidence": None,
        "receipt": None,
    }
    document = {
        "number": 7,
        "kind": kind,
        "id": RECALL["id"],
        "origin": RECALL["origin"],
        "of": SUBJECT,
        "recipient": {"country": "GT", "compartment": "intelligence"},
        "content_hash": RECALL["content_hash"],
        "accepted_at": "2026-03-01T12:00:00.000Z",
        "delivery": delivery,
        "order": order,
    }
    for page in ([document], []):
        raw = json.dumps({"recalls": page}).encode()
        gateway.faults["/v1/recalls"].append(Fault(status=200, raw=raw))
    return document


def recorded(gateway: FakeGateway, disposition: Disposition) -> None:
    """Have the gateway record one answer."""
    event = {"kind": EventKind.DISPOSED, "disposition": disposition}
    receipt = HandOverParts(number=2, event=event).to_json()["receipt"]
    result = {"id": RECALL["id"], "disposition": disposition.value, "receipt": receipt}
    raw = json.dumps({"results": [result]}).encode()
    gateway.faults["/v1/dispositions"].append(Fault(status=200, raw=raw))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Have an inbox with the message, and with what took it back."""
    path = tmp_path / "inbox.jsonl"
    line = {
        "id": SUBJECT,
        "hand_over": 1,
        "origin": RECALL["origin"],
        "content_hash": "h" * 43,
        "message": {"body": {"text": SECRET}},
    }
    words = [
        {
            "id": RECALL["id"],
            "hand_over": 2,
            "origin": RECALL["origin"],
            "content_hash": RECALL["content_hash"],
            "message": {"kind": kind, "body": {"of": SUBJECT}},
        }
        for kind in ("recall", "rectification")
    ]
    path.touch(mode=0o600)
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in (line, *words)))
    return path


def first_line(inbox: Path) -> dict[str, Any]:
    """What stands of the message."""
    line: dict[str, Any] = orjson.loads(inbox.read_bytes().splitlines()[0])
    return line


def test_recalls_are_open_until_they_are_answered(as_desk: FakeGateway, cli: Cli) -> None:
    """Status 7 while one waits; 0 when all that there is has its answer."""
    listed(as_desk)
    ran = cli("recalls", "--json")
    assert ran.code == ExitCode.ACTION_NEEDED
    assert (ran.lines[0]["of"], ran.lines[0]["state"]) == (SUBJECT, "open")
    assert ran.lines[0]["delivery"] == "acknowledged"

    listed(as_desk, delivery="not-sealed")
    ran = cli("recalls")
    assert ran.code == ExitCode.ACTION_NEEDED
    assert "not-sealed" in ran.out

    listed(as_desk, disposition="destroyed")
    ran = cli("recalls", "--all")
    assert ran.code == 0
    assert "destroyed" in ran.out


def test_answer_destroys_first_and_then_signs(as_desk: FakeGateway, inbox: Path, cli: Cli) -> None:
    """What is signed is true: the content is gone from the file."""
    listed(as_desk)
    recorded(as_desk, Disposition.DESTROYED)

    ran = cli("recalls", "answer", RECALL["id"], "--destroyed", "--inbox", inbox.parent, "--json")

    assert ran.code == 0, ran.err
    assert ran.lines[0]["disposition"] == "destroyed"
    assert SECRET not in inbox.read_text()
    assert first_line(inbox)["recall"] == RECALL["id"]


def test_answer_destroys_nothing_when_the_recall_itself_did_not_come(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """The gateway's list alone is not the originator's word."""
    inbox.write_bytes(inbox.read_bytes().splitlines()[0] + b"\n")
    listed(as_desk)

    ran = cli("recalls", "answer", RECALL["id"], "--destroyed", "--inbox", inbox.parent)

    assert ran.code == ExitCode.VALIDATION
    assert "only the recall itself" in ran.err
    assert SECRET in inbox.read_text()


@pytest.mark.parametrize(("language", "word"), [("en", "no current key"), ("es", "clave vigente")])
def test_answer_says_whom_to_ask_when_the_recall_was_sealed_without_this_desk(
    as_desk: FakeGateway, inbox: Path, cli: Cli, language: str, word: str
) -> None:
    """Nothing will ever come to its inbox, and the list alone is the gateway's word."""
    inbox.write_bytes(inbox.read_bytes().splitlines(keepends=True)[0])
    listed(as_desk, delivery="not-sealed")

    ran = cli(
        *("recalls", "answer", RECALL["id"], "--destroyed", "--inbox", inbox, "--lang", language)
    )

    assert ran.code != 0
    assert word in ran.err
    assert "MX/fiscalia" in ran.err
    assert SECRET in inbox.read_text()


def test_answer_can_be_repeated_when_the_gateway_was_away(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """Destroyed and not yet said: the same command says it."""
    listed(as_desk)
    as_desk.faults["/v1/dispositions"].append(Fault(status=400, code="request-malformed"))
    assert cli("recalls", "answer", RECALL["id"], "--destroyed", "--inbox", inbox).code != 0
    assert SECRET not in inbox.read_text()
    listed(as_desk)
    recorded(as_desk, Disposition.DESTROYED)

    ran = cli("recalls", "answer", RECALL["id"], "--destroyed", "--inbox", inbox)

    assert ran.code == 0, ran.err


def test_answer_keeps_with_a_reason(as_desk: FakeGateway, inbox: Path, cli: Cli) -> None:
    """Nothing is changed, and the reason goes along."""
    listed(as_desk)
    recorded(as_desk, Disposition.KEPT)
    before = inbox.read_bytes()

    ran = cli("recalls", "answer", RECALL["id"], "--kept", "court_order", "--until", "2027-01-31")

    assert ran.code == 0, ran.err
    assert inbox.read_bytes() == before


def test_answer_marks_what_was_rectified(as_desk: FakeGateway, inbox: Path, cli: Cli) -> None:
    """The message stays and is linked to its rectification."""
    listed(as_desk, kind="rectification")
    recorded(as_desk, Disposition.CORRECTED)

    ran = cli("recalls", "answer", RECALL["id"], "--corrected", "--inbox", inbox)

    assert ran.code == 0, ran.err
    assert first_line(inbox)["superseded"]["rectification"] == RECALL["id"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--destroyed", "--corrected"],
        ["--destroyed"],
        ["--destroyed", "--inbox", "x", "--elsewhere"],
        ["--destroyed", "--elsewhere", "--until", "2027-01-01"],
        ["--kept", "forgot"],
        ["--kept", "court_order", "--until", "tomorrow"],
    ],
)
def test_answer_is_refused_when_it_says_too_little_or_too_much(
    as_desk: FakeGateway, cli: Cli, options: list[str]
) -> None:
    """Usage is told before anything is asked or changed."""
    ran = cli("recalls", "answer", RECALL["id"], *options)

    assert ran.code == ExitCode.USAGE
    assert as_desk.requests == []


def test_answer_is_refused_when_the_inbox_does_not_hold_the_message(
    as_desk: FakeGateway, tmp_path: Path, cli: Cli
) -> None:
    """Nothing is signed for a file that never had it."""
    listed(as_desk)

    ran = cli("recalls", "answer", RECALL["id"], "--destroyed", "--inbox", tmp_path / "other")

    assert ran.code != 0
    assert ("POST", "/v1/dispositions") not in as_desk.requests


def test_answer_is_for_desks_only(as_agency: FakeGateway, cli: Cli) -> None:
    """An agency's profile is told so."""
    ran = cli("recalls", "answer", RECALL["id"], "--destroyed", "--elsewhere")

    assert ran.code == ExitCode.USAGE
    assert as_agency.requests == []


def test_answer_is_refused_while_a_subscription_writes_the_inbox(
    as_desk: FakeGateway, inbox: Path, cli: Cli
) -> None:
    """The person is told who has the file; nothing was changed, nothing signed."""
    listed(as_desk)

    with Inbox(inbox):
        ran = cli("recalls", "answer", RECALL["id"], "--destroyed", "--inbox", inbox)

    assert ran.code == ExitCode.FAILURE
    assert "another subscription" in ran.err
    assert SECRET in inbox.read_text()
    assert ("POST", "/v1/dispositions") not in as_desk.requests

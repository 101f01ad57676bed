"""Sending and receiving, against a gateway that speaks the real wire."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from broker.admission.desk_word import MESSAGE_ID
from broker.model.names import NO_KEY
from tests.cli.conftest import Cli
from tests.desk import world
from tests.desk.world import HandOverParts
from tests.fakes.gateway import FakeGateway, Fault

SENT = {"file", "id", "status", "recipients", "receipt", "error"}


def _write(tmp_path: Path, number: int = 1, **members: object) -> Path:
    file = tmp_path / f"message-{number}.json"
    document = world.document(number, **members)
    file.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))
    return file


def _deliver(gateway: FakeGateway, *numbers: int) -> None:
    for number in numbers:
        gateway.deliver(HandOverParts(number=number, hand_over=number).to_json())


def test_send_keeps_the_receipt_of_each_message(
    as_agency: FakeGateway, tmp_path: Path, cli: Cli
) -> None:
    """One line for each file, with the members that a program relies on."""
    files = [_write(tmp_path, number) for number in range(1, 13)]

    ran = cli("send", *files, "--json", "--jobs", "4")

    assert ran.code == 0, ran.err
    assert all(each.keys() == SENT for each in ran.lines)
    assert {each["id"] for each in ran.lines} == {world.message_id(n) for n in range(1, 13)}
    assert {each["status"] for each in ran.lines} == {"accepted"}
    assert all(re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", each["receipt"]) for each in ran.lines)
    assert len(as_agency.messages) == 12


def test_send_goes_on_after_bad_files_and_tells_the_worst(
    as_agency: FakeGateway, tmp_path: Path, cli: Cli
) -> None:
    """One bad file stops no other; the status says what needs most people."""
    bad = tmp_path / "bad.json"
    bad.write_text('{"id": 1, "id": 2}')

    ran = cli("send", bad, _write(tmp_path), "nope.json", "--json")

    by_file = {Path(each["file"]).name: each for each in ran.lines}
    assert ran.code == 3
    assert by_file["bad.json"]["error"]["errors"] == [
        {"pointer": "/id", "code": "json-duplicate-key"}
    ]
    assert by_file["nope.json"]["error"]["code"] == "file"
    assert by_file["message-1.json"]["status"] == "accepted"
    assert len(as_agency.messages) == 1


def test_send_shows_a_table_to_a_person(as_agency: FakeGateway, tmp_path: Path, cli: Cli) -> None:
    """Who gets it is said by desk; a second time it is known."""
    del as_agency
    file = _write(tmp_path)
    cli("send", file)

    ran = cli("send", file)

    assert "replayed" in ran.out
    assert "GT.intelligence" in ran.out


@pytest.mark.parametrize(
    ("language", "word"), [("en", "no current key"), ("es", "no tiene clave vigente")]
)
def test_send_names_the_desks_that_get_no_copy(
    as_agency: FakeGateway, tmp_path: Path, cli: Cli, language: str, word: str
) -> None:
    """A recall was accepted, and its sender must know whom it could not tell (SG-07)."""
    as_agency.sealed_to, as_agency.says_sealed = NO_KEY, False
    file = _write(tmp_path)

    told = cli("send", file, "--lang", language)
    ran = cli("send", file, "--json")

    assert (told.code, ran.code) == (0, 0)
    assert "GT.intelligence" in told.err
    assert word in told.err
    assert [each["sealed"] for each in ran.lines[0]["recipients"]] == [False]


def test_send_keeps_nothing_on_a_dry_run(as_agency: FakeGateway, tmp_path: Path, cli: Cli) -> None:
    """The recipients are told, and no receipt is made."""
    ran = cli("send", _write(tmp_path), "--dry-run", "--json")

    assert (ran.lines[0]["status"], ran.lines[0]["receipt"]) == ("dry-run", None)
    assert ran.lines[0]["recipients"][0]["country"] == "GT"
    assert as_agency.messages == {}


def test_send_makes_an_id_when_asked(
    as_agency: FakeGateway, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """A message from another program needs neither id nor time of its own."""
    message = {k: v for k, v in world.document().items() if k not in {"id", "created"}}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(message).encode())))

    ran = cli("send", "-", "--new-id", "--json")

    assert ran.code == 0, ran.err
    assert MESSAGE_ID.fullmatch(ran.lines[0]["id"])
    assert len(as_agency.messages) == 1


def test_status_has_the_members_of_the_wire(
    as_agency: FakeGateway, tmp_path: Path, cli: Cli
) -> None:
    """Programs read the same document here as over HTTP; an unknown id is not found."""
    del as_agency
    cli("send", _write(tmp_path))

    ran = cli("status", world.message_id(1), world.message_id(2), "--json")

    assert ran.code == 3
    assert [each["id"] for each in ran.lines] == [world.message_id(1)]
    assert ran.lines[0].keys() == {
        "id",
        "kind",
        "accepted_at",
        "expires",
        "content_hash",
        "receipt",
        "recipients",
    }
    assert "not-found" in ran.err


@pytest.mark.parametrize(
    ("language", "words"), [("en", "found later"), ("es", "hallazgo posterior")]
)
def test_status_shows_rule_and_finding_when_a_desk_told_them(
    as_agency: FakeGateway, cli: Cli, language: str, words: str
) -> None:
    """By which safeguard it came back, and what was found of a copy after its recall; status 7."""
    copy = {"compartment": "intelligence", "changed_at": "2026-11-23T12:00:00Z", "attempts": 1}
    finding = {
        "reason": "content-not-valid",
        "rule": "SG-04",
        "at": "2026-11-23T13:00:00.000Z",
        "desk_evidence": "d.e.f",
        "receipt": "g.h.i",
    }
    ended = {"state": "recalled", "reason": None, "rule": None, "finding": finding}
    refused = {"state": "refused", "reason": "content-not-valid", "rule": "SG-01"}
    answer = {
        "id": world.message_id(1),
        "kind": "route-report",
        "accepted_at": "2026-11-23T12:00:00Z",
        "expires": "2026-12-23T12:00:00Z",
        "content_hash": "A" * 43,
        "receipt": "a.b.c",
        "recipients": [
            {"country": "GT", **copy, **refused},
            {"country": "HN", **copy, **ended},
        ],
    }
    path = f"/v1/messages/{world.message_id(1)}"
    as_agency.faults[path] += [Fault(status=200, raw=json.dumps(answer).encode())] * 2

    shown = cli("status", world.message_id(1), "--lang", language)
    told = cli("status", world.message_id(1), "--json")

    assert (shown.code, told.code) == (7, 7), shown.err
    for word in (words, "SG-01", "content-not-valid (SG-04)"):
        assert word in shown.out
    returned, recalled = told.lines[0]["recipients"]
    assert (returned["rule"], "finding" in returned) == ("SG-01", False)
    assert (recalled["rule"], recalled["finding"]) == (
        None,
        {**finding, "at": "2026-11-23T13:00:00Z"},
    )


def test_queues_counts_what_waits(as_desk: FakeGateway, cli: Cli) -> None:
    """Stable members, a line for each queue."""
    _deliver(as_desk, 1, 2)

    ran = cli("queues", "--json")

    assert ran.code == 0, ran.err
    assert ran.lines[0].keys() == {"queue", "waiting", "leased", "oldest_accepted_at"}


def test_subscribe_prints_verified_messages_and_acknowledges_them(
    as_desk: FakeGateway, cli: Cli
) -> None:
    """So many and no more; what is left waits for the next one."""
    _deliver(as_desk, 1, 2, 3)

    ran = cli("subscribe", "--count", "2")

    assert ran.code == 0, ran.err
    assert [each["id"] for each in ran.lines] == [world.message_id(1), world.message_id(2)]
    assert ran.lines[0]["message"]["kind"] == "route-report"
    assert {each.message_id for each in as_desk.answers} == {
        world.message_id(1),
        world.message_id(2),
    }
    assert ran.err == "2 received, 0 repeated, 0 returned\n"


@pytest.mark.parametrize("is_folder", [True, False])
def test_subscribe_keeps_messages_in_a_private_file(
    is_folder: bool,  # noqa: FBT001 - a case of the test
    as_desk: FakeGateway,
    tmp_path: Path,
    cli: Cli,
) -> None:
    """A second subscription knows what the first one kept."""
    output = tmp_path / "inbox" if is_folder else tmp_path / "kept.jsonl"
    if is_folder:
        output.mkdir()
    _deliver(as_desk, 1)

    assert cli("subscribe", "--count", "1", "--output", output, "--quiet").code == 0
    _deliver(as_desk, 2)
    assert cli("subscribe", "--once", "-o", output, "--json").out == ""

    file = output / "inbox.jsonl" if is_folder else output
    kept = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert kept == [world.message_id(1), world.message_id(2)]
    assert file.stat().st_mode & 0o777 == 0o600


def test_subscribe_returns_what_it_cannot_trust(as_desk: FakeGateway, cli: Cli) -> None:
    """A message under another's signature is neither printed nor acknowledged."""
    forged = HandOverParts(signed_body=b'{"id":"a","kind":"b","version":"c"}')
    as_desk.deliver(forged.to_json())

    ran = cli("subscribe", "--count", "1")

    assert (ran.code, ran.out) == (7, "")
    assert as_desk.answers[0].reason is not None


def test_subscribe_says_what_to_mend_when_the_desk_is_not_ready(
    as_desk: FakeGateway, cli: Cli
) -> None:
    """Earlier messages are printed, nothing is refused, and an administrator reads why."""
    _deliver(as_desk, 1)
    as_desk.deliver(HandOverParts(number=2, hand_over=2, receipt_signer="GW-receipt-2").to_json())

    ran = cli("subscribe", "--once")
    again = cli("subscribe", "--once", "--json", "--lang", "es")

    assert (ran.code, again.code) == (1, 1)
    assert [each["id"] for each in ran.lines] == [world.message_id(1)]
    assert "the receipt is signed by GW-receipt-2, which the root of the exchange" in ran.err
    assert "not-ready" in ran.err
    assert '"code":"not-ready"' in again.err
    assert {each.message_id for each in as_desk.answers} == {world.message_id(1)}
    assert all(each.reason is None for each in as_desk.answers)


def test_send_says_what_to_do_about_a_profile(tmp_path: Path, passphrase: Path, cli: Cli) -> None:
    """A missing profile, then a wrong passphrase: status 2, words, no traceback."""
    missing = cli("send", "x.json", "--profile", tmp_path / "none")
    assert missing.code == 2
    folder = tmp_path / "own"
    gateway = ("--gateway", "https://enlace.example", "--passphrase-file", passphrase)
    cli("profile", "new", folder, "MX/fiscalia", *gateway)
    passphrase.write_text("wrong")

    ran = cli("send", "x.json", "--profile", folder)

    assert ran.code == 2
    assert "passphrase" in ran.err
    assert "Traceback" not in ran.err + missing.err

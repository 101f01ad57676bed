"""Does an inbox keep what it must, and nothing longer? (SG-08)"""

import errno
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from broker.desk.failures import StoreError
from broker.desk.holds import DeskHold, holds_file, read_holds
from broker.desk.inbox import Inbox, read_inbox
from broker.desk.retention import Due, destroy_expired, look
from broker.desk.store import Entry
from broker.desk.wire import ContentRef
from broker.model.names import AgencyRef, ContentHash, HandOverNumber, MessageId
from schemas.vocabulary import Country, LegalHoldReason
from tests.desk.holding import write_hold

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = NOW.date()
FGR = AgencyRef(country=Country.MEXICO, agency="fgr")

PAST, REVIEW, LATER = (MessageId(f"018f0000-0000-7000-8000-00000000000{n}") for n in (1, 2, 3))
SECRET = "the witness lives in"


def entry(number: int, name: MessageId, *, expires: datetime, review_by: datetime) -> Entry:
    """Make a stored message."""
    ref = ContentRef(message_id=name, content_hash=ContentHash(f"h{number}" * 20))
    message = {
        "expires": expires.isoformat(),
        "review_by": review_by.isoformat(),
        "body": {"text": SECRET},
    }
    line = {
        "id": name,
        "hand_over": number,
        "queue": "MX.GT.intelligence",
        "origin": {"country": "MX", "agency": "fgr"},
        "content_hash": ref.content_hash,
        "message": message,
    }
    return Entry(ref=ref, hand_over=HandOverNumber(number), line=orjson.dumps(line))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Have one that has expired, one to review, and one that may stay."""
    path = tmp_path / "inbox.jsonl"
    with Inbox(path) as store:
        store.append(
            [
                entry(1, PAST, expires=NOW, review_by=NOW - DAY),
                entry(2, REVIEW, expires=NOW + DAY, review_by=NOW),
                entry(3, LATER, expires=NOW + DAY, review_by=NOW + DAY),
            ]
        )
    return path


def hold(*, until: date = TODAY, lifted: bool = False) -> DeskHold:
    """Hold the one that has expired."""
    return DeskHold(
        origin=FGR,
        message_id=PAST,
        reason=LegalHoldReason.COURT_ORDER,
        until=until,
        lifted=lifted,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    """Read the inbox."""
    return [orjson.loads(line) for line in read_inbox(path)]


def test_look_lists_what_is_due_and_changes_nothing(inbox: Path) -> None:
    """The dry run: what would go, what waits for a decision."""
    before = inbox.read_bytes()

    found = look(inbox, now=NOW)

    assert [(each.id, each.due) for each in found] == [(PAST, Due.GOES), (REVIEW, Due.REVIEW)]
    assert inbox.read_bytes() == before


def test_destroy_takes_only_what_has_expired(inbox: Path) -> None:
    """A tombstone stays; when the message comes again it is not stored again."""
    assert destroy_expired(inbox, now=NOW) == 1
    assert destroy_expired(inbox, now=NOW) == 0

    first, second, third = lines(inbox)
    assert first["reason"] == "expired"
    assert "message" not in first
    assert SECRET in second["message"]["body"]["text"]
    assert SECRET in third["message"]["body"]["text"]
    with Inbox(inbox) as again:
        assert len(again) == 3


@pytest.mark.parametrize(
    ("held", "goes"),
    [
        (hold(), False),
        (hold(until=NOW.date() - DAY), True),
        (hold(lifted=True), True),
    ],
    ids=["runs", "has ended", "was lifted"],
)
def test_destroy_obeys_a_hold(inbox: Path, held: DeskHold, *, goes: bool) -> None:
    """While it runs nothing of the message goes; the newest word counts."""
    write_hold(inbox, hold(), at=NOW - DAY)
    write_hold(inbox, held, at=NOW)

    assert look(inbox, now=NOW)[0].due is (Due.GOES if goes else Due.HELD)
    assert destroy_expired(inbox, now=NOW) == int(goes)


def test_destroy_stops_when_a_hold_cannot_be_read(inbox: Path) -> None:
    """Perhaps it was the one that keeps this message."""
    write_hold(inbox, hold(), at=NOW)
    with holds_file(inbox).open("ab") as file:
        file.write(b'{"id": 1}\n')

    with pytest.raises(StoreError):
        destroy_expired(inbox, now=NOW)

    assert "message" in lines(inbox)[0]


@pytest.mark.parametrize("ask", [look, destroy_expired])
def test_nothing_is_judged_when_the_last_hold_was_cut(inbox: Path, ask: Any) -> None:
    """Half a hold is one that somebody has given, and that nobody can read."""
    write_hold(inbox, hold(), at=NOW)
    os.truncate(holds_file(inbox), holds_file(inbox).stat().st_size - 9)

    with pytest.raises(StoreError, match="the last line was cut"):
        ask(inbox, now=NOW)
    with pytest.raises(StoreError, match="the last line was cut"):
        write_hold(inbox, hold(), at=NOW)

    assert "message" in lines(inbox)[0]


def test_hold_is_written_whole_when_the_disk_takes_little_at_once(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system call left over is written too."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:9]))

    write_hold(inbox, hold(), at=NOW)

    assert read_holds(inbox) == {(FGR, PAST): hold()}


def test_hold_is_taken_back_when_the_disk_is_full(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gave it is told, and the others are read as before."""
    write_hold(inbox, hold(), at=NOW)
    before = holds_file(inbox).read_bytes()
    write = os.write

    def fill(file: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", fail)
        return write(file, bytes(data)[:9])

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(StoreError):
        write_hold(inbox, hold(lifted=True), at=NOW)

    assert holds_file(inbox).read_bytes() == before


def test_destroy_is_refused_when_a_subscription_writes(inbox: Path) -> None:
    """Two must not write one file."""
    with Inbox(inbox), pytest.raises(StoreError, match="another subscription"):
        destroy_expired(inbox, now=NOW)


def test_look_stops_at_a_line_that_it_cannot_judge(inbox: Path) -> None:
    """It might be the one that must go."""
    with inbox.open("ab") as file:
        file.write(b'{"id": "x", "hand_over": 4, "content_hash": "y"}\n')

    with pytest.raises(StoreError):
        look(inbox, now=NOW)

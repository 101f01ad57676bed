"""Is what a desk says to be destroyed gone from its inbox, whatever happened in between?"""

import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from broker.desk import rewriting, taking_back
from broker.desk.failures import StoreError
from broker.desk.holds import DeskHold, holds_file, read_holds
from broker.desk.inbox import Inbox, read_inbox
from broker.desk.store import Entry
from broker.desk.taking_back import HeldError, NotHeldError, NotProvenError, correct, destroy
from broker.desk.wire import ContentRef
from broker.model.events import DeliveryState
from broker.model.names import (
    AgencyRef,
    ContentHash,
    DeliveryNumber,
    DeskRef,
    HandOverNumber,
    MessageId,
)
from broker.model.status import OrderStatus
from broker.ports.recalls import Order
from schemas.vocabulary import Compartment, Country, Kind, LegalHoldReason
from tests.desk.holding import write_hold

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FGR = AgencyRef(country=Country.MEXICO, agency="fgr")
SUBJECT, RECALL, NEW = (MessageId(f"018f0000-0000-7000-8000-00000000000{n}") for n in (1, 2, 3))
SECRET = "the witness lives in"
ROOT = Path(__file__).parents[2]
OPEN = OrderStatus(
    answered_at=None, disposition=None, because=None, until=None, desk_evidence=None, receipt=None
)
ORDER = Order(
    number=DeliveryNumber(2),
    kind=Kind.RECALL,
    id=RECALL,
    origin=FGR,
    subject=SUBJECT,
    desk=DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE),
    content_hash=ContentHash("h3" * 20),
    accepted_at=NOW,
    state=DeliveryState.ACKNOWLEDGED,
    status=OPEN,
)


def entry(number: int, message_id: str, agency: str = "fgr", **body: Any) -> Entry:
    """Make a stored message."""
    ref = ContentRef(message_id=MessageId(message_id), content_hash=ContentHash(f"h{number}" * 20))
    line = {
        "id": ref.message_id,
        "hand_over": number,
        "queue": "MX.GT.intelligence",
        "origin": {"country": "MX", "agency": agency},
        "content_hash": ref.content_hash,
        "body": SECRET,
        "message": {"kind": "recall", "body": {"text": SECRET, **body}},
    }
    return Entry(ref=ref, hand_over=HandOverNumber(number), line=orjson.dumps(line))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Have a message, another agency's with the same id, and the rectification."""
    path = tmp_path / "inbox.jsonl"
    with Inbox(path) as store:
        store.append(
            [
                entry(1, SUBJECT),
                entry(2, SUBJECT, "inm"),
                entry(3, RECALL, of=SUBJECT, replaced_by=NEW),
            ]
        )
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    """Read the inbox."""
    return [orjson.loads(line) for line in read_inbox(path)]


def names(inbox: Path) -> set[str]:
    """Name the files beside the inbox, and itself."""
    return {each.name for each in inbox.parent.iterdir()}


def test_destroy_leaves_a_tombstone_that_knows_the_message(inbox: Path) -> None:
    """Nothing of the content stays; when it comes again it is not stored a second time."""
    destroy(inbox, ORDER, now=NOW)

    first, second, _ = lines(inbox)
    assert first == {
        "id": SUBJECT,
        "hand_over": 1,
        "queue": "MX.GT.intelligence",
        "origin": {"country": "MX", "agency": "fgr"},
        "content_hash": "h1" * 20,
        "destroyed_at": "2026-03-01T12:00:00.000Z",
        "reason": "recall",
        "recall": RECALL,
    }
    assert SECRET in second["body"]
    assert inbox.stat().st_mode & 0o777 == 0o600
    with Inbox(inbox) as again:
        assert again.holds(entry(1, SUBJECT).ref)
        assert (len(again), again.last_hand_over) == (3, 3)
    assert names(inbox) == {"inbox.jsonl", "inbox.holds.jsonl"}


def test_destroy_changes_nothing_when_it_was_done(inbox: Path) -> None:
    """A command that was killed before its answer is given again."""
    destroy(inbox, ORDER, now=NOW)
    before = inbox.read_bytes()

    destroy(inbox, ORDER, now=datetime(2026, 4, 1, tzinfo=UTC))

    assert inbox.read_bytes() == before


def test_destroy_overwrites_the_old_file(inbox: Path, tmp_path: Path) -> None:
    """What a link, or an open file, still shows of it is empty."""
    link = tmp_path / "old"
    os.link(inbox, link)

    destroy(inbox, ORDER, now=NOW)

    assert set(link.read_bytes()) == {0}


def test_destroy_is_refused_when_a_subscription_writes(inbox: Path) -> None:
    """Two must not write one file: stop the subscription first."""
    with Inbox(inbox), pytest.raises(StoreError, match="another subscription"):
        destroy(inbox, ORDER, now=NOW)

    assert SECRET in inbox.read_text()


def test_open_is_refused_when_the_file_was_replaced_meanwhile(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscription never writes into a file that has lost its name."""
    really_open = os.open

    def open_then_replace(path: Path, flags: int, mode: int = 0o600) -> int:
        descriptor = really_open(path, flags, mode)
        if path == inbox:
            monkeypatch.setattr(os, "open", really_open)
            destroy(inbox, ORDER, now=NOW)
        return descriptor

    monkeypatch.setattr(os, "open", open_then_replace)

    with pytest.raises(StoreError, match="replaced"):
        Inbox(inbox)


def test_destroy_tells_when_the_inbox_does_not_hold_the_message(inbox: Path) -> None:
    """Nobody signs for a file that never had it."""
    with pytest.raises(NotHeldError):
        destroy(inbox, Order(**{**_members(ORDER), "subject": NEW}), now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": NEW},
        {"content_hash": ContentHash("x" * 43)},
        {"kind": Kind.RECTIFICATION},
        {"origin": replace(FGR, agency="inm")},
    ],
    ids=["no recall", "another content", "another kind", "another's message"],
)
@pytest.mark.parametrize("change", [destroy, correct])
def test_nothing_is_changed_when_only_the_gateway_says_that_it_was_recalled(
    inbox: Path, change: Any, wrong: dict[str, Any]
) -> None:
    """Who writes into the ledger, or bends the list, has no evidence destroyed."""
    before = inbox.read_bytes()

    with pytest.raises(NotProvenError):
        change(inbox, replace(ORDER, **wrong), now=NOW)

    assert inbox.read_bytes() == before


def test_nothing_is_destroyed_by_the_recall_of_another_message(inbox: Path) -> None:
    """The recall's own word decides what it takes back."""
    with Inbox(inbox) as store:
        store.append([entry(4, NEW)])

    with pytest.raises(NotProvenError):
        destroy(inbox, replace(ORDER, subject=NEW), now=NOW)


def _members(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in Order.__dataclass_fields__}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_destroy_leaves_the_inbox_whole_when_the_disk_fails(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Either the old file or the new one: never half of one."""
    before = inbox.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(5, "I/O error")

    if step == "fsync":
        monkeypatch.setattr(rewriting.os, "fsync", _fail_second(fail))
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError):
        destroy(inbox, ORDER, now=NOW)
    monkeypatch.undo()

    assert inbox.read_bytes() == before
    destroy(inbox, ORDER, now=NOW)
    assert "destroyed_at" in lines(inbox)[0]


def _fail_second(fail: Any) -> Any:
    # The first two are of opening the inbox; the next one is of the new file.
    real, calls = os.fsync, iter(range(100))
    return lambda descriptor: real(descriptor) if next(calls) < 2 else fail()


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from tests.desk.holding import write_hold
from tests.desk.test_taking_back import NOW, ORDER
from broker.desk import rewriting, taking_back
from broker.desk.taking_back import destroy
point = sys.argv[2]
replace = Path.replace
def die(*a): os._exit(9)
if point == "before":
    Path.replace = die
else:
    rewriting.sync_folder = die
destroy(Path(sys.argv[1]), ORDER, now=NOW)
"""


@pytest.mark.parametrize("point", ["before", "after"])
def test_destroy_can_be_repeated_when_it_was_killed(inbox: Path, point: str) -> None:
    """Killed around the one step that counts, nothing is lost, and the next run ends it."""
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(inbox), point], cwd=ROOT, check=False, timeout=60
    )
    assert ran.returncode == 9
    assert len(lines(inbox)) == 3

    destroy(inbox, ORDER, now=NOW)

    assert "destroyed_at" in lines(inbox)[0]
    assert [each["hand_over"] for each in lines(inbox)] == [1, 2, 3]
    assert names(inbox) == {"inbox.jsonl", "inbox.holds.jsonl"}


def test_destroy_copies_nothing_when_there_is_nothing_to_change(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second copy of the inbox would lie in free blocks, in plain, for whoever looks there."""
    destroy(inbox, ORDER, now=NOW)
    written: list[bytes] = []
    monkeypatch.setattr(rewriting, "write_all", lambda _, data: written.append(data))

    destroy(inbox, ORDER, now=NOW)

    assert written == []


def test_destroy_overwrites_the_draft_that_a_crash_has_left(inbox: Path, tmp_path: Path) -> None:
    """It is a whole copy of the inbox."""
    draft, link = tmp_path / ".inbox.jsonl.rewritten", tmp_path / "link"
    draft.write_text(SECRET)
    os.link(draft, link)

    destroy(inbox, ORDER, now=NOW)

    assert (draft.exists(), set(link.read_bytes())) == (False, {0})


def test_destroy_overwrites_its_draft_when_the_disk_fails(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given up is not left in plain."""
    overwritten: list[int] = []
    really = rewriting._overwrite

    def overwrite(descriptor: int) -> None:
        overwritten.append(os.fstat(descriptor).st_size)
        really(descriptor)

    def fail(*_: object) -> None:
        raise OSError(5, "I/O error")

    monkeypatch.setattr(rewriting, "_overwrite", overwrite)
    monkeypatch.setattr(rewriting.os, "link", fail)
    with pytest.raises(StoreError, match="nothing was changed"):
        destroy(inbox, ORDER, now=NOW)

    assert [size > 0 for size in overwritten] == [True]
    assert names(inbox) == {"inbox.jsonl", "inbox.holds.jsonl"}


def test_destroy_says_so_when_it_could_not_overwrite_and_does_it_when_it_is_given_again(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody signs that a message is destroyed while its bytes lie there under another name."""
    link = tmp_path / "link"
    os.link(inbox, link)

    def fail(_: int) -> None:
        raise OSError(5, "I/O error")

    monkeypatch.setattr(rewriting, "_overwrite", fail)
    for text in ("was changed, but what stood there before was not overwritten", "nothing was"):
        with pytest.raises(StoreError, match=text):
            destroy(inbox, ORDER, now=NOW)
    monkeypatch.undo()

    assert "destroyed_at" in lines(inbox)[0]
    assert SECRET.encode() in link.read_bytes()
    destroy(inbox, ORDER, now=NOW)
    assert set(link.read_bytes()) == {0}
    assert names(inbox) == {"inbox.jsonl", "inbox.holds.jsonl", "link"}


def test_destroy_never_overwrites_the_inbox_itself(inbox: Path) -> None:
    """A crash may leave one file under both names: before the new one has taken the first."""
    os.link(inbox, inbox.with_name(".inbox.jsonl.replaced"))

    destroy(inbox, ORDER, now=NOW)

    assert [each["hand_over"] for each in lines(inbox)] == [1, 2, 3]
    assert names(inbox) == {"inbox.jsonl", "inbox.holds.jsonl"}


def test_no_hold_is_given_while_something_is_destroyed(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds it a moment later is told that it is gone, and not that it is held."""
    seen: list[bool] = []

    def is_locked(*_: object) -> int:
        with holds_file(inbox).open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            seen.append(False)
            return 0
        seen.append(True)
        return 0

    monkeypatch.setattr(taking_back, "rewrite", is_locked)
    destroy(inbox, ORDER, now=NOW)

    assert seen == [True]


def test_destroy_is_refused_while_a_hold_runs(inbox: Path) -> None:
    """A court's word goes before the originator's, to the end of its last day anywhere."""
    hold = DeskHold(
        origin=FGR,
        message_id=SUBJECT,
        reason=LegalHoldReason.COURT_ORDER,
        until=date(2026, 3, 1),
    )
    write_hold(inbox, hold, at=NOW)

    for now in (NOW, datetime(2026, 3, 2, 11, 59, tzinfo=UTC)):
        with pytest.raises(HeldError):
            destroy(inbox, ORDER, now=now)

    assert read_holds(inbox) == {(FGR, SUBJECT): hold}
    destroy(inbox, ORDER, now=datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert "destroyed_at" in lines(inbox)[0]


def test_correct_marks_the_message_and_names_what_replaces_it(inbox: Path) -> None:
    """What it said stays for evidence; whoever reads it sees that it was corrected."""
    correct(inbox, ORDER, now=NOW)
    correct(inbox, ORDER, now=NOW)

    first = lines(inbox)[0]
    assert first["superseded"] == {
        "rectification": RECALL,
        "replaced_by": NEW,
        "at": "2026-03-01T12:00:00.000Z",
    }
    assert first["body"] == SECRET

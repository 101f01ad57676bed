"""Is what the inbox says it holds on the disk, once, whatever happened in between?"""

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from broker.desk import store as store_module
from broker.desk.failures import StoreError
from broker.desk.inbox import Inbox, read_inbox
from broker.desk.store import Entry, Printout
from broker.desk.wire import ContentRef
from broker.model.names import ContentHash, HandOverNumber
from tests.desk import world

ROOT = Path(__file__).parents[2]


def entry(number: int) -> Entry:
    """Make one line."""
    ref = ContentRef(message_id=world.message_id(number), content_hash=ContentHash(f"h{number}"))
    members = {"id": ref.message_id, "content_hash": ref.content_hash, "hand_over": number}
    return Entry(ref=ref, hand_over=HandOverNumber(number), line=orjson.dumps(members))


def numbers(path: Path) -> list[int]:
    """Read the hand-over numbers of a file."""
    return [orjson.loads(line)["hand_over"] for line in read_inbox(path)]


def in_turn(*calls: Callable[..., Any]) -> Callable[..., Any]:
    """Call each of these once."""
    left = iter(calls)

    def call(*arguments: Any) -> Any:
        return next(left)(*arguments)

    return call


def write_some(write: Callable[[int, bytes], int], descriptor: int, data: memoryview) -> int:
    """Write nine bytes, as a disk does that is nearly full."""
    return write(descriptor, bytes(data)[:9])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file."""
    return tmp_path / "inbox.jsonl"


def test_append_keeps_lines_for_the_next_start(path: Path) -> None:
    """A new process knows what the old one stored."""
    with Inbox(path) as inbox:
        inbox.append([entry(1), entry(2)])
        inbox.append([entry(5)])
        inbox.append([])

    with Inbox(path) as again:
        assert [again.holds(entry(n).ref) for n in (1, 2, 3, 5)] == [True, True, False, True]
        assert (len(again), again.last_hand_over) == (3, 5)
    assert numbers(path) == [1, 2, 5]


def test_open_passes_over_a_hand_over_number_that_no_gateway_takes_back(path: Path) -> None:
    """One that was stored by an older program does not keep the desk from its stream."""
    with Inbox(path) as inbox:
        inbox.append([entry(2), entry(10**15)])
        assert inbox.last_hand_over == 2

    with Inbox(path) as again:
        assert (len(again), again.last_hand_over) == (2, 2)


def test_open_makes_a_file_that_only_its_owner_reads(path: Path) -> None:
    """What the inbox holds is for this desk alone."""
    with Inbox(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_open_refuses_a_file_that_others_read(path: Path) -> None:
    """A mode that somebody widened is said, not repaired in silence."""
    path.touch(mode=0o644)

    with pytest.raises(StoreError, match="0600"):
        Inbox(path)


def test_open_refuses_a_link(path: Path, tmp_path: Path) -> None:
    """Nobody leads the inbox elsewhere."""
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError):
        Inbox(path)


def test_open_refuses_a_second_subscription(path: Path) -> None:
    """One file has one writer, in other processes and in this one."""
    with Inbox(path) as first:
        with pytest.raises(StoreError, match="another subscription"):
            Inbox(path)
        first.append([entry(1)])

    with Inbox(path) as second:
        assert len(second) == 1


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_open_cuts_off_a_line_that_a_crash_tore(path: Path, cut: int) -> None:
    """What was torn was never acknowledged; it is cut off, and said so."""
    with Inbox(path) as inbox:
        inbox.append([entry(1), entry(2)])
    os.truncate(path, path.stat().st_size - cut)

    with structlog.testing.capture_logs() as logs, Inbox(path) as again:
        assert [again.holds(entry(n).ref) for n in (1, 2)] == [True, False]
        again.append([entry(2)])

    assert [each["event"] for each in logs] == ["inbox:torn-line-cut"]
    assert numbers(path) == [1, 2]


def test_open_cuts_off_zeros_when_a_power_cut_left_them_at_the_end(path: Path) -> None:
    """After a power cut a file may end in zeros, which no line end follows."""
    with Inbox(path) as inbox:
        inbox.append([entry(1)])
    with path.open("ab") as file:
        file.write(bytes(100))

    with Inbox(path) as again:
        assert len(again) == 1
    assert numbers(path) == [1]


@pytest.mark.parametrize("damaged", [1, 2, 3])
@pytest.mark.parametrize("tail", [b"", b'{"torn'], ids=["whole", "torn"])
def test_open_refuses_the_file_when_a_whole_line_is_damaged(
    path: Path, damaged: int, tail: bytes
) -> None:
    """A whole line may be acknowledged, the last one too: nothing is thrown away."""
    with Inbox(path) as inbox:
        inbox.append([entry(1), entry(2), entry(3)])
    lines = path.read_bytes().splitlines(keepends=True)
    lines[damaged - 1] = b"#" + lines[damaged - 1][1:]
    path.write_bytes(b"".join(lines) + tail)

    with pytest.raises(StoreError, match=f"line {damaged} is damaged.*restore the line"):
        Inbox(path)

    assert path.read_bytes() == b"".join(lines) + tail


def fail_with(code: int) -> Callable[..., int]:
    """Make a system call that fails."""

    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


def test_append_takes_back_its_lines_when_they_cannot_be_forced_to_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fsync nobody knows what is on the disk: the lines go, and so do we."""
    inbox = Inbox(path)
    inbox.append([entry(1)])
    real = os.fsync
    monkeypatch.setattr(os, "fsync", in_turn(fail_with(errno.EIO), real))

    with pytest.raises(StoreError, match="nothing was written"):
        inbox.append([entry(2)])

    monkeypatch.setattr(os, "fsync", real)
    assert inbox.holds(entry(2).ref) is False
    with pytest.raises(StoreError, match="closed"):
        inbox.append([entry(3)])
    assert numbers(path) == [1]
    with Inbox(path) as again:
        assert len(again) == 1


def test_append_takes_back_half_a_line_when_the_disk_is_full(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write may stop in the middle."""
    inbox = Inbox(path)
    inbox.append([entry(1)])
    real = os.write
    half = partial(write_some, real)
    monkeypatch.setattr(os, "write", in_turn(half, fail_with(errno.ENOSPC)))

    with pytest.raises(StoreError, match="No space left"):
        inbox.append([entry(2)])

    assert numbers(path) == [1]
    assert path.read_bytes().endswith(b"\n")


def test_append_says_when_it_cannot_take_back_its_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then only opening the file tells how it ends."""
    inbox = Inbox(path)
    monkeypatch.setattr(os, "fsync", fail_with(errno.EIO))

    with pytest.raises(StoreError, match="could not be restored"):
        inbox.append([entry(1)])


def test_lines_of_finds_each_line_by_its_place_when_the_file_was_opened_again(path: Path) -> None:
    """Also behind a line that a crash tore, and of two senders who took the same id."""
    twin = ContentRef(message_id=world.message_id(2), content_hash=ContentHash("other"))
    line = orjson.dumps({"id": twin.message_id, "content_hash": "other", "hand_over": 3})
    with Inbox(path) as inbox:
        inbox.append([entry(1), entry(2)])
    with path.open("ab") as file:
        file.write(b'{"id":"torn')

    with Inbox(path) as again:
        again.append([Entry(ref=twin, hand_over=HandOverNumber(3), line=line), entry(4)])
        found = again.lines_of([world.message_id(2), world.message_id(4), world.message_id(9)])

        assert list(found) == [entry(2).line, line, entry(4).line]
        assert len(again) == 4
    with Inbox(path) as last:
        assert last.lines_of([world.message_id(2)]) == [entry(2).line, line]


def test_read_inbox_leaves_out_a_line_that_is_being_written(path: Path) -> None:
    """A reader sees whole lines only."""
    path.write_bytes(b"{}\n{")

    assert list(read_inbox(path)) == [b"{}"]


def test_read_inbox_refuses_a_file_that_is_not_there(path: Path) -> None:
    """A missing file is not an empty one."""
    with pytest.raises(StoreError):
        list(read_inbox(path))


def test_print_lines_and_know_them_again() -> None:
    """A printout remembers what it has flushed."""
    stream = io.BytesIO()
    printout = Printout(stream)

    printout.append([entry(1), entry(3)])

    assert stream.getvalue() == entry(1).line + b"\n" + entry(3).line + b"\n"
    assert (printout.holds(entry(1).ref), printout.holds(entry(2).ref)) == (True, False)
    assert printout.last_hand_over == 3


def test_print_forgets_the_oldest_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; a forgotten message is printed again at worst."""
    monkeypatch.setattr(store_module, "REMEMBERED", 2)
    printout = Printout(io.BytesIO())

    printout.append([entry(1), entry(2), entry(3)])

    assert [printout.holds(entry(n).ref) for n in (1, 2, 3)] == [False, True, True]


def test_print_refuses_when_the_reader_is_gone() -> None:
    """What nobody reads is not kept."""
    stream = io.BytesIO()
    stream.close()
    printout = Printout(stream)

    with pytest.raises(StoreError):
        printout.append([entry(1)])

    assert printout.holds(entry(1).ref) is False


WRITER = """
import sys
from pathlib import Path
from broker.desk.inbox import Inbox
from tests.desk.test_inbox import entry

inbox = Inbox(Path(sys.argv[1]))
for number in range(1, 100_000):
    inbox.append([entry(number)])
    print(number, flush=True)
"""


def test_open_holds_all_that_was_promised_when_the_writer_was_killed(path: Path) -> None:
    """What ``append`` returned for is there, and the lock is free."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
        assert writer.stdout is not None
        promised = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        promised += [int(line) for line in writer.stdout if line.endswith(b"\n")]

    with Inbox(path) as inbox:
        assert all(inbox.holds(entry(number).ref) for number in promised)
        assert len(inbox) - len(promised) in {0, 1}

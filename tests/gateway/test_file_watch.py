"""Is what is in force as new as its files, and never worse than it was?"""

import asyncio
import threading
from pathlib import Path

import pytest
import structlog

from broker import file_watch
from broker.errors import Code, ConfigurationError
from broker.file_watch import REMIND_EVERY, FileWatch, UnusableError
from keys.errors import CustodyError, CustodyFault
from tests.fakes.certificates import replace_file


class Pairing:
    """Two files that belong together: both must say the same."""

    def __init__(self, folder: Path) -> None:
        self.files = (folder / "one", folder / "two")
        for file in self.files:
            file.write_text("first")
        self.in_force = "first"
        self.readings = 0
        self.error: Exception | None = None
        self.taken = asyncio.Event()
        self.watch = FileWatch("pairing", files=lambda: self.files, read=self.read, take=self.take)

    def read(self) -> str:
        """Read both, away from the event loop."""
        assert threading.current_thread() is not threading.main_thread()
        self.readings += 1
        if self.error is not None:
            raise self.error
        one, two = (file.read_text() for file in self.files)
        if one != two:
            raise UnusableError("they differ", f"{one} is not {two}")
        return one

    def take(self, new: str) -> None:
        """Put it in force, in the event loop."""
        assert threading.current_thread() is threading.main_thread()
        self.in_force = new
        self.taken.set()


@pytest.fixture
def pairing(tmp_path: Path) -> Pairing:
    """Two files that say the same."""
    return Pairing(tmp_path)


async def test_check_reads_nothing_when_nothing_has_changed(pairing: Pairing) -> None:
    """A look costs no reading."""
    assert await pairing.watch.check() is False

    assert pairing.readings == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_check_keeps_the_old_until_both_files_fit(
    pairing: Pairing, order: tuple[int, int]
) -> None:
    """In whichever order they are replaced, half a change changes nothing."""
    first, second = (pairing.files[place] for place in order)

    replace_file(first, b"second")
    with structlog.testing.capture_logs() as logs:
        halfway = [await pairing.watch.check() for _ in range(3)]
    before = pairing.in_force
    replace_file(second, b"second")
    with structlog.testing.capture_logs() as done:
        taken = await pairing.watch.check()

    assert (halfway, before) == ([False] * 3, "first")
    assert (taken, pairing.in_force) == (True, "second")
    assert pairing.readings == 4
    assert logs == [
        {
            "event": "reload:failed",
            "log_level": "warning",
            "what": "pairing",
            "reason": "they differ",
        }
    ]
    assert done == [{"event": "reload:done", "log_level": "info", "what": "pairing"}]


async def test_check_says_again_that_it_fails_when_that_lasts(pairing: Pairing) -> None:
    """A failure is not told each second, and is not forgotten either."""
    replace_file(pairing.files[0], b"second")

    with structlog.testing.capture_logs() as logs:
        for _ in range(REMIND_EVERY + 1):
            await pairing.watch.check()

    assert [each["event"] for each in logs] == ["reload:failed"] * 2


async def test_check_forgets_the_failure_when_the_old_file_is_back(
    pairing: Pairing, tmp_path: Path
) -> None:
    """Who takes a change back has nothing more to do; the same change is told anew."""
    kept = tmp_path / "kept"
    folder = tmp_path / "linked"
    folder.symlink_to(pairing.files[0])
    pairing.files = (folder, pairing.files[1])
    await pairing.watch.check()
    kept.write_text("second")

    told = []
    for target in (kept, tmp_path / "one", kept):
        folder.unlink()
        folder.symlink_to(target)
        with structlog.testing.capture_logs() as logs:
            await pairing.watch.check()
        told.append([each["event"] for each in logs])

    assert told == [["reload:failed"], [], ["reload:failed"]]
    assert pairing.in_force == "first"


async def test_check_tries_again_when_the_files_are_as_they_were(pairing: Pairing) -> None:
    """What failed for another cause, a full memory or a slow mount, is tried again."""
    for file in pairing.files:
        replace_file(file, b"second")
    pairing.error = OSError(5, "away")
    failed = await pairing.watch.check()
    pairing.error = None

    taken = await pairing.watch.check()

    assert (failed, taken, pairing.in_force) == (False, True, "second")


async def test_check_follows_when_a_folder_is_exchanged_by_its_link(tmp_path: Path) -> None:
    """A mounted secret is a link to a folder, and both its files change in one moment."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        for file in ("one", "two"):
            (tmp_path / name / file).write_text(name)
    link, fresh = tmp_path / "data", tmp_path / "fresh"
    link.symlink_to("first")
    link_one, link_two = tmp_path / "one", tmp_path / "two"
    pairing = Pairing(tmp_path)
    for each in (link_one, link_two):
        each.unlink()
        each.symlink_to(Path("data") / each.name)
    await pairing.watch.check()

    fresh.symlink_to("second")
    fresh.replace(link)
    taken = await pairing.watch.check()

    assert (taken, pairing.in_force) == (True, "second")


async def test_check_notices_when_a_file_is_written_over(pairing: Pairing) -> None:
    """The same inode and the same size: the times tell it."""
    await asyncio.sleep(0.02)  # longer than the file system's clock ticks
    for file in pairing.files:
        file.write_text("later")

    taken = await pairing.watch.check()

    assert (taken, pairing.in_force) == (True, "later")


async def test_check_keeps_the_old_when_a_file_is_gone(pairing: Pairing) -> None:
    """Between the removal of the old and the arrival of the new one nothing changes."""
    pairing.files[1].unlink()

    with structlog.testing.capture_logs() as logs:
        taken = await pairing.watch.check()

    assert (taken, pairing.in_force) == (False, "first")
    assert [each["reason"] for each in logs] == ["FileNotFoundError"]


async def test_check_finds_what_changed_while_it_was_read(pairing: Pairing) -> None:
    """A change during the reading is found at the next look."""
    replace_file(pairing.files[0], b"second")
    replace_file(pairing.files[1], b"second")
    take = pairing.take

    def late(new: str) -> None:
        take(new)
        for file in pairing.files:
            replace_file(file, b"third")

    pairing.watch._take = late
    await pairing.watch.check()
    pairing.watch._take = take
    await pairing.watch.check()

    assert pairing.in_force == "third"


SECRET = "correct horse"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnusableError("expired", SECRET), "expired"),
        (CustodyError(CustodyFault.MALFORMED), "the key file is malformed"),
        (ConfigurationError(SECRET), Code.CONFIGURATION_INVALID.value),
        (OSError(5, SECRET), "OSError"),
        (ValueError(SECRET), "ValueError"),
    ],
)
async def test_log_a_fixed_reason_when_a_reading_fails(
    pairing: Pairing, error: Exception, reason: str
) -> None:
    """Nothing that was read is in the log, whatever went wrong."""
    pairing.files[0].write_text("other text")
    pairing.error = error

    with structlog.testing.capture_logs() as logs:
        await pairing.watch.check()

    assert [each["reason"] for each in logs] == [reason]
    assert SECRET not in str(logs)


async def test_run_takes_what_is_new_until_it_is_cancelled(
    pairing: Pairing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background, nobody has to ask."""
    monkeypatch.setattr(file_watch, "INTERVAL", file_watch.INTERVAL / 50)
    running = asyncio.create_task(pairing.watch.run())
    for file in pairing.files:
        replace_file(file, b"second")

    async with asyncio.timeout(5):
        await pairing.taken.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert pairing.in_force == "second"

"""Files that hold no secret are whole, whatever the disk does."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker.cli.explain import CommandError
from broker.cli.public_files import replace_file, write_new

LONG = 4096
"""Lines of a file that is not written in one go."""


def _fail(*_: object, **__: object) -> None:
    raise OSError


def test_write_new_never_overwrites(tmp_path: Path) -> None:
    """What is there stays, and a link to nowhere is something, too."""
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("old\n")
    link.symlink_to(tmp_path / "elsewhere")

    for file in (there, link):
        with pytest.raises(CommandError, match="is there already"):
            write_new(file, ["new"])

    assert there.read_text() == "old\n"
    assert not (tmp_path / "elsewhere").exists()


def test_write_new_leaves_nothing_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file would be in the way of the next try."""
    monkeypatch.setattr(os, "fsync", _fail)

    with pytest.raises(OSError):  # noqa: PT011 - the disk's own
        write_new(tmp_path / "file", ["new"])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["open", "fsync", "chmod", "replace"])
def test_replace_file_leaves_the_old_lines_when_a_step_fails(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file is whole, and nothing lies beside it."""
    file = tmp_path / "draft"
    write_new(file, ["old"])
    monkeypatch.setattr(os, call, _fail)

    with pytest.raises(OSError):  # noqa: PT011 - the disk's own
        replace_file(file, ["new"])

    monkeypatch.undo()
    assert file.read_text() == "old\n"
    assert [*tmp_path.iterdir()] == [file]


def test_replace_file_lets_others_read_whatever_the_umask(tmp_path: Path) -> None:
    """A draft goes from one holder to the next."""
    file = tmp_path / "draft"
    write_new(file, ["old"])
    before = os.umask(0o077)

    try:
        replace_file(file, ["new"])
    finally:
        os.umask(before)

    assert file.stat().st_mode & 0o777 == 0o644
    assert file.read_text() == "new\n"


def test_replace_file_mixes_nothing_when_two_write_at_once(tmp_path: Path) -> None:
    """The last one wins, with all its lines and no other's."""
    file = tmp_path / "draft"

    def write(word: str) -> None:
        replace_file(file, [word] * LONG)

    with ThreadPoolExecutor(max_workers=8) as threads:
        list(threads.map(write, "abcdefgh" * 8))

    lines = file.read_text().splitlines()
    assert (len(lines), len(set(lines))) == (LONG, 1)
    assert [*tmp_path.iterdir()] == [file]

"""A passphrase comes from a file that nobody else reads, whoever put it there."""

import os
import stat
from pathlib import Path

import pytest

from keys.custody import passphrase as module
from keys.custody.passphrase import MAX_BYTES, read_passphrase
from keys.errors import CustodyError, CustodyFault
from keys.secret import Passphrase

SECRET = Passphrase.from_text("correct horse")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Keep a passphrase as it should be kept."""
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_bytes(SECRET.reveal() + b"\n")
    return file


def fault_of(source: str | Path, **environ: str) -> CustodyFault:
    """Say why a source gives no passphrase."""
    with pytest.raises(CustodyError) as refused:
        read_passphrase(source, environ)
    return refused.value.fault


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_read_passphrase_cuts_one_line_end(end: bytes, file: Path) -> None:
    """An editor adds one; every other character belongs to the passphrase."""
    file.write_bytes(b" two words \n" + end)

    assert read_passphrase(file, {}) == Passphrase(b" two words " + (b"\n" if end else b""))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o444, 0o610])
def test_read_passphrase_refuses_what_others_may_read(mode: int, file: Path) -> None:
    """A passphrase for all protects nothing."""
    file.chmod(mode)

    assert fault_of(file) is CustodyFault.PASSPHRASE_EXPOSED


def test_read_passphrase_follows_a_link_and_judges_its_end(file: Path, tmp_path: Path) -> None:
    """Secret mounts are made of links."""
    link = tmp_path / "link"
    link.symlink_to(file)

    assert read_passphrase(link, {}) == SECRET
    file.chmod(0o644)
    assert fault_of(link) is CustodyFault.PASSPHRASE_EXPOSED


def test_read_passphrase_refuses_what_is_no_passphrase(file: Path, tmp_path: Path) -> None:
    """Absent, a folder, a pipe, empty, or too long."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)

    for source in (tmp_path / "absent", tmp_path, pipe):
        assert fault_of(source) is CustodyFault.PASSPHRASE_ABSENT
    file.write_bytes(b"a" * (MAX_BYTES + 1))
    assert fault_of(file) is CustodyFault.PASSPHRASE_ABSENT
    file.write_bytes(b"\n")
    assert fault_of(file) is CustodyFault.EMPTY_PASSPHRASE


def test_read_passphrase_finds_a_credential_by_its_name(file: Path) -> None:
    """Only in the folder that systemd named, and nowhere above it."""
    folder = str(file.parent)

    assert read_passphrase("credential:passphrase", {"CREDENTIALS_DIRECTORY": folder}) == SECRET
    assert fault_of("credential:passphrase") is CustodyFault.PASSPHRASE_ABSENT
    for name in ("", ".", "..", "../passphrase", "a/b", "absent", "a\0b"):
        fault = fault_of(f"credential:{name}", CREDENTIALS_DIRECTORY=folder)
        assert fault is CustodyFault.PASSPHRASE_ABSENT


@pytest.mark.parametrize(
    ("mode", "owner", "group", "accepted"),
    [
        (0o400, 0, 0, True),
        (0o440, 0, 0, True),
        (0o400, 1000, 1000, True),
        (0o440, 1000, 1000, False),
        (0o440, 0, 1000, False),
        (0o444, 0, 0, False),
        (0o460, 0, 0, False),
    ],
)
def test_read_passphrase_accepts_exactly_what_systemd_makes(
    mode: int,
    owner: int,
    group: int,
    accepted: bool,  # noqa: FBT001 - a column of the table
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Root's 0440 is an access list's mask there; the same mode elsewhere is a group's."""
    facts = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, group, 14, 0, 0, 0))
    monkeypatch.setattr(module.os, "fstat", lambda _: facts)
    inside = {"CREDENTIALS_DIRECTORY": str(file.parent)}

    if accepted:
        assert read_passphrase(file, inside) == SECRET
    else:
        assert fault_of(file, **inside) is CustodyFault.PASSPHRASE_EXPOSED
    if mode != 0o400:
        assert fault_of(file) is CustodyFault.PASSPHRASE_EXPOSED

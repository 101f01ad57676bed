"""A key file that changes: nothing is lost, whoever writes beside us and whatever fails."""

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keys.custody.bundle import KeyBundle
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.custody.file import replace_private
from keys.custody.file_provider import FileProvider
from keys.custody.provider import KeyProvider, open_provider
from keys.errors import CustodyError, CustodyFault
from keys.secret import Passphrase
from tests.keys.conftest import MakeSigningKey

OLD, NEW = Passphrase.from_text("old"), Passphrase.from_text("new")


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def path(tmp_path: Path, make_signing_key: MakeSigningKey) -> Path:
    """Keep one key in a file."""
    path = tmp_path / "keys"
    FileProvider.create(path, OLD, [make_signing_key()], cost=INTERACTIVE_DEMO)
    return path


def opened(path: Path, passphrase: Passphrase = OLD) -> KeyProvider:
    """Open a cheap key file."""
    return open_provider(path, passphrase, cost=INTERACTIVE_DEMO)


def test_change_passphrase_leaves_the_keys_and_locks_out_the_old_one(path: Path) -> None:
    """The same keys, a new salt, and no way in for who knew the old passphrase."""
    provider, before = opened(path), opened(path).read()

    provider.change_passphrase(NEW)

    assert provider.read() == opened(path, NEW).read() == before
    with pytest.raises(CustodyError) as refused:
        opened(path).read()
    assert refused.value.fault is CustodyFault.CANNOT_OPEN


def test_change_passphrase_changes_nothing_when_it_is_refused(path: Path) -> None:
    """A wrong old passphrase, or an empty new one."""
    before = path.read_bytes()

    for old, new in ((NEW, NEW), (OLD, Passphrase(b""))):
        with pytest.raises(CustodyError):
            opened(path, old).change_passphrase(new)

    assert path.read_bytes() == before


@pytest.mark.parametrize("failure", [OSError, Crash])
@pytest.mark.parametrize("call", ["open", "fsync", "rename", "replace", "unlink", "close"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_add_leaves_the_old_or_the_new_file_whole_when_a_step_fails(
    call: str,
    failure: type[BaseException],
    at: int,
    path: Path,
    make_signing_key: MakeSigningKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever a disk fails or a process ends, every old key still opens, and writing goes on."""
    before, new = opened(path).read(), make_signing_key("MX-fge-2")

    with monkeypatch.context() as disk:
        disk.setattr(os, call, _failing(getattr(os, call), failure, at))
        with contextlib.suppress(CustodyError, OSError, Crash):
            opened(path).add([new])
    after = opened(path).read()

    assert after in (before, before.having([new]))
    assert path.stat().st_mode & 0o7777 == 0o600
    opened(path).add([make_signing_key("MX-fge-3")])
    assert {path.name, f".{path.name}.lock"} == {each.name for each in path.parent.iterdir()}


def test_add_loses_no_key_when_many_add_at_once(
    path: Path, make_signing_key: MakeSigningKey
) -> None:
    """Every writer waits for the one before, and reads what that one wrote."""
    keys = [make_signing_key(f"MX-fge-{number}") for number in range(2, 14)]

    with ThreadPoolExecutor(max_workers=6) as threads:
        list(threads.map(lambda key: opened(path).add([key]), keys))

    assert opened(path).read() == KeyBundle.of([make_signing_key(), *keys])


def test_replace_private_replaces_no_link_and_no_open_file(path: Path, tmp_path: Path) -> None:
    """What could be somebody else's is not written over."""
    link = tmp_path / "link"
    link.symlink_to(path)
    before = path.read_bytes()

    with pytest.raises(CustodyError):
        replace_private(link, b"x")
    path.chmod(0o640)
    with pytest.raises(CustodyError) as refused:
        replace_private(path, b"x")

    assert refused.value.fault is CustodyFault.WIDE_MODE
    assert path.read_bytes() == before


def test_add_refuses_a_folder_that_cannot_be_written(
    tmp_path: Path, make_signing_key: MakeSigningKey
) -> None:
    """A missing folder is our error, not the system's."""
    with pytest.raises(CustodyError) as refused:
        opened(tmp_path / "no" / "keys").add([make_signing_key()])

    assert refused.value.fault is CustodyFault.UNWRITABLE


@pytest.mark.parametrize("location", ["", "file:", "a\0b", "file:pkcs11:token=x"])
def test_open_provider_refuses_what_names_no_place(location: str) -> None:
    """An empty name is a forgotten setting."""
    with pytest.raises(CustodyError) as refused:
        open_provider(location, OLD)

    assert refused.value.fault is CustodyFault.BAD_LOCATION


def test_open_provider_takes_a_file_uri(path: Path, make_signing_key: MakeSigningKey) -> None:
    """``file:`` and a path is the path."""
    provider = open_provider(f"file:{path}", OLD, cost=INTERACTIVE_DEMO)

    assert provider.read().signing == {make_signing_key().kid: make_signing_key()}


def _failing(
    real: Callable[..., object], failure: type[BaseException], at: int
) -> Callable[..., object]:
    calls = iter(range(1, 100))

    def fail(*arguments: object, **named: object) -> object:
        if next(calls) == at:
            raise failure
        return real(*arguments, **named)

    return fail

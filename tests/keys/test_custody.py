"""Private keys at rest."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keys.algorithms import EncryptionAlgorithm
from keys.custody import file
from keys.custody.bundle import KeyBundle, read_bundle, write_bundle
from keys.custody.envelope import INTERACTIVE_DEMO, RECOMMENDED
from keys.custody.file import read_key_file, write_key_file
from keys.errors import CustodyError, CustodyFault
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase, SecretBytes

PASSPHRASE = Passphrase.from_text("correct horse, batería, grapa")
SECRET = SecretBytes(b"a secret that must not be found")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a key file cheaply and name it."""
    where = tmp_path / "key.json"
    write_key_file(where, SECRET, PASSPHRASE, cost=INTERACTIVE_DEMO)
    return where


def read(path: Path, passphrase: Passphrase = PASSPHRASE) -> SecretBytes:
    """Read a cheap key file."""
    return read_key_file(path, passphrase, minimum=INTERACTIVE_DEMO)


def test_read_key_file_returns_what_was_written(path: Path) -> None:
    """The secret comes back; the file shows nothing of it and nobody else may read it."""
    assert read(path) == SECRET
    assert path.stat().st_mode & 0o7777 == 0o600
    assert SECRET.reveal() not in path.read_bytes()


def test_read_key_file_takes_the_recommended_cost_by_default(tmp_path: Path) -> None:
    """RFC 9106's second recommendation, without anybody asking for it."""
    path = tmp_path / "key.json"

    write_key_file(path, SECRET, PASSPHRASE)

    assert read_key_file(path, PASSPHRASE) == SECRET
    kdf = json.loads(path.read_bytes())["kdf"]
    assert (kdf["passes"], kdf["memory_kib"], kdf["lanes"]) == (3, 65536, 4)


def test_read_key_file_refuses_a_cheap_file_unless_asked(path: Path) -> None:
    """A file made for a demonstration does not pass in earnest."""
    with pytest.raises(CustodyError, match="too cheaply"):
        read_key_file(path, PASSPHRASE)


def test_read_key_file_says_the_same_of_a_wrong_passphrase_and_a_changed_file(
    path: Path,
) -> None:
    """One text, so that trying teaches nothing."""
    with pytest.raises(CustodyError) as wrong:
        read(path, Passphrase.from_text("wrong"))
    document = json.loads(path.read_bytes())
    document["ciphertext"] = document["ciphertext"][:-8] + "AAAAAAAA"
    path.write_text(json.dumps(document))
    with pytest.raises(CustodyError) as changed:
        read(path)

    assert str(wrong.value) == str(changed.value)
    assert wrong.value.fault is changed.value.fault is CustodyFault.CANNOT_OPEN


Document = dict[str, Any]
CHANGES: dict[str, Callable[[Document], object]] = {
    "unknown member": lambda d: d.update(color="red"),
    "unknown kdf member": lambda d: d["kdf"].update(color="red"),
    "no cipher": lambda d: d.pop("cipher"),
    "cipher no object": lambda d: d.update(cipher=[]),
    "another format": lambda d: d.update(format="enlace-key-file-2"),
    "another kdf": lambda d: d["kdf"].update(name="argon2i"),
    "another cipher": lambda d: d["cipher"].update(name="A128GCM"),
    "salt short": lambda d: d["kdf"].update(salt="AAAA"),
    "salt no text": lambda d: d["kdf"].update(salt=1),
    "passes a text": lambda d: d["kdf"].update(passes="1"),
    "passes zero": lambda d: d["kdf"].update(passes=0),
    "passes true": lambda d: d["kdf"].update(passes=True),
    "passes exhausting": lambda d: d["kdf"].update(passes=10**6),
    "memory exhausting": lambda d: d["kdf"].update(memory_kib=10**9),
    "lanes exhausting": lambda d: d["kdf"].update(lanes=10**6),
    "memory below the lanes": lambda d: d["kdf"].update(lanes=16, memory_kib=64),
    "more passes than written": lambda d: d["kdf"].update(passes=2),
    "another salt": lambda d: d["kdf"].update(salt="A" * 21 + "A"),
    "another nonce": lambda d: d["cipher"].update(nonce="A" * 16),
    "ciphertext empty": lambda d: d.update(ciphertext=""),
    "ciphertext padded": lambda d: d.update(ciphertext=d["ciphertext"] + "="),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_read_key_file_refuses_a_changed_file(
    path: Path, change: Callable[[Document], object]
) -> None:
    """Every member is strict, authenticated, or both."""
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))

    with pytest.raises(CustodyError):
        read(path)


@pytest.mark.parametrize("kept", [0, 1, 50, 200, -2])
def test_read_key_file_refuses_a_truncated_file(path: Path, kept: int) -> None:
    """What a crash may leave opens with no passphrase."""
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(CustodyError):
        read(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700, 0o644, 0o4600])
def test_read_key_file_refuses_a_mode_that_lets_others_in(path: Path, mode: int) -> None:
    """Anything wider than 0600 may have been read already."""
    path.chmod(mode)

    with pytest.raises(CustodyError, match="0600"):
        read(path)


def test_read_key_file_refuses_what_is_no_file_of_ours(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links, folders, pipes, absent files, files too large, and another owner's."""
    link, pipe, large = tmp_path / "link", tmp_path / "pipe", tmp_path / "large"
    link.symlink_to(path)
    os.mkfifo(pipe, 0o600)
    large.touch(0o600)
    os.truncate(large, file.MAX_FILE_BYTES + 1)

    for refused in (link, pipe, large, tmp_path, tmp_path / "absent"):
        with pytest.raises(CustodyError):
            read(refused)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(CustodyError):
        read(path)


def test_write_key_file_never_overwrites(path: Path, tmp_path: Path) -> None:
    """Neither a key, nor what a link points to, nor into a folder that is not there."""
    link = tmp_path / "dangling"
    link.symlink_to(tmp_path / "elsewhere")

    for refused in (path, link, tmp_path / "no" / "folder"):
        with pytest.raises(CustodyError):
            write_key_file(refused, SecretBytes(b"x"), PASSPHRASE, cost=INTERACTIVE_DEMO)
    assert read(path) == SECRET
    assert not (tmp_path / "elsewhere").exists()


def test_write_key_file_leaves_nothing_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is not on the disk is not there at all."""

    def fail(_: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CustodyError):
        write_key_file(tmp_path / "key", SECRET, PASSPHRASE, cost=INTERACTIVE_DEMO)

    assert list(tmp_path.iterdir()) == []


def test_read_key_file_says_so_when_the_disk_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk is an error of ours, with no foreign one let through."""

    def fail(_: int) -> None:
        raise OSError

    with monkeypatch.context() as disk:
        disk.setattr(os, "fstat", fail)
        with pytest.raises(CustodyError):
            read(path)


def test_write_key_file_refuses_an_empty_passphrase(tmp_path: Path) -> None:
    """No passphrase is no protection."""
    with pytest.raises(CustodyError):
        write_key_file(tmp_path / "key", SECRET, Passphrase(b""), cost=INTERACTIVE_DEMO)


def test_read_bundle_returns_every_key(
    tmp_path: Path, signing_key: SigningKey, decryption_key: DecryptionKey
) -> None:
    """Signing and decryption keys come back under their names."""
    bundle = KeyBundle.of([signing_key, decryption_key])

    write_bundle(tmp_path / "keys", bundle, PASSPHRASE, cost=INTERACTIVE_DEMO)
    read_back = read_bundle(tmp_path / "keys", PASSPHRASE, minimum=INTERACTIVE_DEMO)

    assert read_back == bundle


@pytest.mark.parametrize(
    "held", [b"{}", b"x", b'{"keys":1}', b'{"keys":[1]}', b'{"keys":[[]]}', b'{"keys":[{}]}']
)
def test_read_bundle_refuses_a_file_of_something_else(tmp_path: Path, held: bytes) -> None:
    """A single key, or nothing, is no bundle."""
    write_key_file(tmp_path / "k", SecretBytes(held), PASSPHRASE, cost=INTERACTIVE_DEMO)

    with pytest.raises(CustodyError):
        read_bundle(tmp_path / "k", PASSPHRASE, minimum=INTERACTIVE_DEMO)


def test_bundle_refuses_two_keys_of_one_name(signing_key: SigningKey) -> None:
    """A name stands for one key, whichever its kind."""
    twin = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, parse_kid("MX-fge-1"))

    with pytest.raises(CustodyError):
        KeyBundle.of([signing_key, twin])


def test_recommended_cost_is_not_the_demonstrations() -> None:
    """The two cannot be mixed up by a later edit."""
    assert RECOMMENDED.is_at_least(INTERACTIVE_DEMO)
    assert not INTERACTIVE_DEMO.is_at_least(RECOMMENDED)

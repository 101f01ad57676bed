"""Nothing shows a secret: no text, no copy, no log, and no traceback with its variables.

For tracebacks the tests raise at *every line* that an operation runs in this program, one run
for each, and then render the error with three renderers that show variables. What is looked for
is the secret as bytes, hexadecimal, base64, base64url and as a number.
"""

import base64
import copy
import dataclasses
import io
import itertools
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import orjson
import pytest
import rich.traceback
import structlog

from broker.cli import logs
from broker.cli.terminal import Terminal
from broker.desk.held_keys import HeldKeys
from broker.sealing.content import ContentKey
from broker.sealing.wrap import unwrap, wrap
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody import envelope
from keys.custody.bundle import KeyBundle, decode_bundle, encode_bundle
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.custody.file_provider import FileProvider
from keys.custody.passphrase import read_passphrase
from keys.custody.provider import KeyWish, open_provider
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase, SecretBytes
from tests.keys.conftest import counter
from tests.services.softhsm import SoftToken

SECRET = counter("a secret of 32 bytes")(32)
PASSPHRASE = Passphrase(b"correct-horse-battery-staple-42!")
ROOT = Path(__file__).parents[2]
GUARD = str(ROOT / "keys" / "secret.py")
SIGNS, OPENS = parse_kid("GT-ack-1"), parse_kid("GT-desk-1")
ENOUGH = 12
"""Characters of a secret that are found by chance in nothing."""


class Raised(Exception):  # noqa: N818 - it is no error, but the trial
    """Raised by the trial at one line."""


def forms(secret: bytes) -> set[str]:
    """Write a secret in every way in which it could be shown."""
    plain = base64.b64encode(secret).decode()
    urlsafe = base64.urlsafe_b64encode(secret).decode()
    number = str(int.from_bytes(secret))
    whole = {repr(secret)[2:-1], secret.hex(), plain, urlsafe, number}
    return {form[start : start + ENOUGH] for form in whole for start in (0, ENOUGH)}


NUMBERS = itertools.count()
SHOWN = forms(SECRET) | forms(PASSPHRASE.reveal())


def signing() -> SigningKey:
    """Make a key of the secret."""
    return SigningKey.generate(SignatureAlgorithm.ED25519, SIGNS, lambda _: SECRET)


def opening() -> DecryptionKey:
    """Make a key of the secret."""
    return DecryptionKey(
        kid=OPENS, algorithm=EncryptionAlgorithm.HPKE_9_KE, seed=SecretBytes(SECRET)
    )


def held_keys() -> HeldKeys:
    """Hold the keys as a desk does."""
    return HeldKeys(authentication=signing(), signature=signing(), decryption={OPENS: opening()})


HOLDERS: dict[str, Callable[[], Any]] = {
    "SecretBytes": lambda: SecretBytes(SECRET),
    "Passphrase": lambda: PASSPHRASE,
    "ContentKey": lambda: ContentKey(SECRET),
    "SigningKey": signing,
    "DecryptionKey": opening,
    "KeyBundle": lambda: KeyBundle.of([signing(), opening()]),
    "FileProvider": lambda: FileProvider(Path("keys"), PASSPHRASE),
    "HeldKeys": held_keys,
}
COPIES: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "percent": lambda held: "%s %r" % (held, held),  # noqa: UP031 - that is what is tried
    "pickle": pickle.dumps,
    "copy": lambda held: repr(copy.copy(held)),
    "deepcopy": copy.deepcopy,
    "json": lambda held: json.dumps(held, default=str),
    "json of repr": lambda held: json.dumps(held, default=repr),
    "orjson": lambda held: orjson.dumps(held, default=repr),
    "asdict": dataclasses.asdict,
    "vars": vars,
    "dict": dict,
    "bytes": bytes,
    "list": list,
}


def assert_hidden(shown: object) -> None:
    """Find no form of a secret in a text."""
    text = shown.decode("latin-1") if isinstance(shown, bytes) else str(shown)
    # A text within a text has its backslashes doubled.
    while "\\\\" in text:
        text = text.replace("\\\\", "\\")
    assert not [form for form in SHOWN if form in text]


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_holder_of_secrets_gives_none_when_it_is_copied(
    holder: Callable[[], Any], copied: Callable[[Any], object]
) -> None:
    """It refuses, or what comes out has nothing of the secret."""
    held = holder()
    try:
        shown = copied(held)
    except (TypeError, AttributeError) as error:
        shown = str(error)

    assert_hidden(repr(shown))
    assert_hidden(shown if isinstance(shown, bytes | str) else repr(shown))


@pytest.mark.softhsm
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
def test_key_in_a_token_gives_nothing_when_it_is_copied(
    copied: Callable[[Any], object], softhsm: SoftToken
) -> None:
    """Neither the key nor the provider shows the PIN, or is copied."""
    provider = open_provider(softhsm.uri, softhsm.pin)
    (key,) = provider.generate([KeyWish(kid=SIGNS, algorithm=SignatureAlgorithm.ED25519)])

    for held in (key, provider):
        try:
            shown = repr(copied(held))
        except (TypeError, AttributeError) as error:
            shown = str(error)
        assert softhsm.pin.reveal().decode() not in shown
    provider.erase(SIGNS)


@pytest.mark.parametrize("json_lines", [True, False])
@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_log_shows_no_secret_when_it_is_given_one(
    holder: Callable[[], Any],
    json_lines: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither our own configuration nor `logging` finds a way in."""
    stream = io.StringIO()
    stream.isatty = lambda: not json_lines  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logs.configure(Terminal(json=json_lines))
    handler = logging.StreamHandler(stream)

    for write in (
        lambda: structlog.get_logger().warning("key:tried", held=holder()),
        lambda: structlog.get_logger().warning("key:tried %r", holder()),
        lambda: handler.handle(logging.makeLogRecord({"msg": "%r", "args": (holder(),)})),
        lambda: handler.handle(logging.makeLogRecord({"msg": "%s", "args": (holder(),)})),
    ):
        try:
            write()
        except TypeError as error:
            assert_hidden(error)
    structlog.reset_defaults()

    assert "key:tried" in stream.getvalue()
    assert_hidden(stream.getvalue())


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    """Keep the passphrase in a file."""
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_bytes(PASSPHRASE.reveal())
    return file


def close() -> bytes:
    """Close the secret."""
    return envelope.close(SecretBytes(SECRET), PASSPHRASE, INTERACTIVE_DEMO, counter("draw"))


CLOSED = close()
BUNDLE = KeyBundle.of([signing(), opening()])
ENCODED = encode_bundle(BUNDLE)
OPENER = opening()
ENTRY = wrap(ContentKey(SECRET), OPENER.public)
TORN = SecretBytes(ENCODED.reveal()[:-1])
ES256 = SigningKey.generate(SignatureAlgorithm.ES256, SIGNS, counter("es256"))
OPERATIONS: dict[str, Callable[[Path], object]] = {
    "envelope.close": lambda _: close(),
    "envelope.open": lambda _: envelope.open_envelope(CLOSED, PASSPHRASE, INTERACTIVE_DEMO),
    "bundle.encode": lambda _: encode_bundle(BUNDLE),
    "bundle.decode": lambda _: decode_bundle(ENCODED),
    "bundle.decode what is torn": lambda _: decode_bundle(TORN),
    "SigningKey.generate": lambda _: signing(),
    "SigningKey.sign": lambda _: BUNDLE.signing[SIGNS].sign(b"message"),
    "SigningKey.sign by ES256": lambda _: ES256.sign(b"message"),
    "DecryptionKey": lambda _: DecryptionKey(
        kid=OPENS, algorithm=EncryptionAlgorithm.HPKE_9_KE, seed=SecretBytes(SECRET)
    ),
    "wrap": lambda _: wrap(ContentKey(SECRET), OPENER.public),
    "unwrap": lambda _: unwrap(ENTRY, OPENER),
    "read_passphrase": lambda file: read_passphrase(file, {}),
    "FileProvider.add": lambda file: add_to_a_file(file.with_name("keys")),
}


def add_to_a_file(path: Path) -> None:
    """Write, read and change a key file."""
    # A new one each time: an interrupted writer holds its lock as long as its error lives.
    path = path.with_name(f"keys-{next(NUMBERS)}")
    provider = FileProvider.create(path, PASSPHRASE, [opening()], cost=INTERACTIVE_DEMO)
    provider.add([BUNDLE.signing[SIGNS]])


# A file whose opening is interrupted is closed by the collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", OPERATIONS)
def test_traceback_shows_no_secret_wherever_an_operation_fails(
    name: str, passphrase_file: Path
) -> None:
    """An error at any line of it carries no variable that holds the secret."""
    tried = 0
    for error in failures(lambda: OPERATIONS[name](passphrase_file)):
        tried += 1
        for shown in renderings(error):
            assert_hidden(shown)

    assert tried >= 2


def test_traceback_trial_finds_a_secret_where_one_is_shown() -> None:
    """The trial itself would notice: the same renderers, over a frame that holds the secret."""

    def careless(value: bytes) -> None:
        raise Raised(len(value))

    try:
        careless(SECRET)
    except Raised as error:
        shown = [*renderings(error, keep_all=True)]

    for each in shown:
        with pytest.raises(AssertionError):
            assert_hidden(each)


def failures(operation: Callable[[], object]) -> Iterator[BaseException]:
    """Run an operation again and again, and fail it at its first line, its second, …"""
    line = 0
    while True:
        line += 1
        error = failed_at(line, operation)
        if not isinstance(error, Raised):
            # It came through, or ended as it ends by itself: there are no more lines.
            if error is not None:
                yield error
            return
        yield error


def failed_at(line: int, operation: Callable[[], object]) -> BaseException | None:
    """Run an operation and raise at one of the lines of this program that it runs."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        file = frame.f_code.co_filename
        if not file.startswith((f"{ROOT}/keys", f"{ROOT}/broker")) or file == GUARD:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise Raised
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        operation()
    except Exception as error:  # noqa: BLE001 - whatever comes is looked at
        return error
    finally:
        sys.settrace(before)
    return None


def renderings(error: BaseException, *, keep_all: bool = False) -> Iterator[str]:
    """Render an error with all variables of all frames, but for those of this file."""
    found: TracebackType | None = error.__traceback__
    while not keep_all and found is not None and found.tb_frame.f_code.co_filename == __file__:
        found = found.tb_next
    bare = error.with_traceback(found)
    kind = type(bare)
    shown = traceback.TracebackException(kind, bare, found, capture_locals=True)
    yield "".join(shown.format())
    yield repr(rich_frames(kind, bare, found))
    transform = structlog.tracebacks.ExceptionDictTransformer(
        show_locals=True, locals_max_length=10_000, locals_max_string=10_000
    )
    yield repr(transform((kind, bare, found)))


def rich_frames(
    kind: type[BaseException], error: BaseException, found: TracebackType | None
) -> object:
    """Take what rich would print."""
    return rich.traceback.Traceback.extract(
        kind, error, found, show_locals=True, locals_max_length=None, locals_max_string=None
    )

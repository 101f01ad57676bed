"""Statements of use: only the desk that reads says so, of itself: in which role and for what."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from broker.admission.use import is_reader, verify_use
from broker.errors import Code, RefusedError
from broker.model.answers import UseStatement
from broker.model.names import DeskRef
from keys.key import SigningKey
from tests.admission.credentials import DROP, NOW, SECONDS, RsaKey, changed, token
from tests.admission.test_acknowledge import DESK, KEY, KEYS, RSA_KEY, WALLED_KEY, WALLED_OFF

PURPOSES = frozenset({"investigation", "prosecution"})
PAYLOAD: dict[str, Any] = {
    "mid": "0192d3b4-0000-7000-8000-000000000001",
    "hash": "h" * 43,
    "desk": "GT.intelligence",
    "reader": "analista de turno",
    "purpose": "investigation",
    "iat": SECONDS,
}


def sign(
    *, key: SigningKey | RsaKey = KEY, header: dict[str, Any] | None = None, **members: Any
) -> str:
    """Sign a statement of use."""
    good = {"alg": key.algorithm.value, "kid": key.kid, "typ": "enlace-use+jws"}
    return token(
        changed(good, header or {}),
        changed(PAYLOAD, members),
        key,  # type: ignore[arg-type] # an RSA key signs all the same
    )


def verify(statement: str, *, desk: DeskRef = DESK) -> UseStatement:
    """Check a statement."""
    return verify_use(statement, desk=desk, find_key=KEYS.get, purposes=PURPOSES, now=NOW)


@pytest.mark.parametrize("iat", [SECONDS - 3600, SECONDS, SECONDS + 60])
@pytest.mark.parametrize("reader", ["a", "analista de turno", "Fiscalía, unidad 3", "ñ" * 64])
def test_verify_reads_a_statement_when_the_desk_signed_it(iat: int, reader: str) -> None:
    """The token is kept as it came: it is the evidence."""
    signed = sign(iat=iat, reader=reader)

    use = verify(signed)

    assert (use.desk, use.message_id, use.content_hash) == (DESK, PAYLOAD["mid"], "h" * 43)
    assert (use.reader, use.purpose, use.token) == (reader, "investigation", signed)


INVALID: dict[str, Callable[[], str]] = {
    "an acknowledgement": lambda: sign(header={"typ": "enlace-ack+jws"}),
    "no typ": lambda: sign(header={"typ": DROP}),
    "alg none": lambda: sign(header={"alg": "none"}),
    "an RSA key": lambda: sign(key=RSA_KEY),
    "unknown kid": lambda: sign(header={"kid": "GT-desk-intelligence-9"}),
    "the other compartment's key": lambda: sign(key=WALLED_KEY),
    "the other compartment's key and name": lambda: sign(key=WALLED_KEY, desk="GT.protection"),
    "own key, the other's name": lambda: sign(desk="GT.protection"),
    "mid missing": lambda: sign(mid=DROP),
    "mid in capitals": lambda: sign(mid=str(PAYLOAD["mid"]).upper()),
    "hash too short": lambda: sign(hash="h" * 42),
    "hash a number": lambda: sign(hash=1),
    "reader missing": lambda: sign(reader=DROP),
    "reader empty": lambda: sign(reader=""),
    "reader too long": lambda: sign(reader="r" * 65),
    "reader on two lines": lambda: sign(reader="analyst\nof the day"),
    "reader with a control character": lambda: sign(reader="analyst\x1b[2J"),
    "reader written backwards": lambda: sign(reader="analyst\u202e"),
    "reader of spaces": lambda: sign(reader=" "),
    "reader with a space behind": lambda: sign(reader="analyst "),
    "reader is an address": lambda: sign(reader="ana@pgn.example"),
    "reader a number": lambda: sign(reader=1),
    "purpose missing": lambda: sign(purpose=DROP),
    "purpose that is not on the list": lambda: sign(purpose="curiosity"),
    "purpose an array": lambda: sign(purpose=["investigation"]),
    "purpose null": lambda: sign(purpose=None),
    "iat missing": lambda: sign(iat=DROP),
    "iat 61 s ahead": lambda: sign(iat=SECONDS + 61),
    "iat over an hour ago": lambda: sign(iat=SECONDS - 3601),
    "iat true": lambda: sign(iat=True),
    "iat a text": lambda: sign(iat="now"),
    "a member too many": lambda: sign(note="x"),
    "a member twice": lambda: token(
        changed({"alg": "Ed25519", "kid": KEY.kid, "typ": "enlace-use+jws"}, {}),
        b'{"mid":"x",' + json.dumps(PAYLOAD).encode()[1:],
        KEY,
    ),
    "oversize": lambda: sign(reader="x" * 3000),
    "not a token": lambda: "read",
    "changed afterwards": lambda: sign().replace(".", ".e", 1),
}


@pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)
def test_verify_refuses_a_statement_when_anything_is_wrong(make: Callable[[], str]) -> None:
    """One code for all: a statement counts or it does not."""
    statement = make()

    with pytest.raises(RefusedError) as caught:
        verify(statement)

    assert caught.value.code is Code.USE_INVALID


def test_verify_refuses_a_statement_when_another_desk_sends_it() -> None:
    """A desk cannot state for another by passing on what that one signed."""
    with pytest.raises(RefusedError):
        verify(sign(), desk=WALLED_OFF)


def test_is_reader_takes_a_role_and_no_address() -> None:
    """What stands in an evidence that others read must fit one line and name nobody."""
    assert is_reader("duty officer")
    assert not is_reader("duty@officer")

"""Wishes to re-wrap: only the desk that calls can make one, for itself, and now."""

from typing import Any

import pytest

from broker.admission.rewrap import RewrapWish, verify_rewrap
from broker.errors import Code, RefusedError
from broker.model.names import DeskRef
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey
from schemas.vocabulary import Compartment, Country
from tests.admission.credentials import DROP, NOW, SECONDS, changed, token

DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
WALLED_OFF = DeskRef(country=Country.GUATEMALA, compartment=Compartment.PROTECTION)
KEY = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GT-desk-intelligence-1"))
WALLED_KEY = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GT-desk-protection-1"))
KEYS: dict[str, tuple[VerificationKey, DeskRef]] = {
    KEY.kid: (KEY.public, DESK),
    WALLED_KEY.kid: (WALLED_KEY.public, WALLED_OFF),
}
RECIPIENT = {"header": {"alg": "HPKE-9-KE", "kid": "GT-next-2", "ek": "e"}, "encrypted_key": "k"}
PAYLOAD = {
    "mid": "0192d3b4-0000-7000-8000-000000000001",
    "hash": "h" * 43,
    "desk": "GT.intelligence",
    "iat": SECONDS,
    "old": "GT-enc-1",
    "recipient": RECIPIENT,
}
HOUR = 3600


def sign(*, key: SigningKey = KEY, typ: str = "enlace-rewrap+jws", **members: Any) -> str:
    """Sign a wish."""
    header = {"alg": key.algorithm.value, "kid": key.kid, "typ": typ}
    return token(changed(header, {}), changed(PAYLOAD, members), key)


def verify(wish: str, *, desk: DeskRef = DESK) -> RewrapWish:
    """Check a wish."""
    return verify_rewrap(wish, desk=desk, find_key=KEYS.get, now=NOW)


@pytest.mark.parametrize("iat", [SECONDS - HOUR, SECONDS, SECONDS + 60])
def test_verify_reads_a_wish_when_the_desk_signed_it(iat: int) -> None:
    """Within the hour; the entry is handed on as it is."""
    wish = verify(signed := sign(iat=iat))

    assert (wish.desk, wish.message_id, wish.content_hash) == (DESK, PAYLOAD["mid"], "h" * 43)
    assert (wish.old, wish.recipient, wish.token) == ("GT-enc-1", RECIPIENT, signed)


WRONG: dict[str, dict[str, Any]] = {
    "an acknowledgement": {"typ": "enlace-ack+jws"},
    "a key of another desk": {"key": WALLED_KEY},
    "for another desk": {"desk": "GT.protection"},
    "an hour and a second old": {"iat": SECONDS - HOUR - 1},
    "more than a minute ahead": {"iat": SECONDS + 61},
    "without a time": {"iat": DROP},
    "a time that is no number": {"iat": True},
    "a member too many": {"reason": "cannot-open"},
    "no message id": {"mid": "x"},
    "a hash for an id": {"mid": "h" * 43},
    "an id for a hash": {"hash": PAYLOAD["mid"]},
    "a hash too short": {"hash": "h" * 42},
    "an old key of no form": {"old": "gt"},
    "an old key that is no text": {"old": 1},
    "an entry that is no object": {"recipient": "x"},
    "without an entry": {"recipient": DROP},
    "larger than any": {"recipient": {**RECIPIENT, "encrypted_key": "k" * 6144}},
}


@pytest.mark.parametrize("name", WRONG)
def test_verify_refuses_alike_when_anything_is_wrong(name: str) -> None:
    """One code for all of it."""
    with pytest.raises(RefusedError) as refused:
        verify(sign(**WRONG[name]))

    assert refused.value.code is Code.REWRAP_INVALID


@pytest.mark.parametrize("text", ["", "a.b.c", "x"])
def test_verify_refuses_when_it_is_no_token(text: str) -> None:
    """Nor does it say more."""
    with pytest.raises(RefusedError) as refused:
        verify(text)

    assert refused.value.code is Code.REWRAP_INVALID


def test_verify_refuses_when_another_desk_brings_a_good_one() -> None:
    """A wish is good for the desk that signed it."""
    with pytest.raises(RefusedError):
        verify(sign(), desk=WALLED_OFF)

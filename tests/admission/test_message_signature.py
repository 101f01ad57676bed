"""Message signatures: the bytes are the calling agency's, before anybody reads them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.admission.message_signature import MAX_CHARS, verify_message_signature
from broker.errors import Code, SignatureError
from broker.model.message import Posting, SignedPosting
from broker.model.names import AgencyRef
from keys import base64url, jws
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey
from schemas.vocabulary import Country
from tests.admission.credentials import DROP, NOW, SECONDS, RsaKey, changed

FISCALIA = AgencyRef(country=Country.MEXICO, agency="fiscalia")
POLICE = AgencyRef(country=Country.MEXICO, agency="policia")
KEY = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("MX-fiscalia-1"))
EC_KEY = SigningKey.generate(SignatureAlgorithm.ES256, KeyId("MX-fiscalia-2"))
POLICE_KEY = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("MX-policia-1"))
RSA_KEY = RsaKey("MX-fiscalia-rsa")
KEYS: dict[str, tuple[VerificationKey, AgencyRef]] = {
    KEY.kid: (KEY.public, FISCALIA),
    EC_KEY.kid: (EC_KEY.public, FISCALIA),
    POLICE_KEY.kid: (POLICE_KEY.public, POLICE),
    RSA_KEY.kid: (RSA_KEY.public, FISCALIA),
}
BODY = b'{"id":"0192d3b4-0000-7000-8000-000000000001","texto":"\xc3\xb1"}\n'
MID = "0192d3b4-0000-7000-8000-000000000001"
CLAIMS: dict[str, Any] = {
    "mid": MID, "org": "MX/fiscalia", "sch": "route-report/1.0", "iat": SECONDS,
}  # fmt: skip


def sign(
    body: bytes = BODY, key: SigningKey | RsaKey = KEY, header: bytes | None = None, **members: Any
) -> str:
    """Sign a body with any header."""
    good = {
        "alg": key.algorithm.value, "typ": "enlace-message+jws", "kid": key.kid,
        "b64": False, "crit": ["b64"], **CLAIMS,
    }  # fmt: skip
    head = base64url.encode(changed(good, members) if header is None else header)
    return f"{head}..{base64url.encode(key.sign(f'{head}.'.encode() + body))}"


def verify(
    signature: str, body: bytes = BODY, caller: AgencyRef = FISCALIA, now: datetime = NOW
) -> SignedPosting:
    """Check a posting."""
    posting = Posting(body=body, signature=signature)
    return verify_message_signature(posting, caller=caller, find_key=KEYS.get, now=now)


ACCEPTED: dict[str, Callable[[], str]] = {
    "Ed25519": sign,
    "ES256": lambda: sign(key=EC_KEY),
    "by our own signer": lambda: jws.sign_detached(BODY, KEY, typ=jws.MESSAGE_TYP, claims=CLAIMS),
    "7 days old": lambda: sign(iat=SECONDS - 7 * 86_400),
    "60 s ahead": lambda: sign(iat=SECONDS + 60),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_verify_proves_the_sender_when_the_signature_is_his(make: Callable[[], str]) -> None:
    """The same bytes come out, with who signed them and what he said of them."""
    signature = make()

    signed = verify(signature)

    assert (signed.body, signed.signature, signed.sender) == (BODY, signature, FISCALIA)
    assert signed.signed_with in (KEY.kid, EC_KEY.kid)
    claims = signed.claims
    assert (claims.message_id, claims.origin, claims.schema) == tuple(
        CLAIMS[name] for name in ("mid", "org", "sch")
    )
    assert claims.issued_at.tzinfo is UTC


def test_verify_looks_into_nothing_when_the_body_is_no_json() -> None:
    """Bytes are bytes; parsing comes later."""
    body = b"\xff\x00not json"

    assert verify(sign(body), body).body == body


INVALID: dict[str, Callable[[], str]] = {
    "another body": lambda: sign(BODY + b" "),
    "an empty body": lambda: sign(b""),
    "payload within": lambda: sign().replace("..", f".{base64url.encode(BODY)}."),
    "payload encoded": lambda: sign(base64url.encode(BODY).encode()),
    "no b64": lambda: sign(b64=DROP, crit=DROP),
    "b64 true": lambda: sign(b64=True),
    "b64 without crit": lambda: sign(crit=DROP),
    "crit without b64": lambda: sign(b64=DROP),
    "more in crit": lambda: sign(crit=["b64", "exp"]),
    "typ missing": lambda: sign(typ=DROP),
    "typ of a receipt": lambda: sign(typ="enlace-receipt+jws"),
    "typ of an acknowledgement": lambda: sign(typ="enlace-ack+jws"),
    "alg none": lambda: sign(alg="none"),
    "alg HS256": lambda: sign(alg="HS256"),
    "alg EdDSA": lambda: sign(alg="EdDSA"),
    "alg of another key": lambda: sign(alg="ES256"),
    "an RSA key": lambda: sign(key=RSA_KEY),
    "unknown kid": lambda: sign(kid="MX-fiscalia-9"),
    "kid is a path": lambda: sign(kid="../MX-fiscalia-1"),
    "kid missing": lambda: sign(kid=DROP),
    "kid of no member": lambda: sign(kid="XX-fiscalia-1"),
    "own kid, another's key": lambda: sign(key=POLICE_KEY, kid=KEY.kid),
    "a key in the header": lambda: sign(jwk=POLICE_KEY.public.jwk()),
    "a key by URL": lambda: sign(jku="https://evil.test"),
    "a member too many": lambda: sign(exp=SECONDS),
    "mid missing": lambda: sign(mid=DROP),
    "mid a number": lambda: sign(mid=1),
    "org missing": lambda: sign(org=DROP),
    "org a number": lambda: sign(org=1),
    "sch missing": lambda: sign(sch=DROP),
    "sch an array": lambda: sign(sch=["route-report/1.0"]),
    "iat missing": lambda: sign(iat=DROP),
    "iat a text": lambda: sign(iat=str(SECONDS)),
    "iat true": lambda: sign(iat=True),
    "iat a fraction": lambda: sign(iat=SECONDS + 0.5),
    "iat beyond 2^53": lambda: sign(iat=2**60),
    "a member twice": lambda: sign(header=b'{"mid":"x",' + json.dumps(CLAIMS).encode()[1:]),
    "header over 2 KiB": lambda: sign(sch="s" * 255) + "A" * 2048,
    "not a token": lambda: "signature",
    "padding": lambda: sign() + "=",
    "beyond ASCII": lambda: sign() + "\udc80",
    "two signatures": lambda: f"{sign()}, {sign()}",
}


@pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)
def test_verify_refuses_a_posting_when_the_signature_does_not_hold(
    make: Callable[[], str],
) -> None:
    """A tampered body, a header beyond the protocol, a key that is none of his."""
    signature = make()

    with pytest.raises(SignatureError) as caught:
        verify(signature)

    assert caught.value.code is Code.SIGNATURE_INVALID


def test_verify_refuses_a_posting_when_it_is_not_signed() -> None:
    """The header is not optional."""
    with pytest.raises(SignatureError) as caught:
        verify("")

    assert caught.value.code is Code.SIGNATURE_MISSING


def test_verify_refuses_a_posting_when_the_key_is_another_agency_s() -> None:
    """Also one of the same country: an agency speaks for itself."""
    with pytest.raises(SignatureError) as caught:
        verify(sign(key=POLICE_KEY))

    assert caught.value.code is Code.SIGNATURE_FOREIGN


STALE = {
    "a second over 7 days": SECONDS - 7 * 86_400 - 1,
    "61 s ahead": SECONDS + 61,
    "1970": 0,
    "the largest number": 2**53 - 1,
}


@pytest.mark.parametrize("iat", STALE.values(), ids=STALE)
def test_verify_refuses_a_posting_when_it_was_not_signed_lately(iat: int) -> None:
    """What was signed long ago is not posted now."""
    with pytest.raises(SignatureError) as caught:
        verify(sign(iat=iat))

    assert caught.value.code is Code.SIGNATURE_STALE


OTHER_NAME = SigningKey.from_jwk(json.loads(KEY.export().reveal()) | {"kid": "MX-fiscalia-3"})
"""The author's key once more, stated under another id."""
KEYS[OTHER_NAME.kid] = (OTHER_NAME.public, FISCALIA)


def pair(first: str, second: str) -> str:
    """Put two signatures into one header."""
    return f"{first},{second}"


def test_verify_names_both_officers_when_a_second_one_signed() -> None:
    """The first signature is the author's; each may be of its own moment."""
    signature = pair(sign(), sign(key=EC_KEY, iat=SECONDS - 3600))

    signed = verify(signature)

    assert (signed.signed_with, signed.second_signed_with) == (KEY.kid, EC_KEY.kid)
    assert signed.signature == signature
    assert signed.claims.issued_at == NOW.replace(microsecond=0)


def test_verify_names_no_second_officer_when_one_signed() -> None:
    """Nobody is made up."""
    assert verify(sign()).second_signed_with is None


NO_PAIR: dict[str, tuple[Callable[[], str], Code]] = {
    "the author twice": (lambda: pair(sign(), sign(iat=SECONDS - 1)), Code.SIGNATURE_INVALID),
    "one signature twice": (lambda: pair(sign(), sign()), Code.SIGNATURE_INVALID),
    "his key under another name": (
        lambda: pair(sign(), sign(key=OTHER_NAME)),
        Code.SIGNATURE_INVALID,
    ),
    "the second of another agency": (
        lambda: pair(sign(), sign(key=POLICE_KEY)),
        Code.SIGNATURE_FOREIGN,
    ),
    "the first of another agency": (
        lambda: pair(sign(key=POLICE_KEY), sign()),
        Code.SIGNATURE_FOREIGN,
    ),
    "the second by an RSA key": (
        lambda: pair(sign(), sign(key=RSA_KEY)),
        Code.SIGNATURE_INVALID,
    ),
    "the second by a key that does not count": (
        lambda: pair(sign(), sign(key=EC_KEY, kid="MX-fiscalia-9")),
        Code.SIGNATURE_INVALID,
    ),
    "the second over other bytes": (
        lambda: pair(sign(), sign(BODY + b" ", EC_KEY)),
        Code.SIGNATURE_INVALID,
    ),
    "the second under the first's name": (
        lambda: pair(sign(), sign(key=EC_KEY, kid=KEY.kid, alg="Ed25519")),
        Code.SIGNATURE_INVALID,
    ),
    "the second of another type": (
        lambda: pair(sign(), sign(key=EC_KEY, typ="enlace-ack+jws")),
        Code.SIGNATURE_INVALID,
    ),
    "the second stale": (
        lambda: pair(sign(), sign(key=EC_KEY, iat=SECONDS - 7 * 86_400 - 1)),
        Code.SIGNATURE_STALE,
    ),
    "the second from later": (
        lambda: pair(sign(), sign(key=EC_KEY, iat=SECONDS + 61)),
        Code.SIGNATURE_STALE,
    ),
    "the first stale": (
        lambda: pair(sign(iat=0), sign(key=EC_KEY)),
        Code.SIGNATURE_STALE,
    ),
    "the second of another id": (
        lambda: pair(sign(), sign(key=EC_KEY, mid=MID[:-1] + "2")),
        Code.SIGNATURE_MISMATCH,
    ),
    "the second for another agency": (
        lambda: pair(sign(), sign(key=EC_KEY, org="MX/policia")),
        Code.SIGNATURE_MISMATCH,
    ),
    "the second of another schema": (
        lambda: pair(sign(), sign(key=EC_KEY, sch="route-report/1.1")),
        Code.SIGNATURE_MISMATCH,
    ),
    "three": (lambda: f"{sign()},{sign(key=EC_KEY)},{sign()}", Code.SIGNATURE_INVALID),
    "a space between": (lambda: f"{sign()}, {sign(key=EC_KEY)}", Code.SIGNATURE_INVALID),
    "a tab between": (lambda: f"{sign()}\t,{sign(key=EC_KEY)}", Code.SIGNATURE_INVALID),
    "a line end": (lambda: f"{sign()},{sign(key=EC_KEY)}\n", Code.SIGNATURE_INVALID),
    "only a space between": (lambda: f"{sign()} {sign(key=EC_KEY)}", Code.SIGNATURE_INVALID),
    "another separator": (lambda: f"{sign()};{sign(key=EC_KEY)}", Code.SIGNATURE_INVALID),
    "nothing behind the comma": (lambda: f"{sign()},", Code.SIGNATURE_INVALID),
    "nothing before the comma": (lambda: f",{sign()}", Code.SIGNATURE_INVALID),
    "a comma too many": (lambda: f"{sign()},,{sign(key=EC_KEY)}", Code.SIGNATURE_INVALID),
    "a comma alone": (lambda: ",", Code.SIGNATURE_INVALID),
    "both too long together": (
        lambda: pair(sign(sch="s" * 120), sign(key=EC_KEY, sch="s" * 120)),
        Code.SIGNATURE_INVALID,
    ),
}


@pytest.mark.parametrize("name", NO_PAIR)
def test_verify_refuses_a_posting_when_its_second_signature_does_not_hold(name: str) -> None:
    """A second signature that proves nothing is not ignored: the message is refused."""
    make, code = NO_PAIR[name]
    signature = make()

    with pytest.raises(SignatureError) as caught:
        verify(signature)

    assert caught.value.code is code


def test_signatures_of_two_officers_fit_when_every_name_is_the_longest() -> None:
    """The header's limit is the room that a sealed frame has for it."""
    kid = "MX-" + "k" * 37
    longest = sign(
        kid=kid, org="MX/" + "a" * 32, sch="k" * 32 + "/999.999", iat=2**40, alg="Ed25519"
    )

    assert len(pair(longest, longest)) <= MAX_CHARS == 1000

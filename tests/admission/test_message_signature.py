"""Message signatures: the bytes are the calling agency's, before anybody reads them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.admission.message_signature import verify_message_signature
from broker.errors import Code, SignatureError
from broker.model import AgencyRef, Posting, SignedPosting
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

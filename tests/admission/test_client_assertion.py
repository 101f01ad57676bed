"""Client assertions: one door, and everything else looks alike from outside."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from broker.admission.client_assertion import AuthenticatedClient, verify_client_assertion
from broker.errors import AuthenticationError, Code
from keys import base64url
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey
from tests.admission.credentials import (
    BASE_URL,
    DROP,
    NOW,
    SECONDS,
    TOKEN_URL,
    Client,
    RsaKey,
    changed,
    token,
)

CLIENT = Client()
ED_CLIENT = Client("GT.mp", SignatureAlgorithm.ED25519)
OTHER = Client("SV.fgr")
CLIENTS = {each.client_id: (each.key.public,) for each in (CLIENT, ED_CLIENT)}


def verify(assertion: str, clients: dict[str, Any] | None = None) -> AuthenticatedClient:
    """Check an assertion as the token endpoint does."""
    find = (CLIENTS if clients is None else clients).get
    return verify_client_assertion(assertion, issuer=BASE_URL, now=NOW, find_client_keys=find)


ACCEPTED: dict[str, Callable[[], str]] = {
    "as FAPI asks": CLIENT.assertion,
    "typ JWT": lambda: CLIENT.assertion(header={"typ": "JWT"}),
    "typ client-authentication+jwt": lambda: CLIENT.assertion(
        header={"typ": "client-authentication+jwt"}
    ),
    "without kid": lambda: CLIENT.assertion(header={"kid": DROP}),
    "without iat, good for 5 minutes": lambda: CLIENT.assertion(iat=DROP, exp=SECONDS + 300),
    "a clock 10 s ahead": lambda: CLIENT.assertion(iat=SECONDS + 10, nbf=SECONDS + 10),
    "one second left": lambda: CLIENT.assertion(iat=SECONDS - 59, exp=SECONDS + 1),
    "a claim that we do not know": lambda: CLIENT.assertion(tenant="x"),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_verify_names_the_client_when_the_assertion_is_good(make: Callable[[], str]) -> None:
    """What stock clients write is accepted."""
    assert verify(make()).client_id == CLIENT.client_id


@pytest.mark.parametrize("name", ["Ed25519", "EdDSA"])
def test_verify_takes_both_spellings_when_the_key_is_ed25519(name: str) -> None:
    """RFC 9864 renamed EdDSA; stock clients write either."""
    assert verify(ED_CLIENT.assertion(header={"alg": name})).client_id == "GT.mp"


def test_verify_takes_ps256_when_the_key_is_rsa() -> None:
    """FAPI 2.0 allows PS256, and RSA keys of 2048 bits."""
    client, key = Client("US.agency"), RsaKey()
    client.key = key  # type: ignore[assignment] # signs all the same

    assert verify(client.assertion(), {"US.agency": [key.public]}).client_id == "US.agency"


def test_verify_keeps_the_jti_spent_until_no_clock_of_ours_accepts_it() -> None:
    """A replay is known until the assertion has expired for the slowest gateway too."""
    verified = verify(CLIENT.assertion(jti="j"))

    assert verified.replay_until == NOW + timedelta(seconds=120)
    assert len(verified.replay_key) == hashlib.sha256().digest_size
    assert verified.replay_key == verify(CLIENT.assertion(jti="j", nbf=SECONDS)).replay_key
    assert verified.replay_key != verify(ED_CLIENT.assertion(jti="j")).replay_key


def hmac_signed(header: dict[str, Any]) -> str:
    """Sign with the public key as an HMAC secret: algorithm confusion."""
    public = json.dumps(CLIENT.key.public.jwk()).encode()
    head = base64url.encode(json.dumps({**header, "kid": CLIENT.key.kid}).encode())
    body = base64url.encode(changed(CLIENT.assertion_claims(), {}))
    mac = hmac.digest(public, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64url.encode(mac)}"


def raw(header: bytes | None = None, claims: bytes | None = None) -> str:
    """Sign bytes that no JSON writer would write."""
    good = {"alg": "ES256", "kid": CLIENT.key.kid}
    return token(
        header if header is not None else changed(good, {}),
        claims if claims is not None else changed(CLIENT.assertion_claims(), {}),
        CLIENT.key,
    )


def twice(name: str, first: object) -> bytes:
    """Write good claims in which one member stands twice, the good one last."""
    good = changed(CLIENT.assertion_claims(), {}).decode()
    return f'{{"{name}":{json.dumps(first)},{good[1:]}'.encode()


def unsigned() -> str:
    """Leave the signature empty."""
    return CLIENT.assertion(header={"alg": "none"}).rpartition(".")[0] + "."


def with_header(**members: object) -> Callable[[], str]:
    """Change the header."""
    return lambda: CLIENT.assertion(header=members)


def with_claims(**claims: Any) -> Callable[[], str]:
    """Change the claims."""
    return lambda: CLIENT.assertion(**claims)


def in_standard_alphabet() -> str:
    """Write the signature with + and /, of a token that needs one of them."""
    while True:
        head, _, signature = CLIENT.assertion().rpartition(".")
        standard = signature.replace("-", "+").replace("_", "/")
        if standard != signature:
            return f"{head}.{standard}"


def with_loose_bits(assertion: str) -> str:
    """Spell the same signature bytes in a second way."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    second = assertion[:-1] + alphabet[alphabet.index(assertion[-1]) + 1]
    assert base64.urlsafe_b64decode(second.rpartition(".")[2] + "==") == base64.urlsafe_b64decode(
        assertion.rpartition(".")[2] + "=="
    )
    return second


REFUSED: dict[str, Callable[[], str]] = {
    # 1: algorithms
    "alg none, unsigned": unsigned,
    "alg none, signed": with_header(alg="none"),
    "alg missing": with_header(alg=DROP),
    "HS256 with the public key as secret": lambda: hmac_signed({"alg": "HS256"}),
    "HMAC said to be ES256": lambda: hmac_signed({"alg": "ES256"}),
    "RS256": with_header(alg="RS256"),
    "another algorithm than the key's": with_header(alg="Ed25519"),
    "alg in other letters": with_header(alg="es256"),
    # 2: critical members
    "unknown crit": with_header(crit=["exp"], exp=SECONDS + 60),
    "b64 false": with_header(crit=["b64"], b64=False),
    "empty crit": with_header(crit=[]),
    # 3: key ids
    "kid is a path": with_header(kid="../../dev/null"),
    "kid is SQL": with_header(kid="MX-a' OR '1'='1"),
    "kid is a URL": with_header(kid="https://evil.test/key"),
    "kid is a number": with_header(kid=1),
    "kid of another client": with_header(kid="SV-fgr-client-1"),
    "kid with a line end": with_header(kid=f"{CLIENT.key.kid}\n"),
    # 4: keys from the header
    "jku": with_header(jku="https://evil.test/jwks"),
    "x5u": with_header(x5u="https://evil.test/cert"),
    "x5c": with_header(x5c=["MII="]),
    "jwk": lambda: CLIENT.assertion(header={"jwk": CLIENT.dpop_jwk}),
    # 5: tokens for something else
    "an access token": with_header(typ="at+jwt"),
    "a DPoP proof": with_header(typ="dpop+jwt"),
    "a receipt": with_header(typ="enlace-receipt+jws"),
    "a key statement": with_header(typ="enlace-key-statement+jws"),
    # 13: audience
    "aud is the token endpoint": with_claims(aud=TOKEN_URL),
    "aud is another server": with_claims(aud="https://evil.test"),
    "aud has a slash": with_claims(aud=f"{BASE_URL}/"),
    "aud is an array of one": with_claims(aud=[BASE_URL]),
    "aud is an array of two": with_claims(aud=[BASE_URL, "https://evil.test"]),
    "aud missing": with_claims(aud=DROP),
    "aud null": with_claims(aud=None),
    # who
    "iss is not sub": with_claims(sub="GT.mp"),
    "iss missing": with_claims(iss=DROP),
    "sub missing": with_claims(sub=DROP),
    "client id is no client id": with_claims(iss="MX fiscalia", sub="MX fiscalia"),
    "client id with a line end": with_claims(iss="MX.fiscalia\n", sub="MX.fiscalia\n"),
    "client id of another, own key": with_claims(iss="GT.mp", sub="GT.mp"),
    "client id is an object": with_claims(iss={"a": 1}, sub={"a": 1}),
    # when
    "expired": with_claims(iat=SECONDS - 60, exp=SECONDS),
    "exp 61 s after iat": with_claims(exp=SECONDS + 61),
    "exp 301 s ahead without iat": with_claims(iat=DROP, exp=SECONDS + 301),
    "exp missing": with_claims(exp=DROP),
    "exp is a text": with_claims(exp=str(SECONDS + 30)),
    "exp is true": with_claims(exp=True),
    "exp is a fraction": with_claims(exp=SECONDS + 0.5),
    "exp beyond all time": with_claims(iat=DROP, exp=10**30),
    "iat 11 s ahead": with_claims(iat=SECONDS + 11),
    "iat null": with_claims(iat=None),
    "nbf 11 s ahead": with_claims(nbf=SECONDS + 11),
    # once
    "jti missing": with_claims(jti=DROP),
    "jti empty": with_claims(jti=""),
    "jti is a number": with_claims(jti=7),
    "jti of 257 characters": with_claims(jti="j" * 257),
    "jti with a NUL": with_claims(jti="a\0b"),
    "jti with half a surrogate": with_claims(jti="\ud800"),
    # 15: duplicate members
    "alg twice": lambda: raw(b'{"alg":"none","alg":"ES256"}'),
    "alg twice by an escape": lambda: raw(b'{"alg":"ES256","\\u0061lg":"ES256"}'),
    "aud twice": lambda: raw(claims=twice("aud", "https://evil.test")),
    "sub twice": lambda: raw(claims=twice("sub", "GT.mp")),
    # 16: what is no JSON object
    "header is an array": lambda: raw(b'["ES256"]'),
    "header is not JSON": lambda: raw(b"{"),
    "header has a byte order mark": lambda: raw(b'\xef\xbb\xbf{"alg":"ES256"}'),
    "header is deep": lambda: raw(b'{"alg":"ES256","jwk":' + b'{"a":' * 900 + b"1" + b"}" * 901),
    "claims are an array": lambda: raw(claims=b"[]"),
    "claims hold NaN": lambda: raw(claims=b'{"exp":NaN}'),
    "claims are UTF-16": lambda: raw(claims='{"a":1}'.encode("utf-16")),
    # forms
    "empty": lambda: "",
    "not a token": lambda: "not a token",
    "two parts": lambda: CLIENT.assertion().rpartition(".")[0],
    "four parts": lambda: CLIENT.assertion() + ".e30",
    "oversize": with_claims(pad="x" * 5000),
    "a leading space": lambda: " " + CLIENT.assertion(),
    "a trailing line end": lambda: CLIENT.assertion() + "\n",
    "beyond ASCII": lambda: CLIENT.assertion() + "é",
    "padding on the signature": lambda: CLIENT.assertion() + "==",
    "a line end within": lambda: CLIENT.assertion().replace(".", ".\n", 1),
    "the standard alphabet": in_standard_alphabet,
    "loose last bits": lambda: with_loose_bits(CLIENT.assertion()),
    "a signature cut short": lambda: CLIENT.assertion()[:-4],
    "a signature of zeros": lambda: CLIENT.assertion().rpartition(".")[0] + "." + "A" * 86,
    # 30: unknown clients
    "an unknown client": OTHER.assertion,
    "a known client, another's signature": lambda: token(
        changed({"alg": "ES256", "kid": CLIENT.key.kid}, {}),
        changed(CLIENT.assertion_claims(), {}),
        OTHER.key,
    ),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_verify_refuses_alike_when_anything_is_wrong(make: Callable[[], str]) -> None:
    """One error, one code, one text: what was wrong stays unsaid."""
    assertion = make()

    with pytest.raises(AuthenticationError) as caught:
        verify(assertion)

    assert caught.value.code is Code.TOKEN_INVALID
    assert str(caught.value) == Code.TOKEN_INVALID.value
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_verify_refuses_a_client_when_it_has_no_keys() -> None:
    """A client whose keys are all revoked is as unknown as any."""
    with pytest.raises(AuthenticationError):
        verify(CLIENT.assertion(), {CLIENT.client_id: ()})


def test_verify_refuses_when_two_keys_fit_and_no_kid_says_which() -> None:
    """While keys change, a client has to name its key."""
    second = SigningKey.generate(SignatureAlgorithm.ES256, KeyId("MX-fiscalia-client-2"))
    keys = {CLIENT.client_id: [CLIENT.key.public, second.public]}

    assert verify(CLIENT.assertion(), keys).client_id == CLIENT.client_id
    with pytest.raises(AuthenticationError):
        verify(CLIENT.assertion(header={"kid": DROP}), keys)


def test_verify_refuses_a_signature_by_the_decoy_key_when_the_client_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even a signature that the decoy accepts authenticates nobody."""
    monkeypatch.setattr(VerificationKey, "verify", lambda *_: None)

    with pytest.raises(AuthenticationError):
        verify(OTHER.assertion())


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "EdDSA", "PS256"])
def test_verify_checks_one_signature_when_client_or_key_is_unknown(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown client, and a known one without such a key, cost one signature check."""
    checked: list[str] = []
    real = VerificationKey.verify

    def count(key: VerificationKey, message: bytes, signature: bytes) -> None:
        checked.append(key.algorithm.value)
        real(key, message, signature)

    monkeypatch.setattr(VerificationKey, "verify", count)
    for client in (CLIENT, OTHER):
        with pytest.raises(AuthenticationError):
            verify(client.assertion(header={"alg": algorithm}, aud="https://evil.test"))

    expected = "Ed25519" if algorithm == "EdDSA" else algorithm
    assert checked == [expected, expected]

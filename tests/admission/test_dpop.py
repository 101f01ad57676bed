"""DPoP proofs: the twelve checks of RFC 9449 section 4.3, one row or more for each."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from broker.admission.authenticate import token_hash
from broker.admission.dpop import DpopNonces, Proof, verify_proof
from broker.errors import AuthenticationError, Code
from keys.algorithms import SignatureAlgorithm
from tests.admission.credentials import (
    BASE_URL,
    DROP,
    NONCES,
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
ACCESS_TOKEN = "header.claims.signature"
SHARED = b'"jti":"abcdefgh","htm":"POST","iat":%d,"nonce":"%b"'


def verify(
    *headers: str, method: str = "POST", url: str = TOKEN_URL, access_token: str | None = None
) -> Proof:
    """Check the proof of a token request, unless told otherwise."""
    return verify_proof(
        headers,
        method=method,
        url=url,
        now=NOW,
        nonces=NONCES,
        access_token_hash=None if access_token is None else token_hash(access_token),
    )


ACCEPTED: dict[str, Callable[[], str]] = {
    "as the RFC writes it": CLIENT.proof,
    "59 s old": lambda: CLIENT.proof(iat=SECONDS - 60),
    "10 s ahead": lambda: CLIENT.proof(iat=SECONDS + 10),
    "the previous nonce": lambda: CLIENT.proof(nonce=NONCES.current(NOW - timedelta(minutes=1))),
    "htu with query and fragment": lambda: CLIENT.proof(htu=f"{TOKEN_URL}?a=b#c"),
    "htu with default port": lambda: CLIENT.proof(htu="https://gateway.test:443/oauth/token"),
    "htu with capital host": lambda: CLIENT.proof(htu="HTTPS://Gateway.Test/oauth/token"),
    "a claim that we do not know": lambda: CLIENT.proof(extra=1),
    "jwk with alg and kid": lambda: CLIENT.proof(header={"jwk": CLIENT.dpop_key.public.jwk()}),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_verify_names_the_key_when_the_proof_is_good(make: Callable[[], str]) -> None:
    """The proof yields the RFC 7638 thumbprint of its key."""
    assert verify(make()).jkt == CLIENT.jkt


@pytest.mark.parametrize("name", ["Ed25519", "EdDSA"])
def test_verify_takes_both_spellings_when_the_key_is_ed25519(name: str) -> None:
    """Stock clients write either."""
    assert verify(ED_CLIENT.proof(header={"alg": name})).jkt == ED_CLIENT.jkt


def test_verify_takes_ps256_when_the_key_is_rsa() -> None:
    """The metadata offers it."""
    client, key = Client(), RsaKey()
    client.dpop_key = key  # type: ignore[assignment] # signs all the same

    assert verify(client.proof()).jkt == key.public.thumbprint


def test_verify_binds_the_proof_to_its_token_when_there_is_one() -> None:
    """``ath`` is the hash of the very token beside it."""
    proof = CLIENT.proof(access_token=ACCESS_TOKEN)

    assert verify(proof, access_token=ACCESS_TOKEN).jkt == CLIENT.jkt


def test_verify_names_what_to_spend_when_the_proof_is_good() -> None:
    """One jti of one key has one name, kept until no gateway accepts the proof."""
    first, again = verify(CLIENT.proof(jti="j")), verify(CLIENT.proof(jti="j", iat=SECONDS - 1))

    assert first.replay_key == again.replay_key
    assert len(first.replay_key) == hashlib.sha256().digest_size
    assert first.replay_until == NOW + timedelta(seconds=120)
    assert first.replay_key != verify(OTHER.proof(jti="j")).replay_key


def private() -> str:
    """Put the private key into the header."""
    return CLIENT.proof(header={"jwk": {**CLIENT.dpop_jwk, "d": CLIENT.dpop_jwk["x"]}})


def with_claims(**claims: Any) -> Callable[[], str]:
    """Change the claims."""
    return lambda: CLIENT.proof(**claims)


def with_header(**members: object) -> Callable[[], str]:
    """Change the header."""
    return lambda: CLIENT.proof(header=members)


def twice(claims: bytes) -> str:
    """Sign claims in which a member stands twice."""
    header = changed({"typ": "dpop+jwt", "alg": "ES256", "jwk": CLIENT.dpop_jwk}, {})
    good = b"{%b," % claims + SHARED % (SECONDS, NONCES.current(NOW).encode())
    return token(header, good + b',"htu":"%b"}' % TOKEN_URL.encode(), CLIENT.dpop_key)


REFUSED: dict[str, Callable[[], str]] = {
    # (2) well formed
    "empty": lambda: "",
    "no token": lambda: "proof",
    "two proofs in one header": lambda: f"{CLIENT.proof()},{CLIENT.proof()}",
    "oversize": with_claims(pad="x" * 5000),
    "padding": lambda: CLIENT.proof() + "==",
    "a space": lambda: CLIENT.proof() + " ",
    "htu twice": lambda: twice(b'"htu":"https://evil.test"'),
    "claims are no object": lambda: token(
        changed({"typ": "dpop+jwt", "alg": "ES256", "jwk": CLIENT.dpop_jwk}, {}),
        b"[]",
        CLIENT.dpop_key,
    ),
    # (3) all claims
    "jti missing": with_claims(jti=DROP),
    "jti a number": with_claims(jti=5),
    "jti too long": with_claims(jti="j" * 257),
    "htm missing": with_claims(htm=DROP),
    "htu missing": with_claims(htu=DROP),
    "iat missing": with_claims(iat=DROP),
    "iat a text": with_claims(iat=str(SECONDS)),
    "iat a fraction": with_claims(iat=SECONDS + 0.5),
    "iat true": with_claims(iat=True),
    # (4) type
    "typ missing": with_header(typ=DROP),
    "typ JWT": with_header(typ="JWT"),
    "an access token": with_header(typ="at+jwt"),
    "a client assertion": with_header(typ="client-authentication+jwt"),
    "a receipt": with_header(typ="enlace-receipt+jws"),
    # (5) algorithm
    "alg none": with_header(alg="none"),
    "alg HS256": with_header(alg="HS256"),
    "alg RS256": with_header(alg="RS256"),
    "alg of another key type": with_header(alg="Ed25519"),
    "an octet key": with_header(alg="HS256", jwk={"kty": "oct", "k": "AAAA"}),
    "a P-384 key": with_header(jwk={"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA"}),
    "an X25519 key": with_header(jwk={"kty": "OKP", "crv": "X25519", "x": "A" * 43}),
    "jwk says another alg": lambda: CLIENT.proof(
        header={"jwk": {**CLIENT.dpop_jwk, "alg": "EdDSA"}}
    ),
    # (6) signature
    "another's key in the header": with_header(jwk=OTHER.dpop_jwk),
    "no key": with_header(jwk=DROP),
    "a key by reference": with_header(jwk=DROP, jku="https://evil.test"),
    "a key by id": with_header(jwk=DROP, kid="MX-fiscalia-client-1"),
    "a certificate too": with_header(x5c=["MII="]),
    "a point off the curve": lambda: CLIENT.proof(
        header={"jwk": {**CLIENT.dpop_jwk, "x": "A" * 43}}
    ),
    "a null signature": lambda: CLIENT.proof().rpartition(".")[0] + "." + "A" * 86,
    "unknown crit": with_header(crit=["exp"]),
    # (7) private part
    "a private key": private,
    # (8) method
    "another method": with_claims(htm="GET"),
    "the method in small letters": with_claims(htm="post"),
    "the method is an array": with_claims(htm=["POST"]),
    # (9) URL
    "another path": with_claims(htu=f"{BASE_URL}/v1/messages"),
    "another host": with_claims(htu="https://evil.test/oauth/token"),
    "another port": with_claims(htu="https://gateway.test:8443/oauth/token"),
    "plain HTTP": with_claims(htu="http://gateway.test/oauth/token"),
    "a path that goes on": with_claims(htu=f"{TOKEN_URL}/"),
    "a path escaped": with_claims(htu=f"{BASE_URL}/oauth/%74oken"),
    "a user name": with_claims(htu="https://gateway.test@evil.test/oauth/token"),
    "our host as user name": with_claims(htu="https://evil@gateway.test/oauth/token"),
    "a tab within": with_claims(htu="https://gateway.test/oauth\t/token"),
    "no URL": with_claims(htu="https://[/oauth/token"),
    "a port that is none": with_claims(htu="https://gateway.test:x/oauth/token"),
    "the path alone": with_claims(htu="/oauth/token"),
    "htu an object": with_claims(htu={"a": 1}),
    # (11) time
    "61 s old": with_claims(iat=SECONDS - 61),
    "11 s ahead": with_claims(iat=SECONDS + 11),
    "beyond all time": with_claims(iat=10**30),
    "before all time": with_claims(iat=-1),
    "half a surrogate": with_claims(nonce="\ud800"),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_verify_refuses_a_proof_when_a_check_fails(make: Callable[[], str]) -> None:
    """Each check has its row; all have one code."""
    proof = make()

    with pytest.raises(AuthenticationError) as caught:
        verify(proof)

    assert caught.value.code is Code.PROOF_INVALID


@pytest.mark.parametrize("headers", [(), (CLIENT.proof(),) * 2], ids=["none", "two"])
def test_verify_refuses_when_there_is_not_one_header(headers: Sequence[str]) -> None:
    """(1) Two headers could be read as either."""
    with pytest.raises(AuthenticationError) as caught:
        verify(*headers)

    assert caught.value.code is Code.PROOF_INVALID


STALE: dict[str, Callable[[], object]] = {
    "missing": lambda: DROP,
    "empty": lambda: "",
    "null": lambda: None,
    "two minutes old": lambda: NONCES.current(NOW - timedelta(minutes=2)),
    "of the next minute": lambda: NONCES.current(NOW + timedelta(minutes=1)),
    "of another secret": lambda: DpopNonces(b"x" * 32).current(NOW),
    "beyond ASCII": lambda: "é" * 43,
    "an array": lambda: [NONCES.current(NOW)],
}


@pytest.mark.parametrize("nonce", STALE.values(), ids=STALE)
def test_verify_asks_for_a_nonce_when_it_is_not_fresh(nonce: Callable[[], object]) -> None:
    """(10) The client is told to try again with the nonce of the answer."""
    with pytest.raises(AuthenticationError) as caught:
        verify(CLIENT.proof(nonce=nonce(), iat=SECONDS - 3600))

    assert caught.value.code is Code.PROOF_NONCE


@pytest.mark.parametrize("ath", [DROP, token_hash("another"), ACCESS_TOKEN, None, 1])
def test_verify_refuses_when_the_proof_is_for_another_token(ath: object) -> None:
    """(12) A proof without ``ath``, or of another token, opens no resource."""
    with pytest.raises(AuthenticationError) as caught:
        verify(CLIENT.proof(access_token=ACCESS_TOKEN, ath=ath), access_token=ACCESS_TOKEN)

    assert caught.value.code is Code.PROOF_INVALID


def test_nonces_are_good_for_two_buckets_when_made_by_any_process() -> None:
    """All processes with the secret agree, without a store."""
    nonce = DpopNonces(b"n" * 32).current(NOW)

    accepted = [NONCES.accepts(nonce, NOW + timedelta(seconds=60 * each)) for each in range(-1, 3)]

    assert accepted == [False, True, True, False]


def test_nonces_refuse_a_secret_when_it_is_short() -> None:
    """128 bits and more, and never an empty default."""
    with pytest.raises(ValueError, match="32 bytes"):
        DpopNonces(b"short")


def test_nonces_hide_their_secret_when_shown() -> None:
    """Logs and tracebacks hold no secret."""
    assert repr(NONCES) == "<DpopNonces: hidden>"

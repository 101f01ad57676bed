"""A document that several sign, each on a machine of his own."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from keys import base64url, jws, signed
from keys.algorithms import SignatureAlgorithm
from keys.errors import SignatureError
from keys.identifiers import KeyId, parse_kid
from keys.key import SigningKey, VerificationKey
from keys.signed import MAX_CHARS, MAX_SIGNATURES, add_signature, read, sign, signers_of, typ_of

MakeSigningKey = Callable[..., SigningKey]
TYP = "enlace-key-statement+jws"
PAYLOAD = b'{"a":1}'


@pytest.fixture
def uno(make_signing_key: MakeSigningKey) -> SigningKey:
    """Give the first holder's key."""
    return make_signing_key("MX-root-uno")


@pytest.fixture
def dos(make_signing_key: MakeSigningKey) -> SigningKey:
    """Give the second holder's key, of another algorithm."""
    return make_signing_key("MX-root-dos", SignatureAlgorithm.ES256)


def known(*keys: SigningKey) -> Callable[[KeyId], VerificationKey | None]:
    """Know these keys, and no others."""
    return {key.kid: key.public for key in keys}.get


def test_signers_of_names_those_who_signed(uno: SigningKey, dos: SigningKey) -> None:
    """The payload comes back as it was, and each signature stands for itself."""
    document = read(sign(PAYLOAD, [uno, dos], typ=TYP))

    assert document.payload == PAYLOAD
    assert signers_of(document, typ=TYP, find_key=known(uno, dos)) == {uno.kid, dos.kid}


def test_add_signature_gives_one_document_in_whatever_order_they_sign(
    uno: SigningKey, make_signing_key: MakeSigningKey
) -> None:
    """Files that travel between holders end as the same bytes."""
    tres = make_signing_key("MX-root-tres")
    draft = sign(PAYLOAD, [], typ=TYP)

    one_way = add_signature(add_signature(draft, uno, typ=TYP), tres, typ=TYP)
    other_way = add_signature(add_signature(draft, tres, typ=TYP), uno, typ=TYP)

    assert one_way == other_way == sign(PAYLOAD, [tres, uno], typ=TYP)


def test_add_signature_replaces_the_own_one_when_somebody_signs_twice(uno: SigningKey) -> None:
    """Nobody is counted for two."""
    once = sign(PAYLOAD, [uno], typ=TYP)

    assert read(add_signature(once, uno, typ=TYP)).kids == (uno.kid,)


def test_signers_of_counts_a_stranger_for_nothing(uno: SigningKey, dos: SigningKey) -> None:
    """He may be of another version of the root."""
    document = read(sign(PAYLOAD, [uno, dos], typ=TYP))

    assert signers_of(document, typ=TYP, find_key=known(uno)) == {uno.kid}
    assert signers_of(document, typ=TYP, find_key=known()) == frozenset()


def test_signers_of_refuses_the_whole_when_a_known_key_does_not_hold(
    uno: SigningKey, dos: SigningKey
) -> None:
    """Somebody changed it on the way, or signed it for something else."""
    impostor = SigningKey.generate(SignatureAlgorithm.ES256, parse_kid("MX-root-dos"))
    other_words = json.loads(sign(b'{"a":2}', [uno], typ=TYP))
    other_words["payload"] = base64url.encode(PAYLOAD)
    documents = [
        sign(PAYLOAD, [uno, impostor], typ=TYP),
        sign(PAYLOAD, [uno, dos], typ="enlace-root+jws"),
        json.dumps(other_words),
    ]

    for token in documents:
        with pytest.raises(SignatureError):
            signers_of(read(token), typ=TYP, find_key=known(uno, dos))


def changed(token: str, change: Callable[[dict[str, Any]], object]) -> str:
    """Say something else in the document."""
    members: dict[str, Any] = json.loads(token)
    change(members)
    return json.dumps(members)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no payload": lambda one: one.pop("payload"),
    "no signatures": lambda one: one.pop("signatures"),
    "a member too many": lambda one: one.update(color="red"),
    "flattened": lambda one: one.update(one["signatures"][0]),
    "payload no text": lambda one: one.update(payload=1),
    "payload not base64url": lambda one: one.update(payload="a+/="),
    "signatures no list": lambda one: one.update(signatures={}),
    "a signature no object": lambda one: one.update(signatures=["x"]),
    "an unprotected header": lambda one: one["signatures"][0].update(header={}),
    "a signature no text": lambda one: one["signatures"][0].update(signature=None),
    "a signature twice": lambda one: one.update(signatures=one["signatures"] * 2),
    "a header that is none": lambda one: one["signatures"][0].update(protected="AA"),
    "a key of no name": lambda one: one["signatures"][0].update(
        protected=base64url.encode(b'{"alg":"EdDSA","kid":"../x","typ":"x+jws"}')
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_read_refuses_what_is_not_of_the_one_form(
    uno: SigningKey, change: Callable[[dict[str, Any]], object]
) -> None:
    """Strict, and the text of the error repeats nothing."""
    token = changed(sign(PAYLOAD, [uno], typ=TYP), change)

    with pytest.raises(SignatureError) as refused:
        read(token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    "token",
    ["", "[]", "null", "a.b.c", '{"payload":"","payload":"","signatures":[]}', "{" * 5000, "ñ"],
)
def test_read_refuses_what_is_no_document(token: str) -> None:
    """Nothing else is guessed at."""
    with pytest.raises(SignatureError):
        read(token)


def test_read_refuses_what_is_too_large(make_signing_key: MakeSigningKey) -> None:
    """Nine holders of an old root and nine of a new one, and not one more."""
    keys = [make_signing_key(f"MX-root-h{number}") for number in range(MAX_SIGNATURES + 1)]

    assert len(read(sign(PAYLOAD, keys[:-1], typ=TYP)).kids) == MAX_SIGNATURES
    for token in (sign(PAYLOAD, keys, typ=TYP), sign(bytes(MAX_CHARS), keys[:1], typ=TYP)):
        with pytest.raises(SignatureError):
            read(token)


def test_typ_of_names_what_all_signed_it_for(uno: SigningKey, dos: SigningKey) -> None:
    """Nobody's, two at once, or garbage: then it is nothing."""
    mixed = json.loads(sign(PAYLOAD, [uno], typ=TYP))
    mixed["signatures"] += json.loads(sign(PAYLOAD, [dos], typ="enlace-root+jws"))["signatures"]

    assert typ_of(sign(PAYLOAD, [uno, dos], typ=TYP)) == TYP
    for token in (sign(PAYLOAD, [], typ=TYP), json.dumps(mixed), "x"):
        assert typ_of(token) is None


def test_document_is_not_shown_when_it_is_printed(uno: SigningKey) -> None:
    """Logs name who signed at most."""
    document = signed.read(sign(PAYLOAD, [uno], typ=TYP))

    assert base64url.encode(PAYLOAD) not in repr(document)
    assert jws.sign_compact(PAYLOAD, uno, typ=TYP).split(".")[2] not in repr(document)

"""Whatever is changed in a sealed message, it does not open, and says nothing more."""

import base64
import hashlib
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.errors import UnsealError
from broker.sealing import wire
from broker.sealing.content import COMMITMENT_LABEL
from broker.sealing.route import SealRoute
from broker.sealing.seal import SealedMessage
from broker.sealing.unseal import unseal
from broker.sealing.wrap import INFO
from keys.key import DecryptionKey

Jwe = dict[str, Any]
Change = Callable[[Jwe], object]


def b64(data: bytes) -> str:
    """Encode base64url without our own encoder."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Decode base64url without our own decoder."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def flip(text: str, position: int = 0) -> str:
    """Change one bit of what a text encodes."""
    data = bytearray(unb64(text))
    data[position] ^= 1
    return b64(bytes(data))


def own(jwe: Jwe) -> Jwe:
    """Point at Guatemala's entry."""
    entry: Jwe = jwe["recipients"][0]
    return entry


def set_ek(jwe: Jwe, change: Callable[[bytes], bytes]) -> None:
    """Change the encapsulated secret of Guatemala's entry."""
    header = own(jwe)["header"]
    header["ek"] = b64(change(unb64(header["ek"])))


def set_protected(jwe: Jwe, **members: object) -> None:
    """Change members of the protected header."""
    header = json.loads(unb64(jwe["protected"])) | members
    jwe["protected"] = b64(json.dumps(header, separators=(",", ":"), sort_keys=True).encode())


def swap(jwe: Jwe, name: str) -> None:
    """Exchange a value between the two recipients' entries."""
    one, two = jwe["recipients"]
    if name in one:
        one[name], two[name] = two[name], one[name]
    else:
        one["header"][name], two["header"][name] = two["header"][name], one["header"][name]


CLASSICAL = {
    "header": {"alg": "ECDH-ES+A256KW", "kid": "US-intelligence-1", "ek": "AA"},
    "encrypted_key": "A" * 64,
}

CHANGES: dict[str, Change] = {
    "ek short": lambda j: set_ek(j, lambda ek: ek[:-1]),
    "ek long": lambda j: set_ek(j, lambda ek: ek + b"\0"),
    "ek empty": lambda j: own(j)["header"].update(ek=""),
    "ek zero": lambda j: set_ek(j, lambda ek: bytes(len(ek))),
    "ek lattice half zero": lambda j: set_ek(j, lambda ek: bytes(1088) + ek[1088:]),
    "ek curve half zero": lambda j: set_ek(j, lambda ek: ek[:1088] + bytes(32)),
    "ek lattice half tampered": lambda j: own(j)["header"].update(ek=flip(own(j)["header"]["ek"])),
    "ek curve half tampered": lambda j: own(j)["header"].update(
        ek=flip(own(j)["header"]["ek"], -1)
    ),
    "ek far too long": lambda j: own(j)["header"].update(ek="A" * 100_000),
    "ek with padding": lambda j: own(j)["header"].update(ek=own(j)["header"]["ek"] + "="),
    "ek no text": lambda j: own(j)["header"].update(ek=None),
    "ek of the other recipient": lambda j: swap(j, "ek"),
    "encrypted key of the other recipient": lambda j: swap(j, "encrypted_key"),
    "encrypted key tampered": lambda j: own(j).update(encrypted_key=flip(own(j)["encrypted_key"])),
    "encrypted key short": lambda j: own(j).update(encrypted_key="A" * 63),
    "encrypted key no base64url": lambda j: own(j).update(encrypted_key="+" * 64),
    "kid of the other recipient": lambda j: swap(j, "kid"),
    "alg of the other recipient": lambda j: swap(j, "alg"),
    "alg unknown": lambda j: own(j)["header"].update(alg="HPKE-0-KE"),
    "alg dir": lambda j: own(j)["header"].update(alg="dir"),
    "alg PBES2": lambda j: own(j)["header"].update(alg="PBES2-HS256+A128KW", p2c=10**9),
    "alg classical": lambda j: own(j)["header"].update(alg="ECDH-ES+A256KW"),
    "alg a list": lambda j: own(j)["header"].update(alg=["HPKE-9-KE"]),
    "kid foreign": lambda j: own(j)["header"].update(kid="US-intelligence-1"),
    "kid a path": lambda j: own(j)["header"].update(kid="../GT"),
    "kid a list": lambda j: own(j)["header"].update(kid=["GT-intelligence-1"]),
    "entry header with zip": lambda j: own(j)["header"].update(zip="DEF"),
    "entry header with jku": lambda j: own(j)["header"].update(jku="https://evil.example"),
    "entry header missing": lambda j: own(j).pop("header"),
    "entry header no object": lambda j: own(j).update(header=[]),
    "entry unknown member": lambda j: own(j).update(color="red"),
    "entry no object": lambda j: j["recipients"].append("x"),
    "entry stripped": lambda j: j["recipients"].pop(0),
    "recipients stripped": lambda j: j.update(recipients=[]),
    "recipients missing": lambda j: j.pop("recipients"),
    "recipients no list": lambda j: j.update(recipients={}),
    "recipients exploded": lambda j: j.update(recipients=j["recipients"] * 20),
    "recipient twice": lambda j: j["recipients"].append(j["recipients"][1]),
    "extra recipient classical": lambda j: j["recipients"].append(CLASSICAL),
    "aad changed": lambda j: j.update(aad=b64(unb64(j["aad"]).replace(b"GT", b"US"))),
    "aad urgency changed": lambda j: j.update(
        aad=b64(unb64(j["aad"]).replace(b"priority", b"flash"))
    ),
    "aad stripped": lambda j: j.pop("aad"),
    "aad empty": lambda j: j.update(aad=""),
    "enc swapped": lambda j: set_protected(j, enc="A128GCM"),
    "enc CBC": lambda j: set_protected(j, enc="A256CBC-HS512"),
    "suite downgraded": lambda j: set_protected(j, suite="enlace-classical-1"),
    "suite unknown": lambda j: set_protected(j, suite="enlace-pq-2"),
    "typ changed": lambda j: set_protected(j, typ="JOSE"),
    "zip protected": lambda j: set_protected(j, zip="DEF"),
    "alg protected": lambda j: set_protected(j, alg="dir"),
    "crit protected": lambda j: set_protected(j, crit=["ckc"]),
    "ckc of another key": lambda j: set_protected(j, ckc=b64(bytes(32))),
    "ckc short": lambda j: set_protected(j, ckc="AA"),
    "ckc long": lambda j: set_protected(j, ckc="A" * 200),
    "ckc no text": lambda j: set_protected(j, ckc=1),
    "protected too long": lambda j: j.update(protected="A" * 1000),
    "protected empty": lambda j: j.update(protected=""),
    "protected no text": lambda j: j.update(protected={}),
    "protected with a space": lambda j: j.update(
        protected=b64(unb64(j["protected"]).replace(b":", b": "))
    ),
    "zip unprotected": lambda j: j.update(unprotected={"zip": "DEF"}),
    "unknown member": lambda j: j.update(color="red"),
    "flattened beside general": lambda j: j.update(encrypted_key=own(j)["encrypted_key"]),
    "iv changed": lambda j: j.update(iv=flip(j["iv"])),
    "iv longer": lambda j: j.update(iv=b64(unb64(j["iv"]) + bytes(4))),
    "iv empty": lambda j: j.update(iv=""),
    "tag changed": lambda j: j.update(tag=flip(j["tag"])),
    "tag truncated": lambda j: j.update(tag=b64(unb64(j["tag"])[:12])),
    "tag truncated to 4 bytes": lambda j: j.update(tag=b64(unb64(j["tag"])[:4])),
    "tag borrowed from the ciphertext": lambda j: j.update(
        ciphertext=b64(unb64(j["ciphertext"]) + unb64(j["tag"])[:4]),
        tag=b64(unb64(j["tag"])[4:]),
    ),
    "tag padded": lambda j: j.update(tag=j["tag"] + "=="),
    "ciphertext changed": lambda j: j.update(ciphertext=flip(j["ciphertext"])),
    "ciphertext cut": lambda j: j.update(ciphertext=b64(unb64(j["ciphertext"])[:-1])),
    "ciphertext empty": lambda j: j.update(ciphertext=""),
    "ciphertext with a line end": lambda j: j.update(ciphertext=j["ciphertext"] + "\n"),
    "ciphertext no text": lambda j: j.update(ciphertext=7),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_unseal_refuses_a_message_in_which_anything_was_changed(
    sealed: SealedMessage, guatemala: DecryptionKey, change: Change
) -> None:
    """One error, one text, no cause to follow, whatever it was."""
    jwe = json.loads(sealed.jwe)
    change(jwe)

    with pytest.raises(UnsealError) as caught:
        unseal(json.dumps(jwe).encode(), {guatemala.kid: guatemala})

    assert str(caught.value) == str(UnsealError())
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b'{"aad"', b'{"aad":"AA","aad"'),
        lambda data: data.replace(b'"kid":', b'"kid":"US-a","kid":', 1),
        lambda data: data.replace(b'"alg":', b'"alg":"dir","alg":', 1),
        lambda data: data + b"x",
        lambda data: data[:-1],
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"[" + data + b"]",
        lambda data: data + b" " * wire.MAX_JWE_BYTES,
        lambda _: b"",
        lambda _: b"a.b.c.d.e",
        lambda _: b"[" * 100_000,
    ],
)
def test_unseal_refuses_bytes_that_are_not_one_strict_document(
    sealed: SealedMessage, guatemala: DecryptionKey, change: Callable[[bytes], bytes]
) -> None:
    """Duplicate members, trailing bytes, other encodings, compact form, too large."""
    data = change(sealed.jwe)

    assert data != sealed.jwe
    with pytest.raises(UnsealError):
        unseal(data, {guatemala.kid: guatemala})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_unseal_refuses_or_returns_the_same_when_any_byte_differs(
    sealed: SealedMessage, guatemala: DecryptionKey, data: st.DataObject
) -> None:
    """A flipped byte never crashes and never gives other content."""
    position = data.draw(st.integers(0, len(sealed.jwe) - 1))
    value = data.draw(st.integers(0, 255))
    changed = sealed.jwe[:position] + bytes([value]) + sealed.jwe[position + 1 :]

    try:
        opened = unseal(changed, {guatemala.kid: guatemala})
    except UnsealError:
        return

    # Only another recipient's entry can differ: it is no part of what is authenticated.
    assert opened.content_hash == sealed.content_hash


def test_unseal_refuses_a_key_that_it_was_not_sealed_to(
    sealed: SealedMessage, make_key: Callable[..., DecryptionKey]
) -> None:
    """No key, a stranger's key, and another key under a recipient's name."""
    impostor = DecryptionKey.generate(make_key("GT-a").algorithm, make_key("GT-intelligence-1").kid)
    stranger = make_key("US-intelligence-1")

    for keys in ({}, {stranger.kid: stranger}, {impostor.kid: impostor}):
        with pytest.raises(UnsealError):
            unseal(sealed.jwe, keys)


def test_unseal_shows_no_secret_in_a_traceback(
    sealed: SealedMessage, guatemala: DecryptionKey
) -> None:
    """Even a traceback with local variables holds neither seed nor content key."""
    jwe = json.loads(sealed.jwe)
    jwe["tag"] = flip(jwe["tag"])

    with pytest.raises(UnsealError) as caught:
        unseal(json.dumps(jwe).encode(), {guatemala.kid: guatemala})
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(told.format())

    entry = own(jwe)
    cek = guatemala.decrypt(unb64(entry["header"]["ek"]), unb64(entry["encrypted_key"]), info=INFO)
    assert repr(cek) not in shown
    assert json.loads(guatemala.export().reveal())["priv"] not in shown


def seal_by_hand(frame: bytes, route: bytes, key: DecryptionKey) -> bytes:
    """Seal any frame whatever, correctly: what a malicious gateway could do."""
    cek, iv = bytes(range(32)), bytes(12)
    commitment = hashlib.sha256(COMMITMENT_LABEL + cek).digest()
    header = {
        "ckc": b64(commitment),
        "enc": "A256GCM",
        "suite": "enlace-pq-1",
        "typ": "enlace-sealed+jwe",
    }
    protected, aad = b64(json.dumps(header).encode()), b64(route)
    closed = AESGCM(cek).encrypt(iv, frame, f"{protected}.{aad}".encode())
    ek, wrapped = key.public.encrypt(cek, info=INFO)
    entry = {"header": {"alg": "HPKE-9-KE", "kid": key.kid, "ek": b64(ek)}}
    return json.dumps(
        {
            "protected": protected,
            "aad": aad,
            "iv": b64(iv),
            "ciphertext": b64(closed[:-16]),
            "tag": b64(closed[-16:]),
            "recipients": [entry | {"encrypted_key": b64(wrapped)}],
        }
    ).encode()


def lengths(body: int, signature: int) -> bytes:
    """Write the head of a frame."""
    return body.to_bytes(4) + signature.to_bytes(2)


FRAMES = {
    "empty": b"",
    "shorter than its head": b"\0" * 5,
    "no signature": lengths(1, 0).ljust(2048, b"\0"),
    "body longer than the frame": lengths(5000, 1).ljust(2048, b"\0"),
    "body longer than any": lengths(2**32 - 1, 1).ljust(2048, b"\0"),
    "signature longer than any": lengths(1, 60_000).ljust(2048, b"\0"),
    "signature not ASCII": (lengths(1, 1) + b"a\xff").ljust(2048, b"\0"),
    "another size class": (lengths(1, 1) + b"aa").ljust(4096 + 1024, b"\0"),
    "no padding": lengths(1, 1) + b"aa",
    "padding not zero": (lengths(1, 1) + b"aa").ljust(2048, b"\1"),
    "last byte not zero": (lengths(1, 1) + b"aa").ljust(2047, b"\0") + b"\1",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_unseal_refuses_a_frame_that_is_not_the_only_one(
    guatemala: DecryptionKey, route: SealRoute, frame: bytes
) -> None:
    """Well encrypted and badly framed is refused like the rest."""
    good = (lengths(1, 1) + b"ab").ljust(2048, b"\0")
    opened = unseal(seal_by_hand(good, route.to_bytes(), guatemala), {guatemala.kid: guatemala})

    assert (opened.body, opened.signature) == (b"a", "b")
    with pytest.raises(UnsealError):
        unseal(seal_by_hand(frame, route.to_bytes(), guatemala), {guatemala.kid: guatemala})


@pytest.mark.parametrize("route", [b"", b"{}", b"x" * 5000, b'{"id":"a"}'])
def test_unseal_refuses_a_route_that_it_cannot_read(guatemala: DecryptionKey, route: bytes) -> None:
    """Well authenticated and meaningless is refused like the rest."""
    frame = (lengths(1, 1) + b"ab").ljust(2048, b"\0")

    with pytest.raises(UnsealError):
        unseal(seal_by_hand(frame, route, guatemala), {guatemala.kid: guatemala})

"""The four kinds of key."""

import copy
import hashlib
import json
import pickle
import secrets
import traceback
from collections.abc import Callable

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys import base64url, strict_json
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm, is_post_quantum
from keys.errors import DecryptionError, KeyFormatError, SignatureError
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, EncryptionKey, SigningKey, VerificationKey
from keys.secret import Hidden, Passphrase, SecretBytes
from keys.signature import PublicForm
from keys.strict_json import JsonObject

KID = parse_kid("MX-fge-1")
SECRET = bytes(range(32))


def rsa_jwk(bits: int, exponent: int = 65537) -> JsonObject:
    """Make the public JWK of a fresh RSA key."""
    numbers = rsa.generate_private_key(exponent, bits).public_key().public_numbers()
    n = base64url.encode(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8))
    return {"kty": "RSA", "n": n, "e": base64url.encode(exponent.to_bytes(3).lstrip(b"\0"))}


def test_sign_agrees_with_rfc_8032() -> None:
    """Test 1 of RFC 8032 section 7.1: the public key and the signature of the empty text."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    jwk: JsonObject = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": base64url.encode(seed),
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": KID,
    }

    signature = SigningKey.from_jwk(jwk).sign(b"")

    assert signature.hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_verify_returns_only_for_what_was_signed(signing_key: SigningKey) -> None:
    """A signature holds for its message, and for no other or shorter one."""
    signature = signing_key.sign(b"message")

    signing_key.public.verify(b"message", signature)

    for message, bad in [
        (b"messagf", signature),
        (b"message", signature[:-1]),
        (b"message", signature + b"\0"),
        (b"message", bytes(64)),
        (b"message", b""),
    ]:
        with pytest.raises(SignatureError):
            signing_key.public.verify(message, bad)


def test_sign_gives_the_same_bytes_twice(signing_key: SigningKey) -> None:
    """No hidden randomness: RFC 8032 and RFC 6979."""
    assert signing_key.sign(b"message") == signing_key.sign(b"message")


def test_from_jwk_returns_the_key_that_was_exported(
    signing_key: SigningKey, decryption_key: DecryptionKey
) -> None:
    """Both kinds of private key come back from their JWK, with their public halves."""
    signing = SigningKey.from_jwk(strict_json.parse_object(signing_key.export().reveal()))
    opening = DecryptionKey.from_jwk(strict_json.parse_object(decryption_key.export().reveal()))

    assert signing == signing_key
    assert opening == decryption_key
    assert VerificationKey.from_jwk(signing_key.public.jwk()) == signing.public
    assert EncryptionKey.from_jwk(decryption_key.public.jwk()) == opening.public
    assert {signing, signing_key} == {signing}
    assert {opening, decryption_key} == {opening}


def test_compare_tells_keys_apart(signing_key: SigningKey, decryption_key: DecryptionKey) -> None:
    """Another secret under the same name is another key, and a key equals nothing else."""
    other = SigningKey.generate(signing_key.algorithm, signing_key.kid)
    foreign = DecryptionKey.generate(decryption_key.algorithm, decryption_key.kid)

    assert signing_key != other
    assert decryption_key != foreign
    assert signing_key != signing_key.export()
    assert decryption_key != decryption_key.export()
    assert SecretBytes(b"a") != b"a"
    assert SecretBytes(b"a") == SecretBytes(b"a")


def test_decrypt_opens_what_was_encrypted(decryption_key: DecryptionKey) -> None:
    """Both hybrids wrap 32 bytes and open them again; the lengths are those of the draft."""
    encapsulated, ciphertext = decryption_key.public.encrypt(SECRET, info=b"info")

    assert decryption_key.decrypt(encapsulated, ciphertext, info=b"info") == SECRET
    assert len(ciphertext) == 48
    expected = {EncryptionAlgorithm.HPKE_9_KE: 1120, EncryptionAlgorithm.HPKE_10_KE: 1665}
    assert len(encapsulated) == expected[decryption_key.algorithm]


def halves(encapsulated: bytes) -> list[bytes]:
    """Damage an encapsulated secret in every way that counts."""
    middle = 1088 if len(encapsulated) == 1120 else 1568
    return [
        encapsulated[:-1],
        encapsulated + b"\0",
        b"",
        bytes(len(encapsulated)),
        bytes(middle) + encapsulated[middle:],
        encapsulated[:middle] + bytes(len(encapsulated) - middle),
        encapsulated[:5] + bytes([encapsulated[5] ^ 1]) + encapsulated[6:],
        encapsulated[:-5] + bytes([encapsulated[-5] ^ 1]) + encapsulated[-4:],
    ]


def test_decrypt_fails_in_one_way_when_anything_was_changed(
    decryption_key: DecryptionKey,
) -> None:
    """Short, long, zero or tampered halves, ciphertext or info: one error, one text."""
    encapsulated, ciphertext = decryption_key.public.encrypt(SECRET, info=b"info")
    cases = [(bad, ciphertext, b"info") for bad in halves(encapsulated)]
    cases += [(encapsulated, bytes(48), b"info"), (encapsulated, ciphertext[:-1], b"info")]
    cases += [(encapsulated, b"", b"info"), (encapsulated, ciphertext, b"inf0")]

    texts = set()
    for ek, wrapped, info in cases:
        with pytest.raises(DecryptionError) as caught:
            decryption_key.decrypt(ek, wrapped, info=info)
        texts.add(str(caught.value))

    assert texts == {"the wrapped key does not open"}


def test_generate_draws_only_from_the_entropy_given() -> None:
    """The same bytes give the same key: nothing is drawn in the dark."""
    one = [
        SigningKey.generate(SignatureAlgorithm.ED25519, KID, bytes),
        SigningKey.generate(SignatureAlgorithm.ES256, KID, bytes),
        DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KID, bytes),
    ]
    two = [
        SigningKey.generate(SignatureAlgorithm.ED25519, KID, bytes),
        SigningKey.generate(SignatureAlgorithm.ES256, KID, bytes),
        DecryptionKey.from_seed(bytes(32), algorithm=EncryptionAlgorithm.HPKE_9_KE, kid=KID),
    ]

    assert one == two


def test_generate_refuses_keys_that_we_never_hold() -> None:
    """RSA is for clients of other make; the classical wrap has no key type."""
    with pytest.raises(KeyFormatError):
        SigningKey.generate(SignatureAlgorithm.PS256, KID)
    with pytest.raises(KeyFormatError):
        DecryptionKey.generate(EncryptionAlgorithm.ECDH_ES_A256KW, KID)
    with pytest.raises(KeyFormatError):
        DecryptionKey.from_seed(b"short", algorithm=EncryptionAlgorithm.HPKE_9_KE, kid=KID)

    assert not is_post_quantum(EncryptionAlgorithm.ECDH_ES_A256KW)


ED: JsonObject = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": KID,
}
P256: JsonObject = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "kid": KID,
}


@pytest.mark.parametrize(
    "jwk",
    [
        ED | {"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"},
        ED | {"alg": "ES256"},
        ED | {"crv": "Ed448"},
        ED | {"crv": 5},
        ED | {"x": "AA"},
        ED | {"x": 5},
        ED | {"x": base64url.encode(bytes(32))},
        ED | {"x": base64url.encode(b"\x01" + bytes(31))},
        ED | {"x": base64url.encode(b"\xff" * 32)},
        ED | {"x": str(ED["x"]) + "="},
        ED | {"jku": "https://evil.example"},
        ED | {"kid": "../root"},
        {name: value for name, value in ED.items() if name != "kid"},
        {name: value for name, value in ED.items() if name != "x"},
        P256 | {"y": P256["x"]},
        P256 | {"x": base64url.encode(bytes(32)), "y": base64url.encode(bytes(32))},
        P256 | {"crv": "secp256k1"},
        P256 | {"crv": "P-384"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": KID},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": KID},
        {},
    ],
)
def test_from_jwk_refuses_a_verification_key_that_is_not_public_and_sound(
    jwk: JsonObject,
) -> None:
    """Private members, wrong types, points off the curve or of small order, odd members."""
    with pytest.raises(KeyFormatError):
        VerificationKey.from_jwk(jwk)


def test_from_jwk_reads_the_example_keys_of_the_standards() -> None:
    """The keys of RFC 8037 A.2 and RFC 7515 A.3, with what stock tools write beside them."""
    ed = VerificationKey.from_jwk(ED | {"alg": "EdDSA", "use": "sig", "key_ops": ["verify"]})
    p256 = VerificationKey.from_jwk(P256 | {"alg": "ES256", "ext": True})

    assert (ed.algorithm, p256.algorithm) == ("Ed25519", "ES256")
    assert ed.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert ed.fingerprint.startswith("90fa-cafe")


def test_from_jwk_takes_rsa_only_of_2048_bits_and_more() -> None:
    """FAPI's floor, a ceiling against costly checks, and only the usual exponent."""
    key = VerificationKey.from_jwk(rsa_jwk(2048) | {"kid": KID})

    assert VerificationKey.from_jwk(key.jwk()) == key
    for refused in (rsa_jwk(1024), rsa_jwk(2048, exponent=3)):
        with pytest.raises(KeyFormatError):
            VerificationKey.from_jwk(refused | {"kid": KID})


def test_from_jwk_refuses_an_encryption_key_that_is_not_public_and_sound(
    decryption_key: DecryptionKey,
) -> None:
    """A seed, a cut, a point that is no point, coefficients out of range, another algorithm."""
    jwk = decryption_key.public.jwk()
    raw = decryption_key.public.public_bytes
    point = 32 if len(raw) == 1216 else 97
    bad: list[JsonObject] = [
        strict_json.parse_object(decryption_key.export().reveal()),
        jwk | {"pub": base64url.encode(raw[:-1])},
        jwk | {"pub": base64url.encode(raw[:-point] + bytes(point))},
        jwk | {"pub": base64url.encode(b"\xff" * (len(raw) - point) + raw[-point:])},
        jwk | {"alg": "HPKE-8-KE"},
        jwk | {"alg": "ECDH-ES+A256KW"},
        jwk | {"kty": "OKP"},
        jwk | {"kid": "gt-desk"},
        jwk | {"x": "AA"},
    ]

    for case in bad:
        with pytest.raises(KeyFormatError):
            EncryptionKey.from_jwk(case)
    assert decryption_key.public.thumbprint != decryption_key.public.fingerprint


def test_from_jwk_refuses_a_private_key_whose_halves_do_not_belong_together(
    signing_key: SigningKey, decryption_key: DecryptionKey
) -> None:
    """A swapped public half would sign or open as somebody else."""
    jwk = strict_json.parse_object(signing_key.export().reveal())
    other = SigningKey.generate(signing_key.algorithm, signing_key.kid)
    with pytest.raises(KeyFormatError):
        SigningKey.from_jwk(jwk | other.public.jwk())

    seed = strict_json.parse_object(decryption_key.export().reveal())
    foreign = DecryptionKey.generate(decryption_key.algorithm, decryption_key.kid)
    with pytest.raises(KeyFormatError):
        DecryptionKey.from_jwk(seed | foreign.public.jwk())
    with pytest.raises(KeyFormatError):
        SigningKey.from_jwk(P256 | {"d": base64url.encode(bytes(32))})


Leak = Callable[[object], object]


@pytest.mark.parametrize(
    "leak",
    [
        str,
        format,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        orjson.dumps,
        vars,
        "{}".format,
    ],
)
def test_copy_out_is_refused_for_every_secret(
    leak: Leak, signing_key: SigningKey, decryption_key: DecryptionKey
) -> None:
    """No text, no copy, no pickle, no JSON."""
    for secret in (signing_key, decryption_key, SecretBytes(SECRET), Passphrase.from_text("p")):
        with pytest.raises(TypeError):
            leak(secret)


def test_repr_shows_no_secret(signing_key: SigningKey, decryption_key: DecryptionKey) -> None:
    """Neither repr nor a traceback with local variables shows a secret."""

    def fail(_: tuple[Hidden, ...]) -> None:
        raise RuntimeError("wrong")

    exported = (signing_key.export(), decryption_key.export())
    held = (signing_key, decryption_key, *exported, SecretBytes(SECRET))
    with pytest.raises(RuntimeError) as caught:
        fail(held)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(told.format())

    for kind, name in ((exported[0], "d"), (exported[1], "priv")):
        secret = str(strict_json.parse_object(kind.reveal())[name])
        assert secret not in shown
        assert secret not in repr(held)
    assert "SigningKey(kid='MX-fge-1'" in shown


def test_verify_refuses_random_signatures(signing_key: SigningKey) -> None:
    """Random bytes are never an accident of the parser, always a refusal."""
    for _ in range(20):
        with pytest.raises(SignatureError):
            signing_key.public.verify(b"message", secrets.token_bytes(64))


def test_constructors_refuse_bytes_that_are_no_key() -> None:
    """A key built from bytes is checked as one that was read from its JWK."""
    short_rsa = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - refused below
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    encoded = [
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for key in (short_rsa, other)
    ]
    forms = [
        PublicForm(SignatureAlgorithm.ED25519, b"short"),
        PublicForm(SignatureAlgorithm.ES256, b"\x04" + bytes(64)),
        *(PublicForm(SignatureAlgorithm.PS256, data) for data in (b"no DER", *encoded)),
    ]

    for form in forms:
        with pytest.raises(KeyFormatError):
            VerificationKey(kid=KID, form=form)
    with pytest.raises(KeyFormatError):
        VerificationKey.from_jwk({"kty": "RSA", "kid": KID, "n": "w" * 341 + "g", "e": "AQAB"})
    with pytest.raises(KeyFormatError):
        VerificationKey.from_jwk(ED | {"kty": 5})


def test_from_seed_refuses_a_seed_that_gives_no_scalar(monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed in 2^192 expands beyond the order of P-384; none is known, so it is forged."""

    class Expanded:
        def digest(self, size: int) -> bytes:
            return b"\xff" * size

    monkeypatch.setattr(hashlib, "shake_256", lambda _: Expanded())

    with pytest.raises(KeyFormatError):
        DecryptionKey.from_seed(SECRET, algorithm=EncryptionAlgorithm.HPKE_10_KE, kid=KID)

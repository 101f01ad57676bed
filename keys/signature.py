"""The signature primitives, one row for each algorithm: read a key, verify, sign.

Ed25519 goes through libsodium, which verifies in little more than half the time that
OpenSSL takes and refuses keys of small order and signatures in a second spelling. ECDSA
is deterministic (RFC 6979), so nothing in here draws a random number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from keys import jwk as jwk_form
from keys.algorithms import SignatureAlgorithm
from keys.errors import KeyFormatError, SignatureError
from keys.strict_json import JsonObject

Verify: TypeAlias = Callable[[bytes, bytes], None]
"""Takes message and signature; raises :class:`SignatureError` unless it holds."""
Sign: TypeAlias = Callable[[bytes], bytes]

ED25519_BYTES: Final = 32
ED25519_SIGNATURE_BYTES: Final = 64
P256_BYTES: Final = 32
RSA_MINIMUM_BITS: Final = 2048
"""FAPI 2.0 section 5.4.1."""
RSA_MAXIMUM_BITS: Final = 4096
"""A longer key buys nothing and makes every refused signature dear for us."""
RSA_EXPONENT: Final = 65537
PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
VERIFIERS_KEPT: Final = 1024
"""More than the signing keys of eleven countries; a parsed key is about 1 KiB."""


@dataclass(frozen=True, slots=True)
class PublicForm:
    """A public key reduced to what identifies it."""

    algorithm: SignatureAlgorithm
    data: bytes
    """32 bytes (Ed25519), an uncompressed point (ES256), SubjectPublicKeyInfo (PS256)."""


@dataclass(frozen=True, slots=True)
class _Scheme:
    read: Callable[[JsonObject], bytes]
    write: Callable[[bytes], JsonObject]
    verifier: Callable[[bytes], Verify]


def read_public(jwk: JsonObject) -> PublicForm:
    """Read a public JWK; the key type decides the algorithm, ``alg`` may only agree.

    Raises:
        KeyFormatError: Unknown type or curve, a private member, an invalid point.
    """
    algorithm = jwk_form.signature_algorithm(jwk)
    form = PublicForm(algorithm, SCHEMES[algorithm].read(jwk))
    verifier(form)  # The constructor validates: a point off the curve fails here.
    return form


def write_public(form: PublicForm) -> JsonObject:
    """Write the members of the public JWK, without ``kid``."""
    return SCHEMES[form.algorithm].write(form.data)


@lru_cache(maxsize=VERIFIERS_KEPT)
def verifier(form: PublicForm) -> Verify:
    """Load a public key once; the result only computes, so remembering it is harmless.

    Raises:
        KeyFormatError: The bytes are not a valid key of that algorithm.
    """
    return SCHEMES[form.algorithm].verifier(form.data)


def signer(algorithm: SignatureAlgorithm, secret: bytes) -> tuple[Sign, bytes]:
    """Load a private key of 32 bytes; return how it signs, and its public bytes.

    Raises:
        KeyFormatError: Not 32 bytes, not a valid scalar, or RSA: only clients of ours
            sign with RSA, so we read it and never hold it.
    """
    if algorithm is SignatureAlgorithm.ED25519 and len(secret) == ED25519_BYTES:
        return _ed25519_signer(secret)
    if algorithm is SignatureAlgorithm.ES256 and len(secret) == P256_BYTES:
        return _es256_signer(secret)
    raise KeyFormatError("not a signing key that we hold")


def _read_ed25519(jwk: JsonObject) -> bytes:
    return jwk_form.octets(jwk, "x", ED25519_BYTES)


def _write_ed25519(data: bytes) -> JsonObject:
    return {"kty": "OKP", "crv": "Ed25519", "x": jwk_form.text(data)}


def _ed25519_verifier(data: bytes) -> Verify:
    if len(data) != ED25519_BYTES or not nacl.bindings.crypto_core_ed25519_is_valid_point(data):
        raise KeyFormatError("not an Ed25519 public key")

    def verify(message: bytes, signature: bytes) -> None:
        if len(signature) != ED25519_SIGNATURE_BYTES:
            raise SignatureError("the signature does not hold")
        try:
            nacl.bindings.crypto_sign_open(signature + message, data)
        except nacl.exceptions.BadSignatureError:
            raise SignatureError("the signature does not hold") from None

    return verify


def _ed25519_signer(secret: bytes) -> tuple[Sign, bytes]:
    public, expanded = nacl.bindings.crypto_sign_seed_keypair(secret)

    def sign(message: bytes) -> bytes:
        return nacl.bindings.crypto_sign(message, expanded)[:ED25519_SIGNATURE_BYTES]

    return sign, public


def _read_es256(jwk: JsonObject) -> bytes:
    x, y = (jwk_form.octets(jwk, name, P256_BYTES) for name in ("x", "y"))
    return b"\x04" + x + y


def _write_es256(data: bytes) -> JsonObject:
    x, y = data[1 : 1 + P256_BYTES], data[1 + P256_BYTES :]
    return {"kty": "EC", "crv": "P-256", "x": jwk_form.text(x), "y": jwk_form.text(y)}


def _es256_verifier(data: bytes) -> Verify:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError:
        raise KeyFormatError("not a P-256 public key") from None
    method = ec.ECDSA(hashes.SHA256())

    def verify(message: bytes, signature: bytes) -> None:
        if len(signature) != 2 * P256_BYTES:
            raise SignatureError("the signature does not hold")
        r, s = (int.from_bytes(half) for half in (signature[:P256_BYTES], signature[P256_BYTES:]))
        try:
            key.verify(utils.encode_dss_signature(r, s), message, method)
        except InvalidSignature:
            raise SignatureError("the signature does not hold") from None

    return verify


def _es256_signer(secret: bytes) -> tuple[Sign, bytes]:
    try:
        key = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
    except ValueError:
        raise KeyFormatError("not a P-256 private key") from None
    method = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)

    def sign(message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(message, method))
        return r.to_bytes(P256_BYTES) + s.to_bytes(P256_BYTES)

    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return sign, point


def _read_ps256(jwk: JsonObject) -> bytes:
    n, e = (int.from_bytes(jwk_form.octets(jwk, name)) for name in ("n", "e"))
    if (
        not RSA_MINIMUM_BITS <= n.bit_length() <= RSA_MAXIMUM_BITS
        or e != RSA_EXPONENT
        or n % 2 == 0
    ):
        raise KeyFormatError("not an RSA key that we accept")
    key = rsa.RSAPublicNumbers(e, n).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _load_rsa(data: bytes) -> rsa.RSAPublicKey:
    try:
        key = load_der_public_key(data)
    except ValueError:
        raise KeyFormatError("not an RSA public key") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyFormatError("not an RSA public key")
    if not RSA_MINIMUM_BITS <= key.key_size <= RSA_MAXIMUM_BITS:
        raise KeyFormatError("not an RSA key that we accept")
    return key


def _write_ps256(data: bytes) -> JsonObject:
    numbers = _load_rsa(data).public_numbers()
    n, e = (value.to_bytes((value.bit_length() + 7) // 8) for value in (numbers.n, numbers.e))
    return {"kty": "RSA", "n": jwk_form.text(n), "e": jwk_form.text(e)}


def _ps256_verifier(data: bytes) -> Verify:
    key = _load_rsa(data)

    def verify(message: bytes, signature: bytes) -> None:
        try:
            key.verify(signature, message, PSS, hashes.SHA256())
        except InvalidSignature:
            raise SignatureError("the signature does not hold") from None

    return verify


SCHEMES: Final = MappingProxyType(
    {
        SignatureAlgorithm.ED25519: _Scheme(_read_ed25519, _write_ed25519, _ed25519_verifier),
        SignatureAlgorithm.ES256: _Scheme(_read_es256, _write_es256, _es256_verifier),
        SignatureAlgorithm.PS256: _Scheme(_read_ps256, _write_ps256, _ps256_verifier),
    }
)

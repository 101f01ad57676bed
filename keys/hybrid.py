"""The post-quantum wraps, one row for each: a 32-byte seed, its public key, HPKE.

Both are hybrids: ML-KEM beside an elliptic curve, so that the wrap holds as long as either
half does.

Source:
    draft-ietf-hpke-pq and draft-irtf-cfrg-concrete-hybrid-kems (seed expansion, KEMs);
    RFC 9180 (HPKE base mode).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.algorithms import EncryptionAlgorithm
from keys.errors import DecryptionError, KeyFormatError

PublicHalves: TypeAlias = hpke.MLKEM768X25519PublicKey | hpke.MLKEM1024P384PublicKey
PrivateHalves: TypeAlias = hpke.MLKEM768X25519PrivateKey | hpke.MLKEM1024P384PrivateKey

SEED_BYTES: Final = 32
ML_KEM_SEED_BYTES: Final = 64
ML_KEM_768_PUBLIC_BYTES: Final = 1184
ML_KEM_1024_PUBLIC_BYTES: Final = 1568
X25519_BYTES: Final = 32
P384_SCALAR_BYTES: Final = 48
P384_POINT_BYTES: Final = 97
PROBE: Final = x25519.X25519PrivateKey.from_private_bytes(b"\x01" * X25519_BYTES)
"""No secret: an exchange with it fails for exactly the points of small order."""


@dataclass(frozen=True, slots=True)
class Kem:
    """What differs between the hybrids."""

    suite: hpke.Suite
    public_bytes: int
    encapsulated_bytes: int
    load_public: Callable[[bytes], PublicHalves]
    load_private: Callable[[bytes], tuple[PrivateHalves, bytes]]


def kem_of(algorithm: EncryptionAlgorithm) -> Kem:
    """Find the wrap of an algorithm.

    Raises:
        KeyFormatError: There is none: the classical algorithm has no key type here.
    """
    kem = KEMS.get(algorithm)
    if kem is None:
        raise KeyFormatError("there is no key type for this algorithm")
    return kem


def load_public(algorithm: EncryptionAlgorithm, data: bytes) -> PublicHalves:
    """Read a public key: the ML-KEM key, then the point.

    Raises:
        KeyFormatError: Wrong length, coefficients out of range, a point off the curve or
            of small order.
    """
    kem = kem_of(algorithm)
    if len(data) != kem.public_bytes:
        raise KeyFormatError("the public key has the wrong length")
    try:
        return kem.load_public(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormatError("not a valid public key") from None


def load_private(algorithm: EncryptionAlgorithm, seed: bytes) -> tuple[PrivateHalves, bytes]:
    """Expand a seed to its private key; also give the public bytes.

    Raises:
        KeyFormatError: The seed is not 32 bytes (or one of 2^192 that give no scalar).
    """
    if len(seed) != SEED_BYTES:
        raise KeyFormatError("the seed has the wrong length")
    try:
        return kem_of(algorithm).load_private(seed)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormatError("not a valid seed") from None


def encrypt(
    algorithm: EncryptionAlgorithm, public: PublicHalves, plaintext: bytes, info: bytes
) -> tuple[bytes, bytes]:
    """Wrap for a public key: the encapsulated secret, and the ciphertext 16 bytes longer."""
    kem = KEMS[algorithm]
    wrapped = kem.suite.encrypt(plaintext, public, info)
    return wrapped[: kem.encapsulated_bytes], wrapped[kem.encapsulated_bytes :]


def decrypt(
    algorithm: EncryptionAlgorithm,
    private: PrivateHalves,
    wrapped: tuple[bytes, bytes],
    info: bytes,
) -> bytes:
    """Open what :func:`encrypt` made.

    Raises:
        DecryptionError: Whatever is wrong with it.
    """
    kem = KEMS[algorithm]
    encapsulated, ciphertext = wrapped
    if len(encapsulated) != kem.encapsulated_bytes:
        raise DecryptionError
    try:
        return kem.suite.decrypt(encapsulated + ciphertext, private, info)
    except (InvalidTag, ValueError):
        # A point of small order or off the curve is a ValueError in the library.
        raise DecryptionError from None


def _x_wing_public(data: bytes) -> PublicHalves:
    point = x25519.X25519PublicKey.from_public_bytes(data[ML_KEM_768_PUBLIC_BYTES:])
    PROBE.exchange(point)
    lattice = mlkem.MLKEM768PublicKey.from_public_bytes(data[:ML_KEM_768_PUBLIC_BYTES])
    return hpke.MLKEM768X25519PublicKey(lattice, point)


def _x_wing_private(seed: bytes) -> tuple[PrivateHalves, bytes]:
    expanded = hashlib.shake_256(seed).digest(ML_KEM_SEED_BYTES + X25519_BYTES)
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:ML_KEM_SEED_BYTES])
    scalar = x25519.X25519PrivateKey.from_private_bytes(expanded[ML_KEM_SEED_BYTES:])
    public = lattice.public_key().public_bytes_raw() + scalar.public_key().public_bytes_raw()
    return hpke.MLKEM768X25519PrivateKey(lattice, scalar), public


def _p384_public(data: bytes) -> PublicHalves:
    lattice = mlkem.MLKEM1024PublicKey.from_public_bytes(data[:ML_KEM_1024_PUBLIC_BYTES])
    encoded = data[ML_KEM_1024_PUBLIC_BYTES:]
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), encoded)
    return hpke.MLKEM1024P384PublicKey(lattice, point)


def _p384_private(seed: bytes) -> tuple[PrivateHalves, bytes]:
    expanded = hashlib.shake_256(seed).digest(ML_KEM_SEED_BYTES + P384_SCALAR_BYTES)
    lattice = mlkem.MLKEM1024PrivateKey.from_seed_bytes(expanded[:ML_KEM_SEED_BYTES])
    # A value outside the group order is a ValueError; the draft gives it no second try.
    number = int.from_bytes(expanded[ML_KEM_SEED_BYTES:])
    scalar = ec.derive_private_key(number, ec.SECP384R1())
    point = scalar.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    public = lattice.public_key().public_bytes_raw() + point
    return hpke.MLKEM1024P384PrivateKey(lattice, scalar), public


KEMS: Final = MappingProxyType(
    {
        EncryptionAlgorithm.HPKE_9_KE: Kem(
            hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.SHAKE256, hpke.AEAD.AES_256_GCM),
            ML_KEM_768_PUBLIC_BYTES + X25519_BYTES,
            1120,  # ML-KEM-768 ciphertext 1088, point 32
            _x_wing_public,
            _x_wing_private,
        ),
        EncryptionAlgorithm.HPKE_10_KE: Kem(
            hpke.Suite(hpke.KEM.MLKEM1024_P384, hpke.KDF.SHAKE256, hpke.AEAD.AES_256_GCM),
            ML_KEM_1024_PUBLIC_BYTES + P384_POINT_BYTES,
            1665,  # ML-KEM-1024 ciphertext 1568, point 97
            _p384_public,
            _p384_private,
        ),
    }
)

"""The members of a JSON Web Key: which are allowed, and what the key type decides.

A key that someone hands us is public or it is refused; a private member in it means that
the key is no longer secret.
"""

from types import MappingProxyType
from typing import Final

from keys import base64url
from keys.algorithms import EDDSA, EncryptionAlgorithm, SignatureAlgorithm
from keys.errors import KeyFormatError
from keys.strict_json import JsonObject

ANNOTATIONS: Final = frozenset({"alg", "kid", "use", "key_ops", "ext"})
"""Members of RFC 7517 that stock tools write and that change nothing here but ``alg``."""

SIGNATURE_TYPES: Final = MappingProxyType(
    {
        ("OKP", "Ed25519"): (SignatureAlgorithm.ED25519, frozenset({"kty", "crv", "x"})),
        ("EC", "P-256"): (SignatureAlgorithm.ES256, frozenset({"kty", "crv", "x", "y"})),
        ("RSA", None): (SignatureAlgorithm.PS256, frozenset({"kty", "n", "e"})),
    }
)
AKP_MEMBERS: Final = frozenset({"kty", "alg", "pub"})


def signature_algorithm(jwk: JsonObject, *, private: bool = False) -> SignatureAlgorithm:
    """Which algorithm does this key sign with? Its type and curve alone decide.

    Raises:
        KeyFormatError: Unknown type or curve, ``alg`` disagrees, or a member that does
            not belong: private ones in a public key, none in a private one.
    """
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if not isinstance(kty, str) or not (crv is None or isinstance(crv, str)):
        raise KeyFormatError("not a signature JWK")
    found = SIGNATURE_TYPES.get((kty, crv))
    if found is None:
        raise KeyFormatError("not a signature JWK of a type that we accept")
    algorithm, members = found
    spellings = {None, algorithm.value}
    if algorithm is SignatureAlgorithm.ED25519:
        spellings.add(EDDSA)
    if jwk.get("alg") not in spellings:
        raise KeyFormatError("the JWK's alg does not fit its type")
    _check_members(jwk, members | {"d"} if private else members)
    return algorithm


def encryption_algorithm(jwk: JsonObject, *, private: bool = False) -> EncryptionAlgorithm:
    """Which algorithm is this key for? An AKP key names it.

    Raises:
        KeyFormatError: Not an AKP key, an algorithm without a key type, or a member that
            does not belong.

    Source:
        The AKP key type of draft-ietf-jose-hpke-pq-pqt.
    """
    alg = jwk.get("alg")
    if jwk.get("kty") != "AKP" or alg not in (
        EncryptionAlgorithm.HPKE_9_KE,
        EncryptionAlgorithm.HPKE_10_KE,
    ):
        raise KeyFormatError("not an encryption JWK of a type that we accept")
    _check_members(jwk, AKP_MEMBERS | {"priv"} if private else AKP_MEMBERS)
    return EncryptionAlgorithm(str(alg))


def octets(jwk: JsonObject, name: str, size: int | None = None) -> bytes:
    """Read one base64url member, of exactly so many bytes.

    Raises:
        KeyFormatError: Missing, not base64url, or of another length.
    """
    value = jwk.get(name)
    if not isinstance(value, str):
        raise KeyFormatError("a JWK member is missing")
    data = base64url.decode(value)
    if size is not None and len(data) != size:
        raise KeyFormatError("a JWK member has the wrong length")
    return data


def text(data: bytes) -> str:
    """Write one member."""
    return base64url.encode(data)


def _check_members(jwk: JsonObject, required: frozenset[str]) -> None:
    if not required <= jwk.keys() or not jwk.keys() <= required | ANNOTATIONS:
        raise KeyFormatError("the JWK's members do not fit its type")

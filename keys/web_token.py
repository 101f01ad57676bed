"""JSON Web Tokens: who says this of himself? Signed and verified by PyJWT.

What goes to or comes from OAuth is a JWT, and goes through the library that the field knows.
It is used behind two doors of ours, because it takes the last of two equal members, padded
base64 and headers that name other keys: our reader looks first (:mod:`keys.jws_header`), and
the algorithm is always the one of the key at hand.
"""

from collections.abc import Sequence
from typing import Final, NoReturn

import jwt
from jwt.algorithms import Algorithm

from keys import jws
from keys.algorithms import EDDSA, SignatureAlgorithm
from keys.errors import SignatureError
from keys.jws import MAX_COMPACT_CHARS, FindKey, Verified
from keys.key import SigningKey, VerificationKey

ASSERTION_TYPES: Final = frozenset({None, "JWT", "client-authentication+jwt"})
"""RFC 7523 asks for none; stock clients write any of these."""


class _OurKeys(Algorithm):
    """Lets PyJWT use keys that never leave their type."""

    def prepare_key(self, key: SigningKey | VerificationKey) -> SigningKey | VerificationKey:
        return key

    def sign(self, msg: bytes, key: SigningKey) -> bytes:
        return key.sign(msg)

    def verify(self, msg: bytes, key: VerificationKey, sig: bytes) -> bool:
        try:
            key.verify(msg, sig)
        except SignatureError:
            return False
        return True

    @staticmethod
    def to_jwk(*_: object, **_options: object) -> NoReturn:
        raise RuntimeError("keys of ours are written by keys.key")

    @staticmethod
    def from_jwk(*_: object) -> NoReturn:
        raise RuntimeError("keys of ours are read by keys.key")


def _codec() -> jwt.PyJWS:
    codec = jwt.PyJWS(algorithms=[])
    for name in (*SignatureAlgorithm, EDDSA):
        if name in codec.get_algorithms():
            codec.unregister_algorithm(str(name))
        codec.register_algorithm(str(name), _OurKeys())
    return codec


CODEC: Final = _codec()


def sign(payload: bytes, key: SigningKey, *, typ: str) -> str:
    """Write a token over claims that are JSON already.

    Source:
        RFC 7519 section 7.1.
    """
    headers = {"kid": key.kid, "typ": typ}
    # PyJWT hands the key to ``_OurKeys`` without looking at it.
    return CODEC.encode(
        payload,
        key,  # type: ignore[arg-type]
        algorithm=key.algorithm.value,
        headers=headers,
    )


def verify(
    token: str, *, typ: str, find_key: FindKey, max_bytes: int = MAX_COMPACT_CHARS
) -> Verified:
    """Who signed this token, and what does it claim?

    Raises:
        SignatureError: Anything else than a good signature by a known key.

    Source:
        RFC 7519 section 7.2; RFC 8725 section 3.
    """
    header = jws.read_header(token, max_bytes=max_bytes)
    jws.expect(header, typ=typ, detached=False)
    return _verified(token, jws.find(header, find_key), header.alg)


def verify_assertion(
    token: str, *, keys: Sequence[VerificationKey], max_bytes: int = MAX_COMPACT_CHARS
) -> Verified:
    """Did this OAuth client sign its assertion?

    Stock clients leave out ``typ`` or ``kid`` and may call Ed25519 ``EdDSA``; the key still
    decides. Without a ``kid`` the client's only key of that algorithm is meant.

    Args:
        token: The ``client_assertion``.
        keys: Those of the one client that the request names.
        max_bytes: Of the whole token.

    Raises:
        SignatureError: Anything else than a good signature by one of the keys.

    Source:
        RFC 7523 section 3; FAPI 2.0 section 5.4.1.
    """
    header = jws.read_header(token, max_bytes=max_bytes)
    if header.typ not in ASSERTION_TYPES or header.detached or header.jwk is not None:
        raise SignatureError("the token is for something else")
    meant = [key for key in keys if header.kid in (None, key.kid)]
    fitting = [key for key in meant if header.alg in jws.spellings(key.algorithm)]
    if len(fitting) != 1:
        raise SignatureError("the key is unknown")
    return _verified(token, fitting[0], header.alg)


def _verified(token: str, key: VerificationKey, alg: str) -> Verified:
    try:
        decoded = CODEC.decode_complete(
            token,
            key,  # type: ignore[arg-type] # as above
            algorithms=[alg],
        )
    except jwt.InvalidTokenError:
        raise SignatureError("the signature does not hold") from None
    return Verified(payload=decoded["payload"], kid=key.kid, key=key)

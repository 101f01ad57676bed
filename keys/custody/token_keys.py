"""Signing keys as objects of a PKCS#11 token: made there, used there, destroyed there."""

import hashlib
from collections.abc import Iterator
from typing import Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PrivateKey
from pkcs11.types import SignMixin

from keys import jwk as jwk_form
from keys import strict_json
from keys.algorithms import SignatureAlgorithm
from keys.custody.token_session import TokenSession
from keys.errors import CustodyError, CustodyFault, KeyFormatError
from keys.identifiers import KeyId, parse_kid
from keys.key import SigningKey, VerificationKey
from keys.private_half import SECRET_BYTES
from keys.secret import without_frames
from keys.signature import PublicForm

PARAMETERS: Final = {
    # A curve by name (PKCS#11 2.40 and 3.0 section 2.3.5), which every token reads.
    SignatureAlgorithm.ED25519: b"\x13\x0cedwards25519",
    SignatureAlgorithm.ES256: bytes.fromhex("06082a8648ce3d030107"),
}
KEY_TYPES: Final = {
    SignatureAlgorithm.ED25519: KeyType.EC_EDWARDS,
    SignatureAlgorithm.ES256: KeyType.EC,
}
POINT_BYTES: Final = {SignatureAlgorithm.ED25519: 32, SignatureAlgorithm.ES256: 65}
PRIVATE: Final = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.DECRYPT: False,
    Attribute.DERIVE: False,
    Attribute.UNWRAP: False,
}


def read_keys(token: TokenSession) -> list[SigningKey]:
    """Read every signing key whose label is a key id; a token may hold other things too.

    Raises:
        CustodyError: The token is away, or half a key is missing.
    """
    return token.ask(
        lambda session: [
            _signing_key(token, session, kid, private) for kid, private in _privates(session)
        ]
    )


def make_key(token: TokenSession, kid: KeyId, algorithm: SignatureAlgorithm) -> SigningKey:
    """Make a key in the token.

    Raises:
        CustodyError: The token refuses.
        KeyFormatError: RSA, which we never hold.
    """
    if algorithm not in KEY_TYPES:
        raise KeyFormatError("not a signing key that we hold")

    def act(session: pkcs11.Session) -> SigningKey:
        parameters = session.create_domain_parameters(
            KEY_TYPES[algorithm], {Attribute.EC_PARAMS: PARAMETERS[algorithm]}, local=True
        )
        edwards = algorithm is SignatureAlgorithm.ED25519
        _, private = parameters.generate_keypair(
            id=kid.encode(),
            label=kid,
            store=True,
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else None,
            private_template=PRIVATE,
            public_template={Attribute.VERIFY: True},
        )
        return _signing_key(token, session, kid, private)

    return token.ask(act)


@without_frames
def put_key(token: TokenSession, key: SigningKey) -> None:
    """Put a key in that was made outside.

    Raises:
        CustodyError: It lives in another token, or this one refuses.
    """
    jwk = strict_json.parse_object(key.export().reveal())
    common = {
        Attribute.KEY_TYPE: KEY_TYPES[key.algorithm],
        Attribute.EC_PARAMS: PARAMETERS[key.algorithm],
        Attribute.TOKEN: True,
        Attribute.LABEL: key.kid,
        Attribute.ID: key.kid.encode(),
    }
    point = key.public.form.data
    public = {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.EC_POINT: bytes((4, len(point))) + point,
        Attribute.PRIVATE: False,
        Attribute.VERIFY: True,
    }
    private = {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.VALUE: jwk_form.octets(jwk, "d", SECRET_BYTES),
    }
    # The public half first: a crash between the two leaves no key, rather than half of one.
    token.ask(lambda session: session.create_object({**common, **public}))
    token.ask(lambda session: session.create_object({**common, **PRIVATE, **private}))


def destroy_key(token: TokenSession, kid: KeyId) -> None:
    """Destroy what the token holds under this name, the private half first.

    Raises:
        CustodyError: The token refuses.
    """
    # A crash between the two leaves a public half, which the next key of that name removes.
    token.ask(lambda session: _destroy(session, kid, ObjectClass.PRIVATE_KEY))
    destroy_public_half(token, kid)


def destroy_public_half(token: TokenSession, kid: KeyId) -> None:
    """Destroy what an interrupted erasure or import may have left of a key.

    Raises:
        CustodyError: The token refuses.
    """
    token.ask(lambda session: _destroy(session, kid, ObjectClass.PUBLIC_KEY))


def _destroy(session: pkcs11.Session, kid: KeyId, kind: ObjectClass) -> None:
    wanted = {Attribute.CLASS: kind, Attribute.LABEL: kid, Attribute.ID: kid.encode()}
    for each in list(session.get_objects(wanted)):
        each.destroy()


def _privates(session: pkcs11.Session) -> Iterator[tuple[KeyId, PrivateKey]]:
    for each in list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})):
        if not isinstance(each, PrivateKey):
            continue
        try:
            yield parse_kid(each.label), each
        except KeyFormatError:
            continue


def _signing_key(
    token: TokenSession, session: pkcs11.Session, kid: KeyId, private: PrivateKey
) -> SigningKey:
    algorithm = _algorithm(private)
    public = VerificationKey(kid=kid, form=PublicForm(algorithm, _point(session, kid, algorithm)))
    edwards = algorithm is SignatureAlgorithm.ED25519
    mechanism = Mechanism.EDDSA if edwards else Mechanism.ECDSA

    if not isinstance(private, SignMixin):
        raise CustodyError(CustodyFault.NO_BUNDLE)

    def sign(message: bytes) -> bytes:
        # Not every token hashes for ECDSA, so that is done here.
        data = message if edwards else hashlib.sha256(message).digest()
        return token.ask(lambda _: private.sign(data, mechanism=mechanism))

    return SigningKey.in_token(public, sign)


def _algorithm(private: PrivateKey) -> SignatureAlgorithm:
    for algorithm, kind in KEY_TYPES.items():
        if private.key_type == kind:
            return algorithm
    raise CustodyError(CustodyFault.NO_BUNDLE)


def _point(session: pkcs11.Session, kid: KeyId, algorithm: SignatureAlgorithm) -> bytes:
    wanted = {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.LABEL: kid,
        Attribute.ID: kid.encode(),
    }
    points = [bytes(each[Attribute.EC_POINT]) for each in session.get_objects(wanted)]
    if len(points) != 1:
        raise CustodyError(CustodyFault.NO_BUNDLE)
    size = POINT_BYTES[algorithm]
    # The standard wants an OCTET STRING; some tokens give the bytes bare.
    return points[0].removeprefix(bytes((4, size))) if len(points[0]) > size else points[0]

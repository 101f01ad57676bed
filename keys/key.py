"""The four kinds of key, told apart by type: verify, sign, wrap, open.

Public kinds are values: equal if their bytes are. Private kinds hide: they have no text,
are not copied, pickled or written as JSON, and hand out their secret only by ``export``.
"""

import hmac
import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from keys import hybrid, private_half, signature
from keys import jwk as jwk_form
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.entropy import Entropy
from keys.errors import CustodyError, CustodyFault, KeyFormatError
from keys.identifiers import KeyId, fingerprint, parse_kid, thumbprint
from keys.secret import Hidden, SecretBytes, without_frames
from keys.strict_json import JsonObject


class KeyUse(StrEnum):
    """What a key is for; a key has one use."""

    MESSAGE_SIGNATURE = "message_signature"
    CLIENT_AUTHENTICATION = "client_authentication"
    DESK_ENCRYPTION = "desk_encryption"
    DESK_SIGNATURE = "desk_signature"
    RECEIPT_SIGNATURE = "receipt_signature"
    TOKEN_SIGNATURE = "token_signature"  # noqa: S105 - a use, no password
    ADMINISTRATION = "administration"
    ROOT_SIGNATURE = "root_signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A public key that checks signatures."""

    kid: KeyId
    form: signature.PublicForm
    _verify: signature.Verify = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_verify", signature.verifier(self.form))

    @classmethod
    def from_jwk(cls, jwk: JsonObject) -> "VerificationKey":
        """Read a public JWK and its ``kid``.

        Raises:
            KeyFormatError: See :func:`keys.signature.read_public`, or no key id.
        """
        form = signature.read_public(jwk)
        return cls(kid=parse_kid(jwk.get("kid")), form=form)

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The only algorithm that this key is used with."""
        return self.form.algorithm

    def verify(self, message: bytes, signature_bytes: bytes) -> None:
        """Return only if the signature holds.

        Raises:
            SignatureError: It does not.
        """
        self._verify(message, signature_bytes)

    def jwk(self) -> JsonObject:
        """Write the public JWK, with ``alg`` and ``kid``."""
        members = signature.write_public(self.form)
        return {**members, "alg": self.algorithm.value, "kid": self.kid}

    @property
    def thumbprint(self) -> str:
        """RFC 7638, base64url."""
        return thumbprint(self.jwk())

    @property
    def fingerprint(self) -> str:
        """For people to compare."""
        return fingerprint(self.jwk())


class SigningKey(Hidden):
    """A private key that signs; its secret is held here, or by a token that signs for us."""

    __slots__ = ("_secret", "_sign", "algorithm", "kid", "public")

    kid: KeyId
    algorithm: SignatureAlgorithm
    public: VerificationKey
    _secret: SecretBytes | None
    _sign: signature.Sign

    def __init__(self, *, kid: KeyId, algorithm: SignatureAlgorithm, secret: SecretBytes) -> None:
        sign, public = private_half.load_signer(algorithm, secret)
        self.kid = kid
        self.algorithm = algorithm
        self.public = VerificationKey(kid=kid, form=signature.PublicForm(algorithm, public))
        self._secret = secret
        self._sign = sign

    @classmethod
    def in_token(cls, public: VerificationKey, sign: signature.Sign) -> "SigningKey":
        """Stand for a private key that a token keeps.

        Args:
            public: The public half, read from the token.
            sign: Has the token sign, from any thread; raises :class:`CustodyError` if it
                is away.
        """
        key = cls.__new__(cls)
        key.kid, key.algorithm, key.public = public.kid, public.algorithm, public
        key._secret, key._sign = None, sign  # noqa: SLF001 - a constructor of this class
        return key

    @classmethod
    def generate(
        cls, algorithm: SignatureAlgorithm, kid: KeyId, draw: Entropy = os.urandom
    ) -> "SigningKey":
        """Make a new key, of 32 drawn bytes (Ed25519) or 40 (ES256).

        Raises:
            KeyFormatError: RSA, which we never hold.
        """
        return cls(kid=kid, algorithm=algorithm, secret=private_half.draw_secret(algorithm, draw))

    @classmethod
    def from_jwk(cls, jwk: JsonObject) -> "SigningKey":
        """Read a private JWK.

        Raises:
            KeyFormatError: Malformed, RSA, or the public members are of another key.
        """
        algorithm = jwk_form.signature_algorithm(jwk, private=True)
        secret = SecretBytes(jwk_form.octets(jwk, "d", private_half.SECRET_BYTES))
        key = cls(kid=parse_kid(jwk.get("kid")), algorithm=algorithm, secret=secret)
        public_members = {name: value for name, value in jwk.items() if name != "d"}
        if signature.read_public(public_members) != key.public.form:
            raise KeyFormatError("the halves of the key do not belong together")
        return key

    @without_frames
    def sign(self, message: bytes) -> bytes:
        """Sign these bytes: 64 bytes, the same every time unless a token signs by ES256.

        Raises:
            CustodyError: The token that keeps the key is away; never for a key held here.
        """
        return self._sign(message)

    def export(self) -> SecretBytes:
        """Give the private JWK as JSON bytes, for a key file.

        Raises:
            CustodyError: The key lives in a token, and stays there.
        """
        if self._secret is None:
            raise CustodyError(CustodyFault.NOT_EXPORTABLE)
        return private_half.private_jwk(self.public.jwk(), "d", self._secret)

    def __repr__(self) -> str:
        return private_half.describe(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SigningKey):
            return NotImplemented
        # Two secrets with one public half do not exist, and a token shows no secret.
        return self.public == other.public

    def __hash__(self) -> int:
        return hash(self.public)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKey:
    """A public key that content keys are wrapped for."""

    kid: KeyId
    algorithm: EncryptionAlgorithm
    public_bytes: bytes = field(repr=False)
    _halves: hybrid.PublicHalves = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_halves", hybrid.load_public(self.algorithm, self.public_bytes))

    @classmethod
    def from_jwk(cls, jwk: JsonObject) -> "EncryptionKey":
        """Read a public AKP JWK and its ``kid``.

        Raises:
            KeyFormatError: Not one of the hybrids, a private member, an invalid key.
        """
        return cls(
            kid=parse_kid(jwk.get("kid")),
            algorithm=jwk_form.encryption_algorithm(jwk),
            public_bytes=jwk_form.octets(jwk, "pub"),
        )

    def jwk(self) -> JsonObject:
        """Write the public JWK."""
        return {
            "kty": "AKP",
            "alg": self.algorithm.value,
            "pub": jwk_form.text(self.public_bytes),
            "kid": self.kid,
        }

    @property
    def thumbprint(self) -> str:
        """RFC 7638, base64url."""
        return thumbprint(self.jwk())

    @property
    def fingerprint(self) -> str:
        """For people to compare."""
        return fingerprint(self.jwk())

    def encrypt(self, plaintext: bytes, *, info: bytes) -> tuple[bytes, bytes]:
        """Wrap by HPKE base mode: the encapsulated secret, and 16 bytes more than was given.

        The library draws the ephemeral randomness itself: the one exception to the rule
        that entropy comes in as an argument.
        """
        return hybrid.encrypt(self.algorithm, self._halves, plaintext, info)


class DecryptionKey(Hidden):
    """A private key that opens wrapped content keys; held by a desk, never by the gateway."""

    __slots__ = ("_halves", "_seed", "algorithm", "kid", "public")

    def __init__(self, *, kid: KeyId, algorithm: EncryptionAlgorithm, seed: SecretBytes) -> None:
        halves, public = private_half.load_halves(algorithm, seed)
        self.kid: Final = kid
        self.algorithm: Final = algorithm
        self.public: Final = EncryptionKey(kid=kid, algorithm=algorithm, public_bytes=public)
        self._seed = seed
        self._halves = halves

    @classmethod
    def generate(
        cls, algorithm: EncryptionAlgorithm, kid: KeyId, draw: Entropy = os.urandom
    ) -> "DecryptionKey":
        """Make a new key of 32 drawn bytes.

        Raises:
            KeyFormatError: The classical algorithm, for which there is no key type.
        """
        return cls(kid=kid, algorithm=algorithm, seed=SecretBytes(draw(hybrid.SEED_BYTES)))

    @classmethod
    def from_seed(
        cls, seed: bytes, *, algorithm: EncryptionAlgorithm, kid: KeyId
    ) -> "DecryptionKey":
        """Take a key from the 32 bytes that it is expanded from."""
        return cls(kid=kid, algorithm=algorithm, seed=SecretBytes(seed))

    @classmethod
    def from_jwk(cls, jwk: JsonObject) -> "DecryptionKey":
        """Read a private AKP JWK: ``priv`` is the seed.

        Raises:
            KeyFormatError: Malformed, or ``pub`` is of another key.
        """
        algorithm = jwk_form.encryption_algorithm(jwk, private=True)
        seed = SecretBytes(jwk_form.octets(jwk, "priv", hybrid.SEED_BYTES))
        key = cls(kid=parse_kid(jwk.get("kid")), algorithm=algorithm, seed=seed)
        if jwk_form.octets(jwk, "pub") != key.public.public_bytes:
            raise KeyFormatError("the halves of the key do not belong together")
        return key

    def decrypt(self, encapsulated: bytes, ciphertext: bytes, *, info: bytes) -> bytes:
        """Open what was wrapped for the public half.

        Raises:
            DecryptionError: Whatever is wrong; one text for every cause.
        """
        wrapped = (encapsulated, ciphertext)
        return hybrid.decrypt(self.algorithm, self._halves, wrapped, info)

    def export(self) -> SecretBytes:
        """Give the private JWK as JSON bytes, for a key file."""
        return private_half.private_jwk(self.public.jwk(), "priv", self._seed)

    def __repr__(self) -> str:
        return private_half.describe(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DecryptionKey):
            return NotImplemented
        return (self.kid, self.algorithm) == (other.kid, other.algorithm) and hmac.compare_digest(
            self._seed.reveal(), other._seed.reveal()
        )

    def __hash__(self) -> int:
        return hash(self.public)

"""Many private keys under one passphrase: one stretching of it opens them all."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from keys import strict_json
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.custody.file import read_key_file, write_key_file
from keys.entropy import Entropy
from keys.errors import CustodyError, CustodyFault, KeyFormatError
from keys.identifiers import KeyId
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase, SecretBytes, without_frames
from keys.strict_json import JsonObject, JsonValue

PrivateKey: TypeAlias = SigningKey | DecryptionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBundle:
    """Private keys by name: those that sign, and those that open."""

    signing: Mapping[KeyId, SigningKey]
    decryption: Mapping[KeyId, DecryptionKey]

    def __contains__(self, kid: object) -> bool:
        return kid in self.signing or kid in self.decryption

    @property
    def keys(self) -> tuple[PrivateKey, ...]:
        """All keys, those that sign first."""
        return (*self.signing.values(), *self.decryption.values())

    @classmethod
    def of(cls, keys: Iterable[PrivateKey]) -> "KeyBundle":
        """Sort keys into a bundle.

        Raises:
            CustodyError: Two keys have one name.
        """
        signing: dict[KeyId, SigningKey] = {}
        decryption: dict[KeyId, DecryptionKey] = {}
        for key in keys:
            if key.kid in signing or key.kid in decryption:
                raise CustodyError(CustodyFault.DUPLICATE_KEY)
            if isinstance(key, SigningKey):
                signing[key.kid] = key
            else:
                decryption[key.kid] = key
        return cls(signing=MappingProxyType(signing), decryption=MappingProxyType(decryption))

    def having(self, keys: Iterable[PrivateKey]) -> "KeyBundle":
        """Give a bundle with these keys too.

        Raises:
            CustodyError: A key of that name is there already.
        """
        return self.of((*self.keys, *keys))

    def without(self, kid: KeyId) -> "KeyBundle":
        """Give a bundle without this key.

        Raises:
            CustodyError: There is no such key.
        """
        if kid not in self:
            raise CustodyError(CustodyFault.UNKNOWN_KEY)
        return self.of(key for key in self.keys if key.kid != kid)


def write_bundle(
    path: Path,
    bundle: KeyBundle,
    passphrase: Passphrase,
    *,
    cost: KdfCost = RECOMMENDED,
    draw: Entropy = os.urandom,
) -> None:
    """Write all keys of a bundle into one new key file.

    Raises:
        CustodyError: See :func:`keys.custody.file.write_key_file`.
    """
    write_key_file(path, encode_bundle(bundle), passphrase, cost=cost, draw=draw)


def read_bundle(path: Path, passphrase: Passphrase, *, minimum: KdfCost = RECOMMENDED) -> KeyBundle:
    """Read all keys of a bundle.

    Raises:
        CustodyError: See :func:`keys.custody.file.read_key_file`; or it holds no keys.
    """
    return decode_bundle(read_key_file(path, passphrase, minimum=minimum))


@without_frames
def encode_bundle(bundle: KeyBundle) -> SecretBytes:
    """Write all keys as one secret.

    Raises:
        CustodyError: One lives in a token and cannot be written.
    """
    keys: list[JsonValue] = [strict_json.parse_object(key.export().reveal()) for key in bundle.keys]
    return SecretBytes(strict_json.write({"keys": keys}))


@without_frames
def decode_bundle(secret: SecretBytes) -> KeyBundle:
    """Read what :func:`encode_bundle` wrote.

    Raises:
        CustodyError: It holds no keys, or something else beside them.
    """
    try:
        members = strict_json.parse_object(secret.reveal())
        listed = members.get("keys")
        if members.keys() != {"keys"} or not isinstance(listed, list):
            raise CustodyError(CustodyFault.NO_BUNDLE)
        return KeyBundle.of(_read_key(value) for value in listed)
    except KeyFormatError:
        raise CustodyError(CustodyFault.NO_BUNDLE) from None


def _read_key(value: JsonValue) -> PrivateKey:
    if not isinstance(value, dict):
        raise KeyFormatError("not a private JWK")
    jwk: JsonObject = value
    return DecryptionKey.from_jwk(jwk) if jwk.get("kty") == "AKP" else SigningKey.from_jwk(jwk)

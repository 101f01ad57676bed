"""Many private keys under one passphrase: one stretching of it opens them all."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from keys import strict_json
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.custody.file import read_key_file, write_key_file
from keys.entropy import Entropy
from keys.errors import CustodyError, KeyFormatError
from keys.identifiers import KeyId
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase, SecretBytes
from keys.strict_json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBundle:
    """Private keys by name: those that sign, and those that open."""

    signing: Mapping[KeyId, SigningKey]
    decryption: Mapping[KeyId, DecryptionKey]

    @classmethod
    def of(cls, keys: Iterable[SigningKey | DecryptionKey]) -> "KeyBundle":
        """Sort keys into a bundle.

        Raises:
            CustodyError: Two keys have one name.
        """
        signing: dict[KeyId, SigningKey] = {}
        decryption: dict[KeyId, DecryptionKey] = {}
        for key in keys:
            if key.kid in signing or key.kid in decryption:
                raise CustodyError("a key id stands twice in the bundle")
            if isinstance(key, SigningKey):
                signing[key.kid] = key
            else:
                decryption[key.kid] = key
        return cls(signing=MappingProxyType(signing), decryption=MappingProxyType(decryption))


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
    exported = [key.export() for key in bundle.signing.values()]
    exported += [key.export() for key in bundle.decryption.values()]
    keys: list[JsonValue] = [strict_json.parse_object(key.reveal()) for key in exported]
    secret = SecretBytes(strict_json.write({"keys": keys}))
    write_key_file(path, secret, passphrase, cost=cost, draw=draw)


def read_bundle(path: Path, passphrase: Passphrase, *, minimum: KdfCost = RECOMMENDED) -> KeyBundle:
    """Read all keys of a bundle.

    Raises:
        CustodyError: See :func:`keys.custody.file.read_key_file`; or it holds no keys.
    """
    secret = read_key_file(path, passphrase, minimum=minimum)
    try:
        members = strict_json.parse_object(secret.reveal())
        listed = members.get("keys")
        if members.keys() != {"keys"} or not isinstance(listed, list):
            raise CustodyError("the key file holds no bundle")
        return KeyBundle.of(_read_key(value) for value in listed)
    except KeyFormatError:
        raise CustodyError("the key file holds no bundle") from None


def read_private_key(secret: SecretBytes) -> SigningKey | DecryptionKey:
    """Read a single exported key, of either kind.

    Raises:
        KeyFormatError: It is neither.
    """
    return _read_key(strict_json.parse_object(secret.reveal()))


def _read_key(value: JsonValue) -> SigningKey | DecryptionKey:
    if not isinstance(value, dict):
        raise KeyFormatError("not a private JWK")
    jwk: JsonObject = value
    return DecryptionKey.from_jwk(jwk) if jwk.get("kty") == "AKP" else SigningKey.from_jwk(jwk)

"""Edge. The gateway's own secrets, from their files: what it signs, and what it alone may tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broker.desk.guarded_file import NOT_FOR_OTHERS, read_guarded
from broker.desk.pins import Pins
from broker.errors import ConfigurationError
from broker.settings import Settings
from keys.custody.bundle import KeyBundle
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.custody.passphrase import read_passphrase
from keys.custody.provider import open_provider
from keys.errors import CustodyError
from keys.identifiers import Exchange, KeyId, kid_owner
from keys.key import SigningKey
from keys.secret import SecretBytes, without_frames

MAX_SECRET_BYTES: Final = 4096
MIN_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The gateway's own secrets, as they lie in its files."""

    signing: Mapping[KeyId, SigningKey] = field(repr=False)
    """Receipt and token keys, next ones among them; which one signs, the directory says."""
    nonce_secret: SecretBytes
    mac_key: SecretBytes
    pins: Pins


@without_frames
def read_secrets(settings: Settings, *, minimum: KdfCost = RECOMMENDED) -> Secrets:
    """Read the gateway's keys, its shared secret and the pinned roots.

    Raises:
        ConfigurationError: A file is missing, too widely readable, or does not open.
    """
    shared = read_guarded(
        settings.at_home(settings.secret_file), forbidden=NOT_FOR_OTHERS, at_most=MAX_SECRET_BYTES
    )
    if len(shared) < MIN_SECRET_BYTES:
        raise ConfigurationError("ENLACE_SECRET_FILE: expected at least 32 random bytes")
    bundle = _read_keys(settings, minimum)
    return Secrets(
        signing=_own_keys(bundle),
        nonce_secret=_derive(shared, b"enlace dpop nonce 1"),
        mac_key=_derive(shared, b"enlace body mac 1"),
        pins=Pins.load(settings.at_home(settings.roots)),
    )


def _read_keys(settings: Settings, minimum: KdfCost) -> KeyBundle:
    try:
        passphrase = read_passphrase(settings.at_home(settings.passphrase_file))
    except CustodyError as error:
        raise ConfigurationError(f"ENLACE_PASSPHRASE_FILE: {error}") from None
    try:
        return open_provider(settings.at_home(settings.keys), passphrase, cost=minimum).read()
    except CustodyError as error:
        raise ConfigurationError(f"ENLACE_KEYS: {error}") from None


def _own_keys(bundle: KeyBundle) -> Mapping[KeyId, SigningKey]:
    # A gateway that held a desk's key, or a root's, would be worth taking over.
    foreign = [kid for kid in bundle.signing if kid_owner(kid) is not Exchange.GATEWAY]
    if foreign or bundle.decryption:
        raise ConfigurationError(
            "ENLACE_KEYS: holds keys that are not the gateway's own; keep those elsewhere"
        )
    return bundle.signing


def _derive(shared: bytes, label: bytes) -> SecretBytes:
    # One secret file, one key per purpose: neither tells anything of the other.
    return SecretBytes(HKDF(SHA256(), length=32, salt=None, info=label).derive(shared))

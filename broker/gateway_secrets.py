"""Edge. The gateway's own secrets, from their files: what it signs, and what it alone may tell."""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broker.desk.guarded_file import NOT_FOR_OTHERS, read_guarded
from broker.desk.pins import Pins
from broker.errors import ConfigurationError
from broker.settings import Settings
from keys.custody.bundle import KeyBundle, read_bundle
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.errors import CustodyError, KeyFormatError
from keys.identifiers import parse_kid
from keys.key import SigningKey
from keys.secret import Passphrase, SecretBytes

MAX_SECRET_BYTES: Final = 4096
MIN_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The gateway's own secrets, read once at start."""

    receipt_key: SigningKey
    token_key: SigningKey
    nonce_secret: SecretBytes
    mac_key: SecretBytes
    pins: Pins


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
        receipt_key=_signing_key(bundle, settings.receipt_key, "ENLACE_RECEIPT_KEY"),
        token_key=_signing_key(bundle, settings.token_key, "ENLACE_TOKEN_KEY"),
        nonce_secret=_derive(shared, b"enlace dpop nonce 1"),
        mac_key=_derive(shared, b"enlace body mac 1"),
        pins=Pins.load(settings.at_home(settings.roots)),
    )


def _read_keys(settings: Settings, minimum: KdfCost) -> KeyBundle:
    passphrase = Passphrase(
        read_guarded(
            settings.at_home(settings.passphrase_file),
            forbidden=NOT_FOR_OTHERS,
            at_most=MAX_SECRET_BYTES,
        ).strip()
    )
    try:
        return read_bundle(settings.at_home(settings.keys), passphrase, minimum=minimum)
    except CustodyError as error:
        raise ConfigurationError(f"ENLACE_KEYS: {error}") from None


def _signing_key(bundle: KeyBundle, name: str, setting: str) -> SigningKey:
    try:
        return bundle.signing[parse_kid(name)]
    except (KeyError, KeyFormatError):
        raise ConfigurationError(f"{setting}: no such key in ENLACE_KEYS") from None


def _derive(shared: bytes, label: bytes) -> SecretBytes:
    # One secret file, one key per purpose: neither tells anything of the other.
    return SecretBytes(HKDF(SHA256(), length=32, salt=None, info=label).derive(shared))

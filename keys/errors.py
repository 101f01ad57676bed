"""What can be wrong with a key, a signature or a statement; nothing here knows of ``broker``.

Every text is fixed beforehand: none repeats a submitted value, a key or a token, so an
error of this package may be logged. Callers in ``broker`` translate by type, or by ``code``.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class KeysError(Exception):
    """Anything that this package refuses."""

    code = "key-error"
    """Stable; one for each subclass."""


class KeyFormatError(KeysError):
    """A key, a key id or an encoding is not well formed, or not a kind that we accept."""

    code = "key-format"


class SignatureError(KeysError):
    """A JWS is malformed, is meant for something else, or its signature does not hold."""

    code = "signature-invalid"


class DecryptionError(KeysError):
    """A wrapped key does not open; one text for every cause."""

    code = "decryption-failed"

    def __init__(self) -> None:
        super().__init__("the wrapped key does not open")


class StatementError(KeysError):
    """A key statement is malformed, or its country did not make it."""

    code = "key-statement-invalid"


class RootError(KeysError):
    """A root is malformed, or does not follow from the one before."""

    code = "root-invalid"


class ActError(KeysError):
    """An administrator's act is malformed, or he may not do it."""

    code = "act-invalid"


class PolicyError(KeysError):
    """A key policy is malformed, or asks for less than is safe."""

    code = "policy-invalid"


class NoKeyError(KeysError):
    """No key serves this holder and purpose at this moment."""

    code = "key-unavailable"


class CustodyFault(StrEnum):
    """What keeps private keys from being read or written; stable, and each has its remedy.

    ``broker/texts/cli.*.toml`` explains every one to people: ``error.key-custody.<fault>``.
    """

    ABSENT = "absent"
    EXISTS = "exists"
    UNWRITABLE = "unwritable"
    UNREADABLE = "unreadable"
    FOREIGN = "foreign"
    WIDE_MODE = "wide-mode"
    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    TOO_CHEAP = "too-cheap"
    CANNOT_OPEN = "cannot-open"
    EMPTY_PASSPHRASE = "empty-passphrase"  # noqa: S105
    NO_BUNDLE = "no-bundle"
    DUPLICATE_KEY = "duplicate-key"
    UNKNOWN_KEY = "unknown-key"
    NOT_EXPORTABLE = "not-exportable"
    BAD_LOCATION = "bad-location"
    NO_DRIVER = "no-driver"
    TOKEN_ABSENT = "token-absent"  # noqa: S105 - a device, no password
    TOKEN_LOCKED = "token-locked"  # noqa: S105
    TOKEN_REFUSES = "token-refuses"  # noqa: S105
    WRONG_PIN = "wrong-pin"
    NO_SEED_FILE = "no-seed-file"
    PASSPHRASE_ABSENT = "passphrase-absent"  # noqa: S105
    PASSPHRASE_EXPOSED = "passphrase-exposed"  # noqa: S105


CUSTODY_TEXTS: Final = MappingProxyType(
    {
        CustodyFault.ABSENT: "the key file cannot be opened, or is a link",
        CustodyFault.EXISTS: "the key file cannot be created, or is there already",
        CustodyFault.UNWRITABLE: "the key file cannot be written",
        CustodyFault.UNREADABLE: "the key file cannot be read",
        CustodyFault.FOREIGN: "the key file is not a file of this user",
        CustodyFault.WIDE_MODE: "the key file's mode is wider than 0600",
        CustodyFault.TOO_LARGE: "the key file is too large",
        CustodyFault.MALFORMED: "the key file is malformed",
        CustodyFault.TOO_CHEAP: "the key file is protected too cheaply",
        CustodyFault.CANNOT_OPEN: (
            "the key file does not open: wrong passphrase, or the file was changed"
        ),
        CustodyFault.EMPTY_PASSPHRASE: "the passphrase is empty",
        CustodyFault.NO_BUNDLE: "the key file holds no bundle",
        CustodyFault.DUPLICATE_KEY: "a key id stands twice in the bundle",
        CustodyFault.UNKNOWN_KEY: "no private key of this id is kept here",
        CustodyFault.NOT_EXPORTABLE: "a key that lives in a token does not leave it",
        CustodyFault.BAD_LOCATION: "the place of the keys is no path and no PKCS#11 URI of ours",
        CustodyFault.NO_DRIVER: "the PKCS#11 library cannot be loaded",
        CustodyFault.TOKEN_ABSENT: "the token is not there",
        CustodyFault.TOKEN_LOCKED: "the token's PIN is locked",
        CustodyFault.TOKEN_REFUSES: "the token does not do what was asked",
        CustodyFault.WRONG_PIN: "the token does not accept the PIN",
        CustodyFault.NO_SEED_FILE: "the PKCS#11 URI names no file for decryption keys",
        CustodyFault.PASSPHRASE_ABSENT: "the passphrase cannot be read",
        CustodyFault.PASSPHRASE_EXPOSED: "others may read the passphrase",
    }
)


class CustodyError(KeysError):
    """Private keys cannot be read or written safely; nothing was changed."""

    code = "key-custody"

    def __init__(self, fault: CustodyFault) -> None:
        super().__init__(CUSTODY_TEXTS[fault])
        self.fault = fault

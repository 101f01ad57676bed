"""Where does a party keep its private keys? One port, and every place behind it.

A place is named by a text: a path, or ``file:`` and a path, is an encrypted key file;
``pkcs11:`` (RFC 7512) is a token. Nobody but :func:`open_provider` knows the back ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody.bundle import KeyBundle, PrivateKey
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.errors import CustodyError, CustodyFault
from keys.identifiers import KeyId
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase

TOKEN_SCHEME: Final = "pkcs11:"  # noqa: S105 - RFC 7512 calls the device a token
FILE_SCHEME: Final = "file:"
KeyAlgorithm: TypeAlias = SignatureAlgorithm | EncryptionAlgorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWish:
    """A key that is to be made."""

    kid: KeyId
    algorithm: KeyAlgorithm
    """Decides too whether the key signs or opens."""

    def make(self) -> PrivateKey:
        """Make the key in this process, of the kernel's entropy.

        Raises:
            KeyFormatError: No keys of this algorithm are held by us.
        """
        if isinstance(self.algorithm, SignatureAlgorithm):
            return SigningKey.generate(self.algorithm, self.kid)
        return DecryptionKey.generate(self.algorithm, self.kid)


class KeyProvider(Protocol):
    """A party's private keys in one place. Every method may be called from any thread."""

    def read(self) -> KeyBundle:
        """Read all keys as they are now.

        The keys of a bundle go on working when the provider's keys change; those in a token
        until they are erased there.

        Raises:
            CustodyError: The place cannot be read, or does not open.
        """

    def generate(self, wishes: Sequence[KeyWish]) -> tuple[PrivateKey, ...]:
        """Make new keys, in the order of the wishes; durable when this returns.

        In a file, all of them are there afterwards or none. In a token, signing keys are made
        inside and never leave it; what an error interrupts is destroyed again, as far as the token
        still answers, and what a crash interrupts stays.

        Raises:
            CustodyError: A key of that name is there, or the place cannot be written.
            KeyFormatError: No keys of that algorithm are held by us.
        """

    def add(self, keys: Iterable[PrivateKey]) -> None:
        """Take in keys that were made elsewhere; durable when this returns.

        All or none of them, as :meth:`generate` says.

        Raises:
            CustodyError: A key of that name is there, lives in another token, or the place
                cannot be written; nothing was changed.
        """

    def erase(self, kid: KeyId) -> None:
        """Remove a private key for good; durable when this returns.

        What backups hold of a key file is out of reach: see docs/custody.md.

        Raises:
            CustodyError: There is no such key, or the place cannot be written.
        """

    def change_passphrase(self, new: Passphrase) -> None:
        """Keep the same keys under another passphrase, or a token's under another PIN.

        Raises:
            CustodyError: The new one is empty or not accepted; the old one holds on.
        """


def open_provider(
    location: str | Path, passphrase: Passphrase, *, cost: KdfCost = RECOMMENDED
) -> KeyProvider:
    """Open the place that a text names.

    Args:
        location: A path, ``file:`` and a path, or a ``pkcs11:`` URI.
        passphrase: Of the key file; or the token's PIN.
        cost: New files cost this, and cheaper ones are refused.

    Raises:
        CustodyError: The text names no place, or the token is away or refuses the PIN. A
            key file is opened by the first call, not here.
    """
    text = str(location)
    if is_token(text):
        return _open_token(text, passphrase)
    from keys.custody.file_provider import FileProvider  # noqa: PLC0415 - it knows this module

    return FileProvider(file_of(text), passphrase, cost=cost)


def is_token(location: str | Path) -> bool:
    """Does this text name a token?"""
    # A URI that went through a Path lost nothing: it has no double slashes before its query.
    return str(location).startswith(TOKEN_SCHEME)


def file_of(location: str | Path) -> Path:
    """Take the path out of what names a key file.

    Raises:
        CustodyError: It names none.
    """
    text = str(location).removeprefix(FILE_SCHEME)
    if not text or "\0" in text or is_token(text):
        raise CustodyError(CustodyFault.BAD_LOCATION)
    return Path(text)


def _open_token(location: str, pin: Passphrase) -> KeyProvider:
    from keys.custody.token_uri import TokenUri  # noqa: PLC0415 - it knows this module

    uri = TokenUri.parse(location)
    try:
        from keys.custody.token_provider import TokenProvider  # noqa: PLC0415 - an extra
    except ImportError:
        raise CustodyError(CustodyFault.NO_DRIVER) from None
    return TokenProvider.open(uri, pin)

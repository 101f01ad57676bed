"""The private keys that this country's system holds, each in its one use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from broker.desk.profile import Profile
from broker.errors import ConfigurationError
from keys.custody.bundle import KeyBundle
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.custody.provider import open_provider
from keys.identifiers import KeyId
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKeys:
    """An agency or a desk's own keys."""

    authentication: SigningKey = field(repr=False)
    """Authenticates the OAuth client."""
    signature: SigningKey = field(repr=False)
    """Signs messages, or a desk's answers."""
    decryption: Mapping[KeyId, DecryptionKey] = field(repr=False)
    """A desk's, draining ones included; empty for an agency."""

    @classmethod
    def of(cls, bundle: KeyBundle, profile: Profile) -> Self:
        """Pick from a bundle what the profile names.

        Raises:
            ConfigurationError: A named key is not in the bundle.
        """

        def signing(name: str, kid: KeyId) -> SigningKey:
            found = bundle.signing.get(kid)
            if found is None:
                raise ConfigurationError(f"{name}: the bundle holds no signing key {kid}")
            return found

        return cls(
            authentication=signing("authentication_key", profile.authentication_key),
            signature=signing("signature_key", profile.signature_key),
            decryption=bundle.decryption,
        )

    @classmethod
    def load(
        cls, profile: Profile, passphrase: Passphrase, *, minimum: KdfCost = RECOMMENDED
    ) -> Self:
        """Open the key bundle of a profile; takes a tenth of a second and 64 MiB.

        Raises:
            CustodyError: It does not open, or others may read it.
            ConfigurationError: A named key is not in it.
        """
        return cls.of(open_provider(profile.key_file, passphrase, cost=minimum).read(), profile)

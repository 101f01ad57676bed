"""Whose word counts here? The keys that this country pinned, learnt by another way.

``roots.json`` is ``{"MX": [<JWK>, …], …, "GW": [<JWK>, …]}``. Under a country stand its root
keys, which state all its other keys. Under ``GW`` stand the receipt keys of the gateway.
They are no roots: whoever signs receipts must not be able to state keys as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from broker.desk.guarded_file import NOT_FOR_OTHERS_TO_WRITE, read_guarded
from broker.errors import ConfigurationError
from keys import strict_json
from keys.errors import KeyFormatError
from keys.identifiers import OWNERS, Exchange, KeyId, Owner, kid_owner
from keys.key import VerificationKey
from keys.statement import Roots
from keys.strict_json import JsonObject, JsonValue

MAX_PINS_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What signatures are held against in the end."""

    roots: Roots
    """The countries' root keys; the exchange has none here."""
    receipt_keys: Mapping[KeyId, VerificationKey]
    """The gateway's receipt keys, past ones included: old receipts still count."""

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read ``roots.json``.

        Raises:
            ConfigurationError: Malformed, or writable by others.
        """
        data = read_guarded(file, forbidden=NOT_FOR_OTHERS_TO_WRITE, at_most=MAX_PINS_BYTES)
        try:
            return cls.from_bytes(data)
        except KeyFormatError as error:
            raise ConfigurationError(f"{file}: {error}") from None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the pinned keys.

        Raises:
            KeyFormatError: Not of the form above, or a key id of another owner.
        """
        keys = {
            _owner(name): _keys(_owner(name), jwks)
            for name, jwks in strict_json.parse_object(data).items()
        }
        receipt_keys = keys.pop(Exchange.GATEWAY, ())
        return cls(
            roots=MappingProxyType(keys),
            receipt_keys=MappingProxyType({key.kid: key for key in receipt_keys}),
        )

    def to_bytes(self) -> bytes:
        """Write what :meth:`from_bytes` reads."""
        listed: JsonObject = {
            owner.value: [key.jwk() for key in keys] for owner, keys in self.roots.items()
        }
        gateway: list[JsonValue] = [key.jwk() for key in self.receipt_keys.values()]
        return strict_json.write({**listed, Exchange.GATEWAY.value: gateway})


def _owner(name: str) -> Owner:
    if name not in OWNERS:
        raise KeyFormatError("a key owner is neither a member nor GW")
    return OWNERS[name]


def _keys(owner: Owner, jwks: JsonValue) -> tuple[VerificationKey, ...]:
    if not isinstance(jwks, list):
        raise KeyFormatError("the keys of an owner are no list")
    keys = tuple(VerificationKey.from_jwk(jwk) for jwk in jwks if isinstance(jwk, dict))
    if len(keys) != len(jwks) or any(kid_owner(key.kid) is not owner for key in keys):
        raise KeyFormatError("a pinned key is malformed or another owner's")
    return keys

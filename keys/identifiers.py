r"""What is this key called, whose is it, and how does a person compare it?

A key id is ``<owner>-<name>``: the owner is a Member Country or ``GW``, the exchange itself
(``MX-fge-2026-1``, ``GW-receipt-1``). It is only a name to look up in the owner's own map;
its form leaves no room for a path, a URL, or SQL.
"""

import hashlib
import re
from enum import StrEnum
from typing import NewType, TypeAlias

from keys import base64url, strict_json
from keys.errors import KeyFormatError
from keys.strict_json import JsonObject
from schemas.vocabulary import Country

KeyId = NewType("KeyId", str)
"""Two capital letters, a hyphen, 1 to 32 of ``[a-z0-9-]``; made only by :func:`parse_kid`."""

KID_PATTERN = re.compile(r"[A-Z]{2}-[a-z0-9-]{1,32}", re.ASCII)
FINGERPRINT_GROUPS = 8
"""Eight groups of four hexadecimal digits: 128 bits, short enough to read out on the phone."""


class Exchange(StrEnum):
    """The exchange itself, as the owner of keys; ISO 3166 gives GW to no Member Country."""

    GATEWAY = "GW"


Owner: TypeAlias = Country | Exchange
"""Who answers for a key."""

OWNERS: dict[str, Owner] = {
    **{country.value: country for country in Country},
    Exchange.GATEWAY.value: Exchange.GATEWAY,
}

REQUIRED_MEMBERS = {
    "OKP": ("crv", "kty", "x"),
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
    "AKP": ("alg", "kty", "pub"),
}
"""What a thumbprint covers, per key type (RFC 7638 section 3.2, RFC 8037, AKP draft)."""


def parse_kid(text: object) -> KeyId:
    """Read a key id.

    Raises:
        KeyFormatError: Not a text of this form, or of an owner that is not a member.
    """
    if not isinstance(text, str) or KID_PATTERN.fullmatch(text) is None or text[:2] not in OWNERS:
        raise KeyFormatError("not a key id")
    return KeyId(text)


def kid_owner(kid: KeyId) -> Owner:
    """Whose key is this?"""
    return OWNERS[kid[:2]]


def thumbprint(jwk: JsonObject) -> str:
    """Name a key by its content: base64url SHA-256 over its required members.

    Args:
        jwk: A public key; other members, private ones among them, do not count.

    Raises:
        KeyFormatError: The key type is unknown or a required member is missing.

    Source:
        RFC 7638 section 3.
    """
    return base64url.encode(_digest(jwk))


def fingerprint(jwk: JsonObject) -> str:
    """Show a key so that two people can compare it: ``4f2a-…``, eight groups of four."""
    digits = _digest(jwk).hex()
    return "-".join(digits[4 * group : 4 * group + 4] for group in range(FINGERPRINT_GROUPS))


def _digest(jwk: JsonObject) -> bytes:
    kty = jwk.get("kty")
    names = REQUIRED_MEMBERS.get(kty) if isinstance(kty, str) else None
    if names is None or not all(isinstance(jwk.get(name), str) for name in names):
        raise KeyFormatError("not a JWK of a known type")
    return hashlib.sha256(strict_json.write({name: jwk[name] for name in names})).digest()

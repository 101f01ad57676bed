"""The protected header of a JWS: a closed set of members, each with one meaning.

Nothing in a header fetches, embeds or chooses a key (``jku``, ``x5u``, ``x5c``), changes the
payload (``zip``), or is skipped because it is unknown (``crit``): such a header is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from keys import base64url, strict_json
from keys.errors import KeyFormatError, SignatureError
from keys.strict_json import JsonObject, JsonValue

Claim: TypeAlias = str | int
"""What a header says beyond JOSE: short printable ASCII, or a whole number up to 2^53 - 1."""

MAX_HEADER_CHARS: Final = 4096
"""An embedded RSA-4096 key takes 1000; our own headers take 350."""
MAX_CLAIM_CHARS: Final = 256
MAX_INTEGER: Final = 2**53 - 1
"""The largest whole number that every JSON reader agrees on (RFC 7493 section 2.2)."""
RESERVED: Final = frozenset({"alg", "kid", "typ", "b64", "crit", "jwk"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header that holds nothing unexpected; not yet verified."""

    alg: str
    typ: str | None
    kid: str | None
    detached: bool
    claims: Mapping[str, Claim]
    jwk: JsonObject | None
    """Only in a DPoP proof."""


def read(segment: str, *, claims: frozenset[str] = frozenset()) -> Header:
    """Read a header whose members are JOSE's and exactly these claims.

    Raises:
        SignatureError: Too long, not strict JSON, a member too many or too few, or of the
            wrong type.

    Source:
        RFC 7515 section 4.1; RFC 7797 section 6; RFC 8725 sections 3.1, 3.2 and 3.10.
    """
    if len(segment) > MAX_HEADER_CHARS:
        raise SignatureError("the header is too long")
    try:
        members = strict_json.parse_object(base64url.decode(segment))
    except KeyFormatError:
        raise SignatureError("the header is malformed") from None
    names = members.keys()
    if not claims <= names or not names <= RESERVED | claims:
        raise SignatureError("the header has a member too many or too few")
    return Header(
        alg=_text(members, "alg"),
        typ=_optional_text(members, "typ"),
        kid=_optional_text(members, "kid"),
        detached=_is_detached(members),
        claims={name: _claim(members[name]) for name in claims},
        jwk=_embedded_key(members),
    )


def write(members: Mapping[str, str], claims: Mapping[str, Claim], *, detached: bool) -> str:
    """Write a header as its base64url segment.

    Raises:
        SignatureError: A claim that no reader would accept.
    """
    if not RESERVED.isdisjoint(claims):
        raise SignatureError("a claim has the name of a JOSE member")
    header: JsonObject = {**members, **{name: _claim(value) for name, value in claims.items()}}
    if detached:
        header |= {"b64": False, "crit": ["b64"]}
    return base64url.encode(strict_json.write(header))


def _is_detached(members: JsonObject) -> bool:
    if "b64" not in members and "crit" not in members:
        return False
    # RFC 7797 section 6: both or neither; we know no other critical member.
    if members.get("b64") is not False or members.get("crit") != ["b64"]:
        raise SignatureError("the header has a critical member that we do not know")
    return True


def _embedded_key(members: JsonObject) -> JsonObject | None:
    key = members.get("jwk")
    if "jwk" in members and not isinstance(key, dict):
        raise SignatureError("the header is malformed")
    return key if isinstance(key, dict) else None


def _optional_text(members: JsonObject, name: str) -> str | None:
    return _text(members, name) if name in members else None


def _text(members: JsonObject, name: str) -> str:
    value = _claim(members.get(name))
    if not isinstance(value, str):
        raise SignatureError("the header is malformed")
    return value


def _claim(value: JsonValue) -> Claim:
    if isinstance(value, str):
        if len(value) <= MAX_CLAIM_CHARS and value.isascii() and value.isprintable():
            return value
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER:
        return value
    raise SignatureError("the header is malformed")

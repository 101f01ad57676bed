"""The JWE on the wire: its members and nothing else, read strictly, written one way.

No key and no cipher here: texts are taken apart and put together. The hash that receipts
and the log carry covers everything but the recipients, so that a new wrap of the content
key, or a copy with one recipient's entry only, is still the same evidence.
"""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from broker.errors import UnsealError
from keys import base64url, strict_json
from keys.algorithms import SUITE_OF, EncryptionAlgorithm, Suite
from keys.errors import KeyFormatError
from keys.hybrid import kem_of
from keys.identifiers import KeyId, parse_kid
from keys.strict_json import JsonObject, JsonValue

CONTENT_ENCRYPTION: Final = "A256GCM"
SEALED_TYP: Final = "enlace-sealed+jwe"
MAX_RECIPIENTS: Final = 33
"""Eleven countries with three compartments each."""
MAX_JWE_BYTES: Final = 512 * 1024
"""257 KiB of padded content in base64url, and 33 recipients of 2.5 KiB each."""
MAX_PROTECTED_CHARS: Final = 512
MAX_EK_CHARS: Final = 2220
"""1665 bytes, of ML-KEM-1024 with P-384."""
HASH_BYTES: Final = 32
ENCRYPTED_KEY_BYTES: Final = 48
ENCRYPTED_KEY_CHARS: Final = 64
"""48 bytes: a 32-byte content key and its tag."""
ALGORITHMS: Final = {algorithm.value: algorithm for algorithm in EncryptionAlgorithm}

MEMBERS: Final = frozenset({"protected", "aad", "iv", "ciphertext", "tag", "recipients"})
PROTECTED_MEMBERS: Final = frozenset({"ckc", "enc", "suite", "typ"})
RECIPIENT_MEMBERS: Final = frozenset({"header", "encrypted_key"})
RECIPIENT_HEADER_MEMBERS: Final = frozenset({"alg", "kid", "ek"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The content key, wrapped for one key; decoded only by who holds that key."""

    kid: KeyId
    algorithm: EncryptionAlgorithm
    encapsulated: str = field(repr=False)
    """``ek``, base64url: 1120 or 1665 bytes."""
    encrypted_key: str = field(repr=False)
    """Base64url: 48 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """The protected header: one suite for all recipients, one content key."""

    suite: Suite
    commitment: bytes
    """SHA-256 over a label and the content key; AES-GCM alone does not bind to one key."""

    def to_text(self) -> str:
        """Write it as the base64url that is authenticated."""
        members: JsonObject = {
            "ckc": base64url.encode(self.commitment),
            "enc": CONTENT_ENCRYPTION,
            "suite": self.suite.value,
            "typ": SEALED_TYP,
        }
        return base64url.encode(strict_json.write(members))


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwe:
    """A JWE of our form, in its texts; what they mean to a cipher is not judged yet."""

    protected: str
    aad: str
    iv: str
    ciphertext: str = field(repr=False)
    tag: str
    recipients: tuple[Recipient, ...]

    @property
    def content_hash(self) -> str:
        """Base64url SHA-256 over ``protected.aad.iv.ciphertext.tag``: 43 characters."""
        parts = (self.protected, self.aad, self.iv, self.ciphertext, self.tag)
        return base64url.encode(hashlib.sha256(".".join(parts).encode("ascii")).digest())

    @property
    def authenticated(self) -> bytes:
        """What the content encryption authenticates beside the content (RFC 7516 5.1.14)."""
        return f"{self.protected}.{self.aad}".encode("ascii")

    def only_for(self, kid: KeyId) -> "Jwe":
        """Keep one recipient's entry: all that its holder needs, and the same evidence.

        Raises:
            UnsealError: It has no such recipient.
        """
        entries = tuple(entry for entry in self.recipients if entry.kid == kid)
        if not entries:
            raise UnsealError
        return replace(self, recipients=entries)

    def with_entry(self, old_kid: KeyId, entry: Recipient) -> "Jwe":
        """Put a new wrap in the place of an old one.

        Raises:
            UnsealError: There is no old one, or the new key has an entry already.
        """
        kids = [recipient.kid for recipient in self.recipients]
        if old_kid not in kids or (entry.kid != old_kid and entry.kid in kids):
            raise UnsealError
        entries = (entry if old.kid == old_kid else old for old in self.recipients)
        return replace(self, recipients=tuple(entries))


def content_hash(jwe: bytes, *, fewest: int = 1) -> str:
    """Hash the content of a JWE, whoever its recipients are; ``fewest`` as in :func:`parse`.

    Raises:
        UnsealError: It is not a JWE of our form.
    """
    return parse(jwe, fewest=fewest).content_hash


def write(jwe: Jwe) -> bytes:
    """Write the General JSON Serialization (RFC 7516 section 7.2.1)."""
    recipients: list[JsonValue] = [write_recipient(entry) for entry in jwe.recipients]
    members = {
        "protected": jwe.protected,
        "aad": jwe.aad,
        "iv": jwe.iv,
        "ciphertext": jwe.ciphertext,
        "tag": jwe.tag,
        "recipients": recipients,
    }
    # All of it is ASCII already, and too long for an encoder that looks at each character.
    return orjson.dumps(members, option=orjson.OPT_SORT_KEYS)


def without_entries(jwe: bytes) -> bytes:
    """Leave out all recipients: the same content, which then no key opens.

    Raises:
        UnsealError: It is not a JSON object.
    """
    try:
        members = orjson.loads(jwe)
    except orjson.JSONDecodeError:
        raise UnsealError from None
    if not isinstance(members, dict):
        raise UnsealError
    return orjson.dumps({**members, "recipients": []}, option=orjson.OPT_SORT_KEYS)


def only_entry(jwe: bytes, kid: KeyId) -> bytes:
    """Leave out all recipients but the holder of this key: the same content, the same hash.

    Nothing is judged: whoever opens it reads it strictly.

    Raises:
        UnsealError: It is not of our form, or has no such recipient.
    """
    try:
        members = orjson.loads(jwe)
        own = [entry for entry in members["recipients"] if entry["header"]["kid"] == kid]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UnsealError from None
    if not own:
        raise UnsealError
    return orjson.dumps({**members, "recipients": own}, option=orjson.OPT_SORT_KEYS)


def parse(data: bytes, *, fewest: int = 1) -> Jwe:
    """Read a JWE of exactly our form: no ``zip``, ``unprotected`` or member unknown to us.

    Args:
        data: As it came.
        fewest: Recipients that it must have; a recall may be sealed to nobody (SG-07).

    Raises:
        UnsealError: Anything else, and too large, before much of it is decoded.
    """
    if len(data) > MAX_JWE_BYTES:
        raise UnsealError
    try:
        members = strict_json.parse_object(data)
        _require(members, MEMBERS)
        recipients = members["recipients"]
        if not isinstance(recipients, list) or not fewest <= len(recipients) <= MAX_RECIPIENTS:
            raise UnsealError
        entries = tuple(read_recipient(value) for value in recipients)
        jwe = Jwe(
            protected=_text(members["protected"]),
            aad=_text(members["aad"]),
            iv=_text(members["iv"]),
            ciphertext=_text(members["ciphertext"]),
            tag=_text(members["tag"]),
            recipients=entries,
        )
        suite = read_protected(jwe).suite
    except KeyFormatError:
        raise UnsealError from None
    # What is hashed and authenticated is text of ASCII, whatever a cipher says of it later.
    if not all(text.isascii() for text in (jwe.aad, jwe.iv, jwe.ciphertext, jwe.tag)):
        raise UnsealError
    # A recipient of another suite is a downgrade: all of a message or none.
    if len({entry.kid for entry in entries}) != len(entries) or any(
        SUITE_OF[entry.algorithm] is not suite for entry in entries
    ):
        raise UnsealError
    return jwe


def read_protected(jwe: Jwe) -> Protected:
    """Read the protected header.

    Raises:
        KeyFormatError: Not the only spelling of ours.
        UnsealError: Members, suite or encryption that we do not know.
    """
    if len(jwe.protected) > MAX_PROTECTED_CHARS:
        raise UnsealError
    members = strict_json.parse_object(base64url.decode(jwe.protected))
    _require(members, PROTECTED_MEMBERS)
    if members["enc"] != CONTENT_ENCRYPTION or members["typ"] != SEALED_TYP:
        raise UnsealError
    # The one place that admits a suite: the classical one would be let in here, by policy.
    if members["suite"] != Suite.POST_QUANTUM:
        raise UnsealError
    commitment = _octets(members["ckc"], HASH_BYTES)
    return Protected(suite=Suite.POST_QUANTUM, commitment=commitment)


def write_recipient(entry: Recipient) -> JsonObject:
    """Write one entry of ``recipients``."""
    header: JsonObject = {
        "alg": entry.algorithm.value,
        "kid": entry.kid,
        "ek": entry.encapsulated,
    }
    return {"header": header, "encrypted_key": entry.encrypted_key}


def read_recipient(value: JsonValue) -> Recipient:
    """Read one entry of ``recipients``; raises ``UnsealError`` or ``KeyFormatError``."""
    if not isinstance(value, dict):
        raise UnsealError
    _require(value, RECIPIENT_MEMBERS)
    header = value["header"]
    if not isinstance(header, dict):
        raise UnsealError
    _require(header, RECIPIENT_HEADER_MEMBERS)
    algorithm = ALGORITHMS.get(_text(header["alg"]))
    ek, encrypted_key = _text(header["ek"]), _text(value["encrypted_key"])
    if algorithm is None or len(ek) > MAX_EK_CHARS or len(encrypted_key) != ENCRYPTED_KEY_CHARS:
        raise UnsealError
    return Recipient(
        kid=parse_kid(header["kid"]),
        algorithm=algorithm,
        encapsulated=ek,
        encrypted_key=encrypted_key,
    )


def require_whole(entry: Recipient) -> None:
    """Return if an entry could be one: octets of the right sizes, in their only spelling.

    Whether it opens, only the holder of its key can say.

    Raises:
        UnsealError, KeyFormatError: It could not.
    """
    encapsulated = base64url.decode(entry.encapsulated)
    encrypted_key = base64url.decode(entry.encrypted_key)
    if (
        len(encapsulated) != kem_of(entry.algorithm).encapsulated_bytes
        or len(encrypted_key) != ENCRYPTED_KEY_BYTES
    ):
        raise UnsealError


def _require(members: JsonObject, names: frozenset[str]) -> None:
    if members.keys() != names:
        raise UnsealError


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise UnsealError
    return value


def _octets(value: JsonValue, size: int) -> bytes:
    text = _text(value)
    # Four characters for three bytes; longer is refused before it is decoded.
    if len(text) > (4 * size + 2) // 3:
        raise UnsealError
    data = base64url.decode(text)
    if len(data) != size:
        raise UnsealError
    return data

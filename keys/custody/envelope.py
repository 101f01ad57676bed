"""The bytes of a key file: a passphrase stretched by Argon2id, then AES-256-GCM.

Everything but the ciphertext is authenticated with it, so nobody can lower the cost, move a
ciphertext under another header, or let one file pass for another kind.
"""

from dataclasses import dataclass
from typing import Final

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys import base64url, strict_json
from keys.entropy import Entropy
from keys.errors import CustodyError, CustodyFault, KeyFormatError
from keys.secret import Passphrase, SecretBytes, without_frames
from keys.strict_json import JsonObject, JsonValue

FORMAT: Final = "enlace-key-file-1"
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KdfCost:
    """What one guess of the passphrase costs."""

    passes: int
    memory_kib: int
    lanes: int

    def is_at_least(self, other: "KdfCost") -> bool:
        """Does a guess cost no less in passes and in memory?"""
        return self.passes >= other.passes and self.memory_kib >= other.memory_kib

    def to_json(self) -> JsonObject:
        """Write it for the header."""
        return {
            "name": "argon2id",
            "passes": self.passes,
            "memory_kib": self.memory_kib,
            "lanes": self.lanes,
        }


RECOMMENDED: Final = KdfCost(passes=3, memory_kib=64 * 1024, lanes=4)
"""RFC 9106 section 4, the second recommended option: 64 MiB."""
INTERACTIVE_DEMO: Final = KdfCost(passes=1, memory_kib=1024, lanes=1)
"""For tests and demonstrations only: a guess costs a millisecond."""
MOST: Final = KdfCost(passes=16, memory_kib=1024 * 1024, lanes=16)
"""A file that asks for more is meant to exhaust the reader."""


@without_frames
def close(secret: SecretBytes, passphrase: Passphrase, cost: KdfCost, draw: Entropy) -> bytes:
    """Close a secret under a passphrase.

    Args:
        secret: Any bytes.
        passphrase: At least one byte.
        cost: Stands in the file.
        draw: Asked twice: 16 bytes of salt, 12 of nonce.

    Returns:
        A JSON object with a line end.

    Raises:
        CustodyError: The passphrase is empty.
    """
    if not passphrase.reveal():
        raise CustodyError(CustodyFault.EMPTY_PASSPHRASE)
    header: JsonObject = {
        "format": FORMAT,
        "kdf": {**cost.to_json(), "salt": base64url.encode(salt := draw(SALT_BYTES))},
        "cipher": {"name": "A256GCM", "nonce": base64url.encode(nonce := draw(NONCE_BYTES))},
    }
    cipher = AESGCM(_stretch(passphrase, salt, cost))
    closed = cipher.encrypt(nonce, secret.reveal(), strict_json.write(header))
    return strict_json.write({**header, "ciphertext": base64url.encode(closed)}) + b"\n"


@without_frames
def open_envelope(data: bytes, passphrase: Passphrase, minimum: KdfCost) -> SecretBytes:
    """Open what :func:`close` made.

    Raises:
        CustodyError: Malformed, cheaper than the minimum or dearer than sense, or it does
            not open: one text for a wrong passphrase and for a changed file.
    """
    try:
        members = strict_json.parse_object(data)
        _require(members, "format", "kdf", "cipher", "ciphertext")
        header = {name: value for name, value in members.items() if name != "ciphertext"}
        kdf, cipher = _object(members["kdf"]), _object(members["cipher"])
        _require(kdf, "name", "passes", "memory_kib", "lanes", "salt")
        _require(cipher, "name", "nonce")
        names = (members["format"], kdf["name"], cipher["name"])
        salt, nonce = _octets(kdf["salt"], SALT_BYTES), _octets(cipher["nonce"], NONCE_BYTES)
        closed = base64url.decode(_text(members["ciphertext"]))
    except KeyFormatError:
        raise CustodyError(CustodyFault.MALFORMED) from None
    if names != (FORMAT, "argon2id", "A256GCM"):
        raise CustodyError(CustodyFault.MALFORMED)
    opener = AESGCM(_stretch(passphrase, salt, _accepted(kdf, minimum)))
    try:
        return SecretBytes(opener.decrypt(nonce, closed, strict_json.write(header)))
    except (InvalidTag, ValueError):
        raise CustodyError(CustodyFault.CANNOT_OPEN) from None


def _stretch(passphrase: Passphrase, salt: bytes, cost: KdfCost) -> bytes:
    return hash_secret_raw(
        secret=passphrase.reveal(),
        salt=salt,
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=cost.lanes,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def _accepted(kdf: JsonObject, minimum: KdfCost) -> KdfCost:
    passes, memory_kib, lanes = (_positive(kdf[name]) for name in ("passes", "memory_kib", "lanes"))
    cost = KdfCost(passes=passes, memory_kib=memory_kib, lanes=lanes)
    if not MOST.is_at_least(cost) or lanes > MOST.lanes or memory_kib < 8 * lanes:
        raise CustodyError(CustodyFault.MALFORMED)
    if not cost.is_at_least(minimum):
        raise CustodyError(CustodyFault.TOO_CHEAP)
    return cost


def _positive(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CustodyError(CustodyFault.MALFORMED)
    return value


def _require(members: JsonObject, *names: str) -> None:
    if members.keys() != set(names):
        raise KeyFormatError("malformed")


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise KeyFormatError("malformed")
    return value


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise KeyFormatError("malformed")
    return value


def _octets(value: JsonValue, size: int) -> bytes:
    data = base64url.decode(_text(value))
    if len(data) != size:
        raise KeyFormatError("malformed")
    return data

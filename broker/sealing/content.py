"""The content: signed bytes in a frame of a fixed size, and the cipher that closes it.

The frame is ``body length (4) ‖ signature length (2) ‖ body ‖ signature ‖ zeros``, big-endian.
Its size is the smallest class that the body fits (1, 4, 16, 64, 256 KiB), and 1 KiB more for
the lengths and the signature; so it tells the class of the body and nothing finer.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker.errors import UnsealError
from keys.jws import MAX_DETACHED_CHARS
from keys.secret import SecretBytes

SIZE_CLASSES: Final = tuple(kib * 1024 for kib in (1, 4, 16, 64, 256))
ROOM_BYTES: Final = 1024
LENGTHS: Final = struct.Struct(">IH")
MAX_BODY_BYTES: Final = SIZE_CLASSES[-1]
KEY_BYTES: Final = 32
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
COMMITMENT_LABEL: Final = b"enlace-ckc-1\x00"
FACTS_LABEL: Final = b"enlace-facts-1\x00"


class ContentKey(SecretBytes):
    """The 32-byte key of one message's content; drawn for it, used once."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedContent:
    """The exact bytes that the originator signed, and his detached signature."""

    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    """A second officer's stands behind it, with a comma between."""


def commit(key: ContentKey) -> bytes:
    """Commit to a content key, so that no two keys can open one message differently."""
    return hashlib.sha256(COMMITMENT_LABEL + key.reveal()).digest()


def facts_salt(key: ContentKey) -> bytes:
    """Salt for the digest of a content's facts: known to who can open it, and to nobody else."""
    return hmac.digest(key.reveal(), FACTS_LABEL, hashlib.sha256)


def is_committed(key: ContentKey, commitment: bytes) -> bool:
    """Is this the key that was committed to? Takes the same time either way."""
    return hmac.compare_digest(commit(key), commitment)


def require_whole(iv: bytes, ciphertext: bytes, tag: bytes) -> None:
    """Return if these octets could be a content: of the right sizes, in a frame of one class.

    Whether they open, only the holder of the content key can say.

    Raises:
        UnsealError: They could not.
    """
    frames = {ROOM_BYTES + size for size in SIZE_CLASSES}
    if len(iv) != IV_BYTES or len(tag) != TAG_BYTES or len(ciphertext) not in frames:
        raise UnsealError


def frame(content: SignedContent) -> bytes:
    """Put signed bytes into the frame of their size class.

    Raises:
        RuntimeError: Larger than what admission lets pass, or not a detached JWS.
    """
    signature = content.signature.encode("ascii")
    if len(content.body) > MAX_BODY_BYTES or not 0 < len(signature) <= MAX_DETACHED_CHARS:
        raise RuntimeError("content is sealed only after it was admitted")
    lengths = LENGTHS.pack(len(content.body), len(signature))
    return (lengths + content.body + signature).ljust(_frame_size(len(content.body)), b"\x00")


def unframe(data: bytes) -> SignedContent:
    """Take signed bytes out of their frame, if it is the one frame that they have.

    Raises:
        UnsealError: Lengths that do not fit, another size class, or padding that is not zero.
    """
    if len(data) < LENGTHS.size:
        raise UnsealError
    body_bytes, signature_bytes = LENGTHS.unpack_from(data)
    middle = LENGTHS.size + body_bytes
    end = middle + signature_bytes
    if (
        body_bytes > MAX_BODY_BYTES
        or not 0 < signature_bytes <= MAX_DETACHED_CHARS
        or len(data) != _frame_size(body_bytes)
        or data.count(0, end) != len(data) - end
        or not data[middle:end].isascii()
    ):
        raise UnsealError
    return SignedContent(
        body=data[LENGTHS.size : middle], signature=data[middle:end].decode("ascii")
    )


def encrypt(key: ContentKey, iv: bytes, plaintext: bytes, authenticated: bytes) -> bytes:
    """Encrypt by AES-256-GCM: 16 bytes longer, the tag at the end."""
    return AESGCM(key.reveal()).encrypt(iv, plaintext, authenticated)


def decrypt(key: ContentKey, iv: bytes, ciphertext: bytes, authenticated: bytes) -> bytes:
    """Decrypt by AES-256-GCM.

    Raises:
        UnsealError: The key, the content or what is authenticated with it is another.
    """
    try:
        return AESGCM(key.reveal()).decrypt(iv, ciphertext, authenticated)
    except InvalidTag:
        raise UnsealError from None


def _frame_size(body_bytes: int) -> int:
    return ROOM_BYTES + next(size for size in SIZE_CLASSES if body_bytes <= size)

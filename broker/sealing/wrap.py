"""Key wrap: the content key, closed for one recipient by HPKE.

Source:
    draft-ietf-jose-hpke-encrypt, key encryption mode: ``alg``, ``kid`` and ``ek`` in the
    recipient's header, the HPKE ciphertext as ``encrypted_key``, no AAD.
"""

from typing import Final

from broker.errors import UnsealError
from broker.sealing.content import KEY_BYTES, ContentKey
from broker.sealing.wire import CONTENT_ENCRYPTION, Recipient
from keys import base64url
from keys.errors import DecryptionError, KeyFormatError
from keys.key import DecryptionKey, EncryptionKey
from keys.secret import without_frames

INFO: Final = b"JOSE-HPKE rcpt\xff" + CONTENT_ENCRYPTION.encode("ascii") + b"\xff"
"""The Recipient_structure with no extra info; one byte more would shut out stock clients."""


@without_frames
def wrap(key: ContentKey, recipient: EncryptionKey) -> Recipient:
    """Close a content key for one recipient; the library draws the ephemeral randomness."""
    encapsulated, encrypted_key = recipient.encrypt(key.reveal(), info=INFO)
    return Recipient(
        kid=recipient.kid,
        algorithm=recipient.algorithm,
        encapsulated=base64url.encode(encapsulated),
        encrypted_key=base64url.encode(encrypted_key),
    )


@without_frames
def unwrap(entry: Recipient, key: DecryptionKey) -> ContentKey:
    """Open the content key.

    Raises:
        UnsealError: The entry is for another key or algorithm, or was changed.
    """
    if entry.kid != key.kid or entry.algorithm is not key.algorithm:
        raise UnsealError
    try:
        encapsulated = base64url.decode(entry.encapsulated)
        encrypted_key = base64url.decode(entry.encrypted_key)
        opened = ContentKey(key.decrypt(encapsulated, encrypted_key, info=INFO))
    except (DecryptionError, KeyFormatError):
        raise UnsealError from None
    if len(opened.reveal()) != KEY_BYTES:  # pragma: no cover - the wire form forbids it
        raise UnsealError
    return opened

"""Wrap a waiting message's content key for one's next key; its content is not touched."""

from broker.sealing import wire
from broker.sealing.unseal import open_content_key
from broker.sealing.wire import Recipient
from broker.sealing.wrap import wrap
from keys.key import DecryptionKey, EncryptionKey


def rewrap(jwe_bytes: bytes, old: DecryptionKey, new: EncryptionKey) -> Recipient:
    """Open the content key with the old key and close it for the new one.

    Only the holder of the old key can do it, without opening the content. The entry then
    takes the old one's place by :meth:`broker.sealing.wire.Jwe.with_entry`; the content hash
    stays, so no receipt changes.

    Raises:
        UnsealError: The message has no entry for the old key, or was changed.
    """
    return wrap(open_content_key(wire.parse(jwe_bytes), old), new)

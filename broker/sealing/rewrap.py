"""Wrap a waiting message's content key for one's next key; its content is not touched."""

from dataclasses import replace

from broker.errors import UnsealError
from broker.sealing import wire
from broker.sealing.unseal import open_content_key
from broker.sealing.wire import Jwe, Recipient
from broker.sealing.wrap import wrap
from keys.algorithms import SUITE_OF
from keys.errors import KeyFormatError
from keys.key import DecryptionKey


def rewrap(protected: str, entry: Recipient, old: DecryptionKey, new: DecryptionKey) -> Recipient:
    """Open the content key with the old key and close it for the new one.

    The content is not needed. The new entry then takes the old one's place by
    :meth:`broker.sealing.wire.Jwe.with_entry`; the content hash stays, so no receipt changes.

    Args:
        protected: The protected header, as it stands in the message: it holds the commitment
            to the content key, so that no other can be slipped in.
        entry: The entry for the old key.
        old: The key that opens it.
        new: Opens the new entry once, here: one that did not open would lose the message.

    Raises:
        UnsealError: The entry is not for the old key, or was changed; the new key is of
            another suite, or does not open what was closed for it.
    """
    message = Jwe(protected=protected, aad="", iv="", ciphertext="", tag="", recipients=(entry,))
    try:
        content_key = open_content_key(message, old)
        suite = wire.read_protected(message).suite
    except KeyFormatError:
        raise UnsealError from None
    if SUITE_OF[new.algorithm] is not suite:
        raise UnsealError
    wrapped = wrap(content_key, new.public)
    open_content_key(replace(message, recipients=(wrapped,)), new)
    return wrapped

"""Open a sealed message with a key that one holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.errors import UnsealError
from broker.sealing import content as content_form
from broker.sealing import wire
from broker.sealing.content import ContentKey
from broker.sealing.route import SealRoute
from broker.sealing.wire import Jwe
from broker.sealing.wrap import unwrap
from keys import base64url
from keys.errors import KeyFormatError
from keys.identifiers import KeyId
from keys.key import DecryptionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """What was inside. Nothing says yet who wrote it: check ``signature`` next."""

    body: bytes = field(repr=False)
    """The exact bytes that the originator signed."""
    signature: str = field(repr=False)
    """His detached JWS."""
    route: SealRoute
    """As authenticated; the desk compares it with the body."""
    content_hash: str
    kid: KeyId
    """The own key that opened it."""
    facts_salt: bytes = field(repr=False)
    """For the digest of what its origin said of it."""


def unseal(jwe_bytes: bytes, keys: Mapping[KeyId, DecryptionKey]) -> Unsealed:
    """Open a message with whichever of these keys it was sealed to.

    Args:
        jwe_bytes: At most 512 KiB.
        keys: The desk's own, draining ones included; only entries that name one of them
            are looked at.

    Raises:
        UnsealError: It is not for any of them, or anything in it was changed; one text for
            every cause, so that a forger learns nothing by trying.

    Source:
        RFC 7516 section 5.2.
    """
    jwe = wire.parse(jwe_bytes)
    entry = next((entry for entry in jwe.recipients if entry.kid in keys), None)
    if entry is None:
        raise UnsealError
    try:
        return _open(jwe, open_content_key(jwe, keys[entry.kid]), entry.kid)
    except KeyFormatError:
        raise UnsealError from None


def open_content_key(jwe: Jwe, key: DecryptionKey) -> ContentKey:
    """Open the content key with one's own key, and check that it is the one committed to.

    Raises:
        UnsealError: No entry for this key, a changed one, or another content key.
    """
    entry = next((entry for entry in jwe.recipients if entry.kid == key.kid), None)
    if entry is None:
        raise UnsealError
    content_key = unwrap(entry, key)
    if not content_form.is_committed(content_key, wire.read_protected(jwe).commitment):
        raise UnsealError
    return content_key


def _open(jwe: Jwe, key: ContentKey, kid: KeyId) -> Unsealed:
    iv, ciphertext, tag = (base64url.decode(text) for text in (jwe.iv, jwe.ciphertext, jwe.tag))
    # A shorter tag would be easier to guess (NIST SP 800-38D appendix C); a longer nonce
    # would be hashed to another.
    if len(iv) != content_form.IV_BYTES or len(tag) != content_form.TAG_BYTES:
        raise UnsealError
    framed = content_form.decrypt(key, iv, ciphertext + tag, jwe.authenticated)
    signed = content_form.unframe(framed)
    return Unsealed(
        body=signed.body,
        signature=signed.signature,
        route=SealRoute.from_bytes(base64url.decode(jwe.aad)),
        content_hash=jwe.content_hash,
        kid=kid,
        facts_salt=content_form.facts_salt(key),
    )

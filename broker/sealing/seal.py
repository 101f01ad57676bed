"""Close a message so that only its recipients can open it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.sealing import content as content_form
from broker.sealing import wire
from broker.sealing.content import ContentKey, SignedContent
from broker.sealing.route import SealRoute
from broker.sealing.wrap import wrap
from keys import base64url
from keys.algorithms import SUITE_OF, Suite
from keys.entropy import Entropy
from keys.identifiers import KeyId
from keys.key import EncryptionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedMessage:
    """A message that its recipients can open, and nobody else."""

    jwe: bytes = field(repr=False)
    """JWE General JSON."""
    content_hash: str
    """Base64url SHA-256 over everything but the recipients; what receipts name."""
    recipients: tuple[KeyId, ...]
    """The keys that it was sealed to, in the order given."""
    facts_salt: bytes | None = field(default=None, repr=False)
    """For an origin that must say what it has sealed; None where the gateway cannot know."""


def seal(
    content: SignedContent,
    route: SealRoute,
    recipients: Sequence[EncryptionKey],
    draw: Entropy,
) -> SealedMessage:
    """Close signed bytes for some recipients, under a route that all may read.

    One content encryption, one key wrap a recipient. HPKE does not prove who sealed: the
    signature inside does, and the desk must check it.

    Args:
        content: A body of at most 256 KiB, with its detached signature.
        route: Authenticated with the content; it holds nothing secret.
        recipients: 0 to 33 keys of different names, all of one suite. Sealed to none, it is
            closed for good: a recall ends copies also where nobody can read it (SG-07).
        draw: Asked twice: 32 bytes for the content key, 12 for the nonce. The wraps draw
            theirs inside the library, which takes no entropy from outside.

    Returns:
        The JWE, 0.4 to 2.7 KiB a recipient beside the padded content.

    Raises:
        RuntimeError: What only a caller's mistake can bring here: recipients that are too
            many, named twice, or classical; content that was not admitted.

    Source:
        RFC 7516 section 5.1; draft-ietf-jose-hpke-encrypt (key encryption mode).
    """
    suite = _common_suite(recipients)
    key = ContentKey(draw(content_form.KEY_BYTES))
    iv = draw(content_form.IV_BYTES)
    protected = wire.Protected(suite=suite, commitment=content_form.commit(key)).to_text()
    aad = base64url.encode(route.to_bytes())
    closed = content_form.encrypt(
        key, iv, content_form.frame(content), f"{protected}.{aad}".encode("ascii")
    )
    jwe = wire.Jwe(
        protected=protected,
        aad=aad,
        iv=base64url.encode(iv),
        ciphertext=base64url.encode(closed[: -content_form.TAG_BYTES]),
        tag=base64url.encode(closed[-content_form.TAG_BYTES :]),
        recipients=tuple(wrap(key, recipient) for recipient in recipients),
    )
    return SealedMessage(
        jwe=wire.write(jwe),
        content_hash=jwe.content_hash,
        recipients=tuple(recipient.kid for recipient in recipients),
        facts_salt=content_form.facts_salt(key),
    )


def _common_suite(recipients: Sequence[EncryptionKey]) -> Suite:
    if len(recipients) > wire.MAX_RECIPIENTS:
        raise RuntimeError("a message is sealed to at most 33 keys")
    if len({recipient.kid for recipient in recipients}) != len(recipients):
        raise RuntimeError("a key is named twice among the recipients")
    # A message is as strong as its weakest wrap, so one classical recipient opens it for
    # all (draft-ietf-jose-hpke-pq-pqt, security considerations). A pair whose policy allows
    # the classical suite would be let in here, for all its recipients at once.
    if any(SUITE_OF[key.algorithm] is not Suite.POST_QUANTUM for key in recipients):
        raise RuntimeError("a recipient's key is not post-quantum")
    return Suite.POST_QUANTUM

"""Sealed forms for the ledger's tests: well-formed on the wire, with nothing inside."""

from dataclasses import replace

from broker.model.message import Acceptance
from broker.model.names import ContentHash, DeskRef
from broker.sealing import wire
from broker.sealing.wire import Jwe, Protected, Recipient
from keys.algorithms import EncryptionAlgorithm, Suite
from keys.identifiers import KeyId


def entry(kid: KeyId) -> Recipient:
    """Make an entry that says whose it is."""
    return Recipient(
        kid=kid,
        algorithm=EncryptionAlgorithm.HPKE_9_KE,
        encapsulated=f"for-{kid}",
        encrypted_key="k" * wire.ENCRYPTED_KEY_CHARS,
    )


def well_formed(acceptance: Acceptance, kids: dict[DeskRef, KeyId] | None = None) -> Acceptance:
    """Give an acceptance a sealed form that can be read, with an entry for each of its keys."""
    named = kids or dict(acceptance.recipient_keys)
    jwe = Jwe(
        protected=Protected(suite=Suite.POST_QUANTUM, commitment=bytes(32)).to_text(),
        aad="cm91dGU",
        iv="iv",
        ciphertext=acceptance.message_id,
        tag="tag",
        recipients=tuple(entry(kid) for kid in named.values()),
    )
    return replace(
        acceptance,
        sealed=wire.write(jwe),
        content_hash=ContentHash(jwe.content_hash),
        recipient_keys=named,
    )

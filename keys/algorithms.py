"""Which algorithms do we accept, and under which names? The one table of both.

A renumbering in the JOSE registry is a change of one line here: messages name our own suite
in their protected header, and the suite says which wraps belong to it.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class SignatureAlgorithm(StrEnum):
    """How a signature is made, in the spelling of the JOSE header ``alg``."""

    ED25519 = "Ed25519"
    ES256 = "ES256"
    PS256 = "PS256"
    """RSA of at least 2048 bits; only for clients that authenticate themselves."""


EDDSA: Final = "EdDSA"
"""The older spelling of Ed25519 (RFC 8037); only where stock OAuth clients sign."""


class EncryptionAlgorithm(StrEnum):
    """How a content key is wrapped for a recipient, in the spelling of the header ``alg``.

    ``ECDH-ES+A256KW`` is the classical one. A pair's policy may come to allow it; until a
    pair needs it there is no key type for it, so it can be named and is always refused.
    """

    HPKE_9_KE = "HPKE-9-KE"
    """ML-KEM-768 with X25519 (X-Wing), SHAKE256, AES-256-GCM."""
    HPKE_10_KE = "HPKE-10-KE"
    """ML-KEM-1024 with P-384, SHAKE256, AES-256-GCM."""
    ECDH_ES_A256KW = "ECDH-ES+A256KW"


class Suite(StrEnum):
    """The family that all recipients of one message share; named in its protected header."""

    POST_QUANTUM = "enlace-pq-1"
    CLASSICAL = "enlace-classical-1"


SUITE_OF: Final = MappingProxyType(
    {
        EncryptionAlgorithm.HPKE_9_KE: Suite.POST_QUANTUM,
        EncryptionAlgorithm.HPKE_10_KE: Suite.POST_QUANTUM,
        EncryptionAlgorithm.ECDH_ES_A256KW: Suite.CLASSICAL,
    }
)


def is_post_quantum(algorithm: EncryptionAlgorithm) -> bool:
    """Does a message wrapped so stay closed to a quantum computer?"""
    return SUITE_OF[algorithm] is Suite.POST_QUANTUM

"""Did the calling agency write these very bytes? Asked before anybody looks into them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from broker.errors import Code, SignatureError
from broker.model import AgencyRef, Posting, SignatureClaims, SignedPosting
from keys import jws
from keys.algorithms import SignatureAlgorithm
from keys.errors import SignatureError as TokenError
from keys.identifiers import KeyId
from keys.jws_header import Claim
from keys.key import VerificationKey

MAX_CHARS: Final = 2048
"""Of the ``Message-Signature`` header; a usual one takes 350."""
OLDEST: Final = timedelta(days=7)
"""An agency whose line was down for a week can still post what it signed."""
AHEAD: Final = timedelta(seconds=60)
ALGORITHMS: Final = frozenset({SignatureAlgorithm.ED25519, SignatureAlgorithm.ES256})
"""RSA is only for clients that authenticate themselves."""

FindMessageKey: TypeAlias = Callable[[KeyId], tuple[VerificationKey, AgencyRef] | None]
"""Gives a message-signature key, with the agency that its country's statement names."""


def verify_message_signature(
    posting: Posting, *, caller: AgencyRef, find_key: FindMessageKey, now: datetime
) -> SignedPosting:
    """Prove that the caller wrote these bytes, and read what it says of them.

    What it says (``mid``, ``org``, ``sch``) is compared with the body once that is parsed.

    Args:
        posting: The body exactly as it arrived, and the header beside it.
        caller: Proven by token and proof.
        find_key: Asked once, with a well-formed key id.
        now: Compared with ``iat``.

    Raises:
        SignatureError: ``SIGNATURE_MISSING``; ``SIGNATURE_FOREIGN``, the key is another
            agency's; ``SIGNATURE_STALE``, over 7 days old or 60 s ahead; else
            ``SIGNATURE_INVALID``.

    Source:
        docs/protocol.md, "Message signature"; RFC 7515 appendix F; RFC 7797.
    """
    if not posting.signature:
        raise SignatureError(Code.SIGNATURE_MISSING)
    if len(posting.signature) > MAX_CHARS:
        raise SignatureError(Code.SIGNATURE_INVALID)

    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[0].algorithm not in ALGORITHMS:
            return None
        if found[1] != caller:
            # Said before the signature is checked: whose a key is, the directory publishes.
            raise SignatureError(Code.SIGNATURE_FOREIGN)
        return found[0]

    try:
        verified = jws.verify_detached(
            posting.signature, posting.body, typ=jws.MESSAGE_TYP, find_key=find_own
        )
    except TokenError:
        raise SignatureError(Code.SIGNATURE_INVALID) from None
    return SignedPosting(
        body=posting.body,
        signature=posting.signature,
        sender=caller,
        signed_with=verified.kid,
        claims=_read_claims(verified.claims, now),
    )


def _read_claims(claims: Mapping[str, Claim], now: datetime) -> SignatureClaims:
    mid, org, sch, iat = (claims[name] for name in ("mid", "org", "sch", "iat"))
    if not (isinstance(mid, str) and isinstance(org, str) and isinstance(sch, str)):
        raise SignatureError(Code.SIGNATURE_INVALID)
    if not isinstance(iat, int):
        raise SignatureError(Code.SIGNATURE_INVALID)
    # Compared as numbers: a far one would not fit a ``datetime``.
    if not (now - OLDEST).timestamp() <= iat <= (now + AHEAD).timestamp():
        raise SignatureError(Code.SIGNATURE_STALE)
    return SignatureClaims(
        message_id=mid, origin=org, schema=sch, issued_at=datetime.fromtimestamp(iat, UTC)
    )

"""Did the calling agency write these very bytes? Asked before anybody looks into them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from broker.errors import Code, SignatureError
from broker.model.message import Posting, SignatureClaims, SignedPosting
from broker.model.names import AgencyRef
from keys import jws
from keys.algorithms import SignatureAlgorithm
from keys.errors import SignatureError as TokenError
from keys.identifiers import KeyId
from keys.jws_header import Claim
from keys.key import VerificationKey

MAX_CHARS: Final = jws.MAX_DETACHED_CHARS
"""Of the whole ``Message-Signature`` header; one signature takes some 350, and never 470."""
SEPARATOR: Final = ","
MOST_SIGNATURES: Final = 2
"""The author's, and a second officer's (SG-03)."""
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
    A second signature says the same of the same bytes, by another key of the same agency: the
    author cannot be his own second officer.

    Args:
        posting: The body exactly as it arrived, and the header beside it.
        caller: Proven by token and proof.
        find_key: Asked once for each signature, with a well-formed key id.
        now: Compared with ``iat``.

    Raises:
        SignatureError: ``SIGNATURE_MISSING``; ``SIGNATURE_FOREIGN``, a key is another
            agency's; ``SIGNATURE_STALE``, over 7 days old or 60 s ahead;
            ``SIGNATURE_MISMATCH``, the second says another thing than the first; else
            ``SIGNATURE_INVALID``.

    Source:
        docs/protocol.md, "Message signature"; RFC 7515 appendix F; RFC 7797.
    """
    author, *others = [
        _verify_one(each, posting.body, caller=caller, find_key=find_key)
        for each in signatures_of(posting.signature)
    ]
    claims = _read_claims(author.claims, now)
    second = others[0] if others else None
    if second is not None:
        _check_second(second, author, claims, now)
    return SignedPosting(
        body=posting.body,
        signature=posting.signature,
        sender=caller,
        signed_with=author.kid,
        claims=claims,
        second_signed_with=None if second is None else second.kid,
    )


def signatures_of(header: str) -> tuple[str, ...]:
    """Split the header into its one or two signatures; nothing of them is proven.

    There is one spelling: no white space, nothing empty.

    Raises:
        SignatureError: ``SIGNATURE_MISSING``; ``SIGNATURE_INVALID``, too long or too many.
    """
    if not header:
        raise SignatureError(Code.SIGNATURE_MISSING)
    signatures = tuple(header.split(SEPARATOR))
    if len(header) > MAX_CHARS or len(signatures) > MOST_SIGNATURES or not all(signatures):
        raise SignatureError(Code.SIGNATURE_INVALID)
    return signatures


def _verify_one(
    signature: str, body: bytes, *, caller: AgencyRef, find_key: FindMessageKey
) -> jws.VerifiedDetached:
    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[0].algorithm not in ALGORITHMS:
            return None
        if found[1] != caller:
            # Said before the signature is checked: whose a key is, the directory publishes.
            raise SignatureError(Code.SIGNATURE_FOREIGN)
        return found[0]

    try:
        return jws.verify_detached(signature, body, typ=jws.MESSAGE_TYP, find_key=find_own)
    except TokenError:
        raise SignatureError(Code.SIGNATURE_INVALID) from None


def _check_second(
    second: jws.VerifiedDetached,
    author: jws.VerifiedDetached,
    claims: SignatureClaims,
    now: datetime,
) -> None:
    # The material is compared, not the name: one key may be stated under two key ids.
    if second.key.form == author.key.form:
        raise SignatureError(Code.SIGNATURE_INVALID)
    said = _read_claims(second.claims, now)
    if replace(said, issued_at=claims.issued_at) != claims:
        raise SignatureError(Code.SIGNATURE_MISMATCH)


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

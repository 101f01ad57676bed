"""What does this agency say that it has sealed? The facts that the rules need, signed.

Where an agency seals a message itself, the gateway sees the route and nothing of the content.
The facts come in the ``Origin-Seal`` header, signed over the hash of the sealed content. The
gateway goes by them, keeps of them what it keeps of any message, and puts a salted digest into
the receipt. A desk that opens the message computes the same digest from what it reads: a lie
shows, and the gateway's signature is under what was said.
"""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from broker.admission import facts_form
from broker.admission.desk_word import MESSAGE_ID
from broker.admission.message_signature import ALGORITHMS, FindMessageKey
from broker.claimed import ClaimedPosting, read_sealed, seal_invalid
from broker.errors import Code, SignatureError
from broker.model.facts import Facts
from broker.model.message import Envelope, SealedPosting
from broker.model.names import AgencyRef, ContentHash, MessageId
from broker.sealing.seal import SealedMessage
from keys import base64url, jws, strict_json
from keys.errors import KeyFormatError
from keys.errors import SignatureError as TokenError
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey
from keys.strict_json import JsonObject, JsonValue

ORIGIN_SEAL_TYP: Final = "enlace-origin-seal+jws"
SECOND_SEAL_TYP: Final = "enlace-second-seal+jws"
SEPARATOR: Final = ","
MEMBERS: Final = frozenset({"mid", "org", "sch", "hash", "facts", "salt", "iat"})
SECOND_MEMBERS: Final = frozenset({"seal", "iat"})
MAX_CHARS: Final = 8000
"""Of the header; fifty messages named in ``lineage`` take 5000."""
SALT_BYTES: Final = 32
OLDEST: Final = timedelta(hours=1)
"""The keys that it was sealed to change: what is older must be sealed anew."""
AHEAD: Final = timedelta(seconds=60)


def state_facts(
    sealed: SealedMessage,
    message: Envelope,
    key: SigningKey,
    *,
    now: datetime,
    second: SigningKey | None = None,
) -> SealedPosting:
    """Vouch for a message that its own agency has sealed.

    Args:
        sealed: As :func:`broker.sealing.seal.seal` made it here.
        message: What was sealed; its facts are stated, nothing else of it.
        key: A message-signature key of the agency.
        now: Good for an hour from here.
        second: Another key of the agency, of its second officer (SG-03).

    Raises:
        RuntimeError: It was sealed elsewhere, so its salt is not known.
    """
    if sealed.facts_salt is None:
        raise RuntimeError("facts are stated by whoever sealed the content")
    payload: JsonObject = {
        "mid": message.id,
        "org": str(message.sender),
        "sch": f"{message.kind}/{message.version}",
        "hash": sealed.content_hash,
        "facts": facts_form.to_json(message.facts),
        "salt": base64url.encode(sealed.facts_salt),
        "iat": int(now.timestamp()),
    }
    token = jws.sign_compact(strict_json.write(payload), key, typ=ORIGIN_SEAL_TYP)
    if second is not None:
        agreed = strict_json.write({"seal": _digest_of(token), "iat": int(now.timestamp())})
        token += SEPARATOR + jws.sign_compact(agreed, second, typ=SECOND_SEAL_TYP)
    return SealedPosting(jwe=sealed.jwe, seal=token)


def facts_digest(facts: Facts, salt: bytes) -> str:
    """Digest what is said of a content: 43 characters.

    Salted with what only readers of the content can compute: the facts are so few that
    without it anybody could try them all.
    """
    canonical = strict_json.write(facts_form.to_json(facts))
    return base64url.encode(hashlib.sha256(salt + canonical).digest())


def verify_origin_seal(
    posting: SealedPosting, *, caller: AgencyRef, find_key: FindMessageKey, now: datetime
) -> ClaimedPosting:
    """Prove that the caller vouches for this sealed content, and read its facts.

    Raises:
        SignatureError: ``FACTS_INVALID``; ``SIGNATURE_FOREIGN``, a key is another agency's;
            ``SIGNATURE_STALE``, over an hour old or 60 s ahead; ``SIGNATURE_MISMATCH``, the
            second officer vouches for another seal.
        DocumentError: ``SEAL_INVALID``: the content is of another form, or another content.
    """

    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[0].algorithm not in ALGORITHMS:
            return None
        if found[1] != caller:
            raise SignatureError(Code.SIGNATURE_FOREIGN)
        return found[0]

    if len(posting.seal) > MAX_CHARS:
        raise SignatureError(Code.FACTS_INVALID)
    author, separator, second = posting.seal.partition(SEPARATOR)
    try:
        verified = jws.verify_compact(
            author, typ=ORIGIN_SEAL_TYP, find_key=find_own, max_bytes=MAX_CHARS
        )
        members = strict_json.parse_object(verified.payload)
        claimed = _claimed(members, posting, caller, verified.kid)
        _check_time(members["iat"], now)
        if separator:
            agreed = jws.verify_compact(second, typ=SECOND_SEAL_TYP, find_key=find_own)
            _check_second(agreed, verified, author, now)
            claimed = replace(claimed, second_signed_with=agreed.kid)
    except (TokenError, KeyFormatError, ValueError):
        raise SignatureError(Code.FACTS_INVALID) from None
    if claimed.content_hash != claimed.sealed.content_hash:
        raise seal_invalid("")
    return claimed


def _claimed(
    members: JsonObject, posting: SealedPosting, caller: AgencyRef, kid: KeyId
) -> ClaimedPosting:
    if members.keys() != MEMBERS or members["org"] != str(caller):
        raise KeyFormatError("the origin seal is malformed")
    message_id = _text(members["mid"])
    # Also kept from the ledger, which is asked for it where the message itself is refused.
    if MESSAGE_ID.fullmatch(message_id) is None:
        raise KeyFormatError("the origin seal is malformed")
    salt = base64url.decode(_text(members["salt"]))
    if len(salt) != SALT_BYTES:
        raise KeyFormatError("the origin seal is malformed")
    facts = facts_form.from_json(members["facts"])
    return ClaimedPosting(
        posted=posting.jwe,
        sealed=read_sealed(posting.jwe),
        sender=caller,
        signed_with=kid,
        message_id=MessageId(message_id),
        content_hash=ContentHash(_text(members["hash"])),
        schema=_text(members["sch"]),
        facts=facts,
        facts_digest=facts_digest(facts, salt),
    )


def _check_second(second: jws.Verified, author: jws.Verified, token: str, now: datetime) -> None:
    members = strict_json.parse_object(second.payload)
    # The material is compared, not the name: one key may be stated under two key ids.
    if second.key.form == author.key.form or members.keys() != SECOND_MEMBERS:
        raise KeyFormatError("the second officer is the author, or says too much")
    if members["seal"] != _digest_of(token):
        raise SignatureError(Code.SIGNATURE_MISMATCH)
    _check_time(members["iat"], now)


def _digest_of(token: str) -> str:
    return base64url.encode(hashlib.sha256(token.encode("utf-8", "replace")).digest())


def _check_time(iat: JsonValue, now: datetime) -> None:
    if not isinstance(iat, int) or isinstance(iat, bool):
        raise SignatureError(Code.FACTS_INVALID)
    if not (now - OLDEST).timestamp() <= iat <= (now + AHEAD).timestamp():
        raise SignatureError(Code.SIGNATURE_STALE)


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise KeyFormatError("the origin seal is malformed")
    return value

"""What an agency or a desk signs: a message, an acknowledgement, a refusal."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from broker.admission import strict_json
from broker.admission.acknowledge import ACKNOWLEDGEMENT_TYP, REFUSAL_TYP, RULE
from broker.admission.message_signature import MOST_SIGNATURES, SEPARATOR, signatures_of
from broker.admission.rewrap import REWRAP_TYP
from broker.admission.use import USE_TYP
from broker.desk.wire import ContentRef
from broker.errors import Code, DocumentError, FieldProblem, SignatureError, UnsealError
from broker.evidence.receipts import parse_agency
from broker.model.events import RefusalReason
from broker.model.message import Posting, SealedPosting
from broker.model.names import AgencyRef, DeskRef, Json, MessageId
from broker.sealing.wire import Recipient as SealedEntry
from broker.sealing.wire import parse, write_recipient
from keys import base64url, jws
from keys import strict_json as canonical
from keys.errors import KeysError
from keys.errors import SignatureError as TokenError
from keys.identifiers import KeyId
from keys.jws_header import Claim
from keys.key import SigningKey
from keys.strict_json import JsonObject
from schemas.vocabulary import Compartment, Country


def message_bytes(document: Mapping[str, Json]) -> bytes:
    """Write a document as the bytes that are signed, sealed and opened."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def sign_message(body: bytes, key: SigningKey, *, agency: AgencyRef, now: datetime) -> Posting:
    """Sign a message as its agency.

    Args:
        body: A message; its ``id``, ``kind`` and ``version`` go under the signature. The
            gateway checks all the rest.
        key: A message-signature key of the agency.
        agency: Who signs.
        now: Good for a week from here.

    Raises:
        DocumentError: Not strict JSON, or one of the three is no text.

    Source:
        docs/protocol.md, "Message signature".
    """
    document = strict_json.parse(body)
    claims: dict[str, Claim] = {
        "mid": _text(document, "id"),
        "org": str(agency),
        "sch": f"{_text(document, 'kind')}/{_text(document, 'version')}",
        "iat": int(now.timestamp()),
    }
    signature = jws.sign_detached(body, key, typ=jws.MESSAGE_TYP, claims=claims)
    return Posting(body=body, signature=signature)


def add_second(posting: Posting, key: SigningKey, *, agency: AgencyRef, now: datetime) -> Posting:
    """Add the signature of a second officer (SG-03); nothing of the author's is verified.

    Args:
        posting: With the author's signature.
        key: Another message-signature key of the agency.
        agency: Who signs.
        now: Good for a week from here.

    Raises:
        SignatureError: It is signed by two already, or by this very key.
        DocumentError: As :func:`sign_message`.
    """
    signatures = signatures_of(posting.signature)
    try:
        kids = {jws.read_header(each, claims=jws.MESSAGE_CLAIMS).kid for each in signatures}
    except TokenError:
        raise SignatureError(Code.SIGNATURE_INVALID) from None
    if len(signatures) >= MOST_SIGNATURES or key.kid in kids:
        raise SignatureError(Code.SIGNATURE_INVALID)
    second = sign_message(posting.body, key, agency=agency, now=now)
    both = SEPARATOR.join((posting.signature, second.signature))
    return Posting(body=posting.body, signature=both)


def origin_of(body: bytes) -> AgencyRef:
    """Read which agency a message says it is from.

    Raises:
        DocumentError: Not strict JSON, or without an agency in ``from``.
    """
    origin = strict_json.parse(body).get("from")
    members = origin if isinstance(origin, dict) else {}
    try:
        return parse_agency(f"{_text(members, 'country')}/{_text(members, 'agency')}")
    except (ValueError, DocumentError):
        problem = FieldProblem(pointer="/from", code="required")
        raise DocumentError(Code.SCHEMA_VIOLATION, problems=[problem]) from None


def message_id(body: bytes) -> MessageId:
    """Read which message these bytes are.

    Raises:
        DocumentError: Not strict JSON, or without an ``id``.
    """
    return MessageId(_text(strict_json.parse(body), "id"))


def message_id_of(posting: Posting | SealedPosting) -> MessageId:
    """Read which message this is, sealed or not.

    Raises:
        DocumentError: It cannot be read.
    """
    if isinstance(posting, Posting):
        return message_id(posting.body)
    claims = canonical.parse_object(jws.unverified_payload(posting.seal.partition(",")[0]))
    return MessageId(_text(claims, "mid"))


def desks_named_by(posting: Posting | SealedPosting) -> frozenset[DeskRef] | None:
    """Read which desks a message names itself; None: a channel, or nothing that can be read."""
    try:
        outside = (
            posting.body
            if isinstance(posting, Posting)
            else base64url.decode(parse(posting.jwe, fewest=0).aad)
        )
        to: Any = strict_json.parse(outside)["to"]
        return frozenset(
            DeskRef(country=Country(each), compartment=Compartment(to["compartment"]))
            for each in to["countries"]
        )
    except (DocumentError, UnsealError, KeysError, KeyError, TypeError, ValueError):
        # Only a gateway that means no good accepts it; nobody opens it.
        return None


def sign_acknowledgement(ref: ContentRef, key: SigningKey, *, desk: DeskRef, now: datetime) -> str:
    """Sign that the desk has opened and stored a message."""
    payload = canonical.write(_answer(ref, desk, now))
    return jws.sign_compact(payload, key, typ=ACKNOWLEDGEMENT_TYP)


def sign_refusal(
    ref: ContentRef,
    reason: RefusalReason,
    key: SigningKey,
    *,
    desk: DeskRef,
    now: datetime,
    rule: str | None = None,
) -> str:
    """Sign that the desk returns a message, and why; by which safeguard, if it was one."""
    named: JsonObject = {} if rule is None else {RULE: rule}
    payload = canonical.write({**_answer(ref, desk, now), "reason": reason.value, **named})
    return jws.sign_compact(payload, key, typ=REFUSAL_TYP)


def sign_use(
    ref: ContentRef, reader: str, purpose: str, key: SigningKey, *, desk: DeskRef, now: datetime
) -> str:
    """Sign who reads a message of the desk, and for what (SG-06).

    Args:
        ref: The content.
        reader: A role, on one line of at most 64 characters; never a person's name.
        purpose: A code of the list ``purpose``.
        key: A signature key of the desk.
        desk: Who signs.
        now: Good for an hour from here.
    """
    payload = canonical.write({**_answer(ref, desk, now), "reader": reader, "purpose": purpose})
    return jws.sign_compact(payload, key, typ=USE_TYP)


def sign_rewrap(
    ref: ContentRef,
    entry: SealedEntry,
    key: SigningKey,
    *,
    old: KeyId,
    desk: DeskRef,
    now: datetime,
) -> str:
    """Sign that the desk's entry for its old key is to be replaced by this one."""
    wish: JsonObject = {"old": old, "recipient": write_recipient(entry)}
    return jws.sign_compact(
        canonical.write({**_answer(ref, desk, now), **wish}), key, typ=REWRAP_TYP
    )


def _answer(ref: ContentRef, desk: DeskRef, now: datetime) -> JsonObject:
    return {
        "mid": ref.message_id,
        "hash": ref.content_hash,
        "desk": str(desk),
        "iat": int(now.timestamp()),
    }


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.isascii():
        problem = FieldProblem(pointer=f"/{name}", code="required")
        raise DocumentError(Code.SCHEMA_VIOLATION, problems=[problem])
    return value

"""What can be known of a content that its origin sealed: its form, its route, its recipients.

The gateway opens nothing here, and takes no entry that is not for a key of its own choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from broker.admission.sealed_document import check_document
from broker.admission.validate import check_times
from broker.errors import (
    Code,
    DocumentError,
    FieldProblem,
    PermissionDeniedError,
    SignatureError,
    UnsealError,
)
from broker.model.facts import Facts
from broker.model.message import Address, Envelope
from broker.model.names import AgencyRef, ContentHash, MessageId
from broker.sealing import content as content_form
from broker.sealing import wire
from broker.sealing.route import SealRoute
from broker.sealing.seal import SealedMessage
from keys import base64url
from keys.errors import KeyFormatError
from keys.identifiers import KeyId
from keys.key import EncryptionKey
from schemas.loader import SchemaSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedPosting:
    """A sealed content that the calling agency provably vouches for, and what it says of it.

    Whether that is true, only a desk can see (``facts_digest``).
    """

    posted: bytes = field(repr=False)
    """What a repeated posting is known again by."""
    sealed: wire.Jwe
    """The same, read."""
    sender: AgencyRef
    signed_with: KeyId
    message_id: MessageId
    content_hash: ContentHash
    schema: str
    facts: Facts
    facts_digest: str
    second_signed_with: KeyId | None = None
    """The key of a second officer who vouches for the same (SG-03)."""


def read_sealed(posted: bytes) -> wire.Jwe:
    """Read a content as it was posted; a recall may be sealed to nobody (SG-07).

    Raises:
        DocumentError: ``SEAL_INVALID``: it is of another form.
    """
    try:
        return wire.parse(posted, fewest=0)
    except UnsealError:
        raise seal_invalid("") from None


def validate_sealed(claimed: ClaimedPosting, schemas: SchemaSet, *, now: datetime) -> Envelope:
    """Turn a sealed posting into what can be routed, by its route and its facts.

    Raises:
        DocumentError: ``SEAL_INVALID``, an unknown kind or version, impossible times, or what
            the schema of its kind does not allow.
        PermissionDeniedError: The route names another sender.
    """
    route = _route_of(claimed.sealed)
    sender = AgencyRef(country=route.origin, agency=route.agency)
    if sender != claimed.sender:
        problem = FieldProblem(pointer="/from", code="sender-foreign")
        raise PermissionDeniedError(Code.SENDER_FOREIGN, problems=[problem])
    if (route.message_id, f"{route.kind}/{route.version}") != (claimed.message_id, claimed.schema):
        raise SignatureError(Code.SIGNATURE_MISMATCH)
    if not schemas.knows(route.kind, route.version):
        problem = FieldProblem(pointer="/version", code="version-unknown")
        raise DocumentError(Code.VERSION_UNKNOWN, problems=[problem])
    envelope = _envelope(route, claimed)
    check_document(envelope, schemas)
    facts = claimed.facts
    check_times(envelope, now, review_by=facts.review_by, reply_by=facts.reply_by)
    return envelope


def check_sealed(claimed: ClaimedPosting, keys: Sequence[EncryptionKey]) -> SealedMessage:
    """Hold a content that its origin sealed against the keys that it must be sealed to now.

    Returns:
        The same, with its recipients in the order of the deliveries.

    Raises:
        DocumentError: ``SEAL_INVALID``: an entry too many, too few, or for another key; or a
            content that no key could open.
    """
    jwe = claimed.sealed
    entries = {entry.kid: entry for entry in jwe.recipients}
    if entries.keys() != {key.kid for key in keys} or any(
        entries[key.kid].algorithm is not key.algorithm for key in keys
    ):
        raise seal_invalid("/recipients")
    try:
        for entry in entries.values():
            wire.require_whole(entry)
    except (UnsealError, KeyFormatError):
        raise seal_invalid("/recipients") from None
    try:
        content_form.require_whole(
            *(base64url.decode(each) for each in (jwe.iv, jwe.ciphertext, jwe.tag))
        )
    except (UnsealError, KeyFormatError):
        raise seal_invalid("/ciphertext") from None
    ordered = replace(jwe, recipients=tuple(entries[key.kid] for key in keys))
    return SealedMessage(
        jwe=wire.write(ordered),
        content_hash=ordered.content_hash,
        recipients=tuple(key.kid for key in keys),
    )


def seal_invalid(pointer: str) -> DocumentError:
    """Refuse a sealed content, and say which member of it is wrong."""
    return DocumentError(Code.SEAL_INVALID, problems=_at(pointer, "seal-invalid"))


def _route_of(jwe: wire.Jwe) -> SealRoute:
    try:
        return SealRoute.from_bytes(base64url.decode(jwe.aad))
    except (UnsealError, KeyFormatError):
        raise seal_invalid("/aad") from None


def _envelope(route: SealRoute, claimed: ClaimedPosting) -> Envelope:
    return Envelope(
        id=claimed.message_id,
        kind=route.kind,
        version=route.version,
        sender=claimed.sender,
        to=Address(
            countries=route.countries,
            compartment=route.compartment,
            channel=route.channel,
            own_copy=route.own_copy,
        ),
        created=_moment(route.created, "/created"),
        created_text=route.created,
        expires=_moment(route.expires, "/expires"),
        expires_text=route.expires,
        urgency=route.urgency,
        handling=claimed.facts.handling,
        facts=claimed.facts,
        second_signed_with=claimed.second_signed_with,
    )


def _moment(text: str, pointer: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DocumentError(Code.TIME_INVALID, problems=_at(pointer, "not-a-moment")) from None
    if moment.tzinfo is None:
        raise DocumentError(Code.TIME_INVALID, problems=_at(pointer, "not-a-moment"))
    return moment


def _at(pointer: str, code: str) -> list[FieldProblem]:
    return [FieldProblem(pointer=pointer, code=code)]

"""Is this a message that we know, and does it say the truth about itself?"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from broker.admission import strict_json
from broker.admission.facts import facts_of
from broker.admission.policy import STANDARD_POLICY
from broker.admission.schema_rules import RETENTION, rule_of
from broker.errors import Code, DocumentError, FieldProblem, PermissionDeniedError, SignatureError
from broker.model.facts import Facts
from broker.model.message import Address, Envelope, Message, SignatureClaims, SignedPosting
from broker.model.names import AgencyRef, Json, MessageId
from keys.charter import ChannelName
from schemas.loader import SchemaSet
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency

MAX_LIFE: Final = timedelta(days=5 * 366)
"""INTERPOL's rules keep data five years at most before a new decision (SG-08)."""
MAX_REVIEW: Final = timedelta(days=3 * 366)
"""Europol reviews at least every three years (SG-08)."""
LIFE: Final = frozenset({"/expires", "/review_by"})
MAX_AHEAD: Final = timedelta(minutes=10)
"""An agency's clock may be wrong by so much and no more."""
MAX_PROBLEMS: Final = 50
"""Enough to mend a message in one go; more is a wrong schema, not a wrong message."""


def validate(
    signed: SignedPosting,
    schemas: SchemaSet,
    *,
    now: datetime,
    words: Mapping[str, int] = STANDARD_POLICY.words,
) -> Message:
    """Turn signed bytes into a message.

    Args:
        signed: Bytes that the calling agency wrote.
        schemas: The published schemas.
        now: The gateway's time, aware.
        words: Where a body of ``protection`` may hold words, by the policy in force.

    Raises:
        DocumentError: Not strict JSON, an unknown kind or version, every schema violation
            up to 50, or impossible times.
        PermissionDeniedError: ``from`` is not the caller.
        SignatureError: The signature's claims are not the body's.
    """
    document = strict_json.parse(signed.body)
    kind, version = _schema_of(document, schemas)
    violations = schemas.violations(document, kind=kind, version=version, limit=MAX_PROBLEMS)
    if violations:
        raise DocumentError(
            Code.SCHEMA_VIOLATION,
            problems=[FieldProblem(pointer=v.pointer, code=v.keyword) for v in violations],
            rule=rule_of(violations, kind=kind),
        )
    message = _message(signed, document, words)
    if message.sender != signed.sender:
        raise PermissionDeniedError(Code.SENDER_FOREIGN, problems=_at("/from", "sender-foreign"))
    _check_claims(message, signed.claims)
    facts = message.facts
    check_times(message, now, review_by=facts.review_by, reply_by=facts.reply_by)
    return message


def _schema_of(document: dict[str, Json], schemas: SchemaSet) -> tuple[str, str]:
    kind, version = document.get("kind"), document.get("version")
    if not isinstance(kind, str) or not schemas.versions(kind):
        raise DocumentError(Code.KIND_UNKNOWN, problems=_at("/kind", "kind-unknown"))
    if not isinstance(version, str) or not schemas.knows(kind, version):
        raise DocumentError(Code.VERSION_UNKNOWN, problems=_at("/version", "version-unknown"))
    return kind, version


def _message(signed: SignedPosting, document: dict[str, Json], words: Mapping[str, int]) -> Message:
    """Read what the schema has proved to be there; no member is checked a second time."""
    origin, handling = _object(document["from"]), _object(document["handling"])
    address = _address(_object(document["to"]))
    created, expires = str(document["created"]), str(document["expires"])
    return Message(
        body=signed.body,
        signature=signed.signature,
        id=MessageId(str(document["id"])),
        kind=Kind(str(document["kind"])),
        version=str(document["version"]),
        sender=AgencyRef(country=Country(str(origin["country"])), agency=str(origin["agency"])),
        to=address,
        created=_time(created, "/created"),
        created_text=created,
        expires=_time(expires, "/expires"),
        expires_text=expires,
        urgency=Urgency(str(document["urgency"])),
        handling=HandlingCode(str(handling["code"])),
        facts=_facts(document, words),
        second_signed_with=signed.second_signed_with,
    )


def _address(to: dict[str, Json]) -> Address:
    countries = to.get("countries")
    compartment, channel = to.get("compartment"), to.get("channel")
    return Address(
        countries=tuple(Country(str(c)) for c in countries) if isinstance(countries, list) else (),
        compartment=None if compartment is None else Compartment(str(compartment)),
        channel=None if channel is None else ChannelName(str(channel)),
        own_copy=to.get("own_copy") is True,
    )


def _check_claims(message: Message, claims: SignatureClaims) -> None:
    schema = f"{message.kind}/{message.version}"
    if (claims.message_id, claims.origin, claims.schema) != (
        message.id,
        str(message.sender),
        schema,
    ):
        raise SignatureError(Code.SIGNATURE_MISMATCH)


def check_times(
    message: Envelope, now: datetime, *, review_by: datetime, reply_by: datetime | None
) -> None:
    """Return if a message is neither too old nor too new, and ends when it must.

    Raises:
        DocumentError: ``MESSAGE_EXPIRED`` or ``TIME_INVALID``.
    """
    created = message.created
    if message.expires <= now:
        raise DocumentError(Code.MESSAGE_EXPIRED, problems=_at("/expires", "message-expired"))
    problems: list[FieldProblem] = []
    if created > now + MAX_AHEAD:
        problems += _at("/created", "in-the-future")
    for name, moment, limit in (
        ("expires", message.expires, MAX_LIFE),
        ("review_by", review_by, MAX_REVIEW),
        ("reply_by", reply_by, MAX_LIFE),
    ):
        if moment is not None and not created < moment <= _end_of(created, limit):
            problems += _at(f"/{name}", "outside-its-limit")
    if problems:
        is_kept_too_long = any(each.pointer in LIFE for each in problems)
        raise DocumentError(
            Code.TIME_INVALID, problems=problems, rule=RETENTION if is_kept_too_long else None
        )


def _end_of(created: datetime, limit: timedelta) -> datetime:
    try:
        return created + limit
    except OverflowError:
        # In the year 9999: it is refused already, as too far ahead.
        return created


def _facts(document: dict[str, Json], words: Mapping[str, int]) -> Facts:
    for name in ("review_by", "reply_by"):
        if name in document:
            _time(str(document[name]), f"/{name}")
    try:
        return facts_of(document, words=words)
    except ValueError:
        # The one other time among the facts: a day of the year 0 is one by its format.
        raise DocumentError(
            Code.TIME_INVALID, problems=_at("/body/permission/until", "not-a-moment")
        ) from None


def _time(text: str, pointer: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # The schema's format lets through a leap second, which no datetime can hold.
        raise DocumentError(Code.TIME_INVALID, problems=_at(pointer, "not-a-moment")) from None
    return moment


def _object(value: Json) -> dict[str, Json]:
    if isinstance(value, dict):
        return value
    raise RuntimeError("a message is read before its schema was checked")


def _at(pointer: str, code: str) -> list[FieldProblem]:
    return [FieldProblem(pointer=pointer, code=code)]

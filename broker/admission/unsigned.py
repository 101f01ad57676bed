"""What would this be, if its agency had signed it? For trying a message before it is sent."""

from collections.abc import Mapping
from datetime import datetime

from broker.admission import strict_json
from broker.admission.validate import validate
from broker.errors import Code, DocumentError
from broker.model.message import Message, SignatureClaims, SignedPosting
from broker.model.names import AgencyRef, Json
from keys.identifiers import KeyId
from schemas.loader import SchemaSet
from schemas.vocabulary import Country


def unsigned_message(body: bytes, schemas: SchemaSet, *, words: Mapping[str, int]) -> Message:
    """Read a message that nobody has signed, at the moment when it says it was created.

    Nothing that comes from here may be sealed: who wrote it is not proven.

    Raises:
        DocumentError: It is no message.
    """
    document = strict_json.parse(body)
    created = _created(document.get("created"))
    origin = document.get("from")
    members = origin if isinstance(origin, dict) else {}
    country, agency = str(members.get("country")), str(members.get("agency"))
    claims = SignatureClaims(
        message_id=str(document.get("id")),
        origin=f"{country}/{agency}",
        schema=f"{document.get('kind')}/{document.get('version')}",
        issued_at=created,
    )
    signed = SignedPosting(
        body=body,
        signature="",
        sender=_sender(country, agency),
        signed_with=KeyId(""),
        claims=claims,
    )
    return validate(signed, schemas, now=created, words=words)


def _created(value: Json) -> datetime:
    try:
        created = datetime.fromisoformat(str(value))
    except ValueError:
        raise DocumentError(Code.TIME_INVALID) from None
    if created.tzinfo is None:
        raise DocumentError(Code.TIME_INVALID)
    return created


def _sender(country: str, agency: str) -> AgencyRef:
    try:
        return AgencyRef(country=Country(country), agency=agency)
    except ValueError:
        raise DocumentError(Code.SCHEMA_VIOLATION) from None

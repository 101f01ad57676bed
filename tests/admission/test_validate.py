"""Times that a schema lets through and a clock cannot hold are refused, and break nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.admission.validate import validate
from broker.errors import Code, DocumentError
from broker.model.message import SignatureClaims, SignedPosting
from broker.model.names import AgencyRef
from keys.identifiers import KeyId
from schemas.examples import accepted
from schemas.loader import SchemaSet
from schemas.vocabulary import Country

SCHEMAS = SchemaSet.load()
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def posting(kind: str, name: str = "", **changes: Any) -> SignedPosting:
    """An accepted example of a kind with other members, as signed by its agency."""
    found = next(each for each in accepted(kind) if name in each.name)
    document = {**found.message, **changes}
    sender = AgencyRef(
        country=Country(document["from"]["country"]), agency=document["from"]["agency"]
    )
    return SignedPosting(
        body=json.dumps(document).encode(),
        signature="",
        sender=sender,
        signed_with=KeyId("MX-fgr-1"),
        claims=SignatureClaims(
            message_id=document["id"],
            origin=str(sender),
            schema=f"{document['kind']}/{document['version']}",
            issued_at=NOW,
        ),
    )


@pytest.mark.parametrize(
    ("times", "pointer"),
    [
        (
            {"created": "9999-12-30T00:00:00Z", "expires": "9999-12-31T00:00:00Z"},
            "/created",
        ),
        ({"review_by": "2026-12-31T23:59:60Z"}, "/review_by"),
        ({"reply_by": "2026-12-31T23:59:60Z"}, "/reply_by"),
        ({"review_by": "0000-01-01T00:00:00Z"}, "/review_by"),
        ({"expires": "2026-12-31T23:59:60Z"}, "/expires"),
    ],
)
def test_validate_refuses_times_that_cannot_be_reckoned_with(
    times: dict[str, str], pointer: str
) -> None:
    """The last year there is, a leap second, the year 0: each names its member."""
    with pytest.raises(DocumentError) as caught:
        validate(posting("route-report", **times), SCHEMAS, now=NOW)

    assert caught.value.code in {Code.TIME_INVALID, Code.SCHEMA_VIOLATION}
    assert pointer in [each.pointer for each in caught.value.problems]


def test_validate_refuses_a_permission_until_a_day_that_never_was() -> None:
    """The year 0 is a day by its format."""
    granted = next(e for e in accepted("reply") if e.name.startswith("permission-granted")).message
    body = {
        **granted["body"],
        "permission": {**granted["body"]["permission"], "until": "0000-01-01"},
    }

    with pytest.raises(DocumentError) as caught:
        validate(posting("reply", "permission-granted", body=body), SCHEMAS, now=NOW)

    assert [each.pointer for each in caught.value.problems] == ["/body/permission/until"]

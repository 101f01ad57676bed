"""May an origin say of a content what no content is?"""

import hashlib
import json

import pytest

from broker.evidence.receipts import verify_receipt
from keys import base64url, strict_json
from schemas.vocabulary import Country, Kind
from tests.attacks.attacker import Arena
from tests.attacks.origin_sealing.forged import MARK, Document, arrives, forge, post, spoil
from tests.flow.conftest import Running, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("route", "code"),
    [
        ({"message_id": "not-an-id"}, "facts-invalid"),
        ({"message_id": "0193574e-0000-4000-8000-000000000001"}, "facts-invalid"),
        ({"message_id": "i" * 64}, "facts-invalid"),
        ({"agency": "inm"}, "sender-foreign"),
        ({"origin": Country.GUATEMALA}, "sender-foreign"),
        ({"version": "9.9"}, "version-unknown"),
        ({"kind": Kind.RECALL}, "schema-violation"),
        ({"kind": Kind.REPLY}, "schema-violation"),
        ({"created": "9999-12-31T00:00:00Z", "expires": "9999-12-31T23:59:59Z"}, "time-invalid"),
        ({"created": "9999-12-31T23:59:59-14:00"}, "time-invalid"),
        ({"created": "0001-01-01T00:00:00+14:00"}, "time-invalid"),
        ({"created": "0000-01-01T00:00:00Z"}, "time-invalid"),
        ({"created": "yesterday"}, "time-invalid"),
        ({"created": "2026-11-20T12:00:00"}, "time-invalid"),
        ({"created": "20261120T120000Z"}, "schema-violation"),
        ({"expires": "2020-01-01T00:00:00Z"}, "message-expired"),
        ({"expires": "2099-01-01T00:00:00Z"}, "time-invalid"),
    ],
    ids=str,
)
async def test_post_refuses_a_route_that_no_message_has(
    small: Arena, route: Document, code: str
) -> None:
    """The gateway holds the route against all that it would ask of the message."""
    document = message()
    forged = forge(small, document)
    members = json.loads(base64url.decode(forged.jwe["aad"]))
    outside = {
        "id": route.get("message_id", members["id"]),
        "from": {
            "country": route.get("origin", members["from"]["country"]),
            "agency": route.get("agency", "fgr"),
        },
        **{
            name: route.get(name, members[name])
            for name in ("kind", "version", "created", "expires", "urgency", "to")
        },
    }
    aad = base64url.encode(strict_json.write(outside))
    forged = forged.spoilt(spoil("aad", aad)).saying(
        mid=outside["id"], sch=f"{outside['kind']}/{outside['version']}"
    )

    answer = await post(small, forged)

    assert answer.code == code, answer.body


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"purpose": "because"}, "schema-violation"),
        ({"purpose": MARK * 50}, "schema-violation"),
        ({"purpose": "\ud800"}, "facts-invalid"),
        ({"purpose": "\x00"}, "schema-violation"),
        ({"handling": "H9"}, "facts-invalid"),
        (
            {"evaluation": {"scheme": "5x5x5", "source": "A", "information": "1"}},
            "schema-violation",
        ),
        (
            {"evaluation": {"scheme": "4x4", "source": "/", "information": "1"}},
            "schema-violation",
        ),
        ({"evaluation": None}, "schema-violation"),
        ({"concerns": "0193574e-0000-7000-8000-000000000001"}, "schema-violation"),
        ({"reply_outcome": "answered"}, "schema-violation"),
        ({"refusal_ground": MARK}, "schema-violation"),
        ({"lineage": ["0193574e-0000-7000-8000-000000000001"] * 2}, "schema-violation"),
        ({"lineage": ["'; DROP TABLE messages; --"]}, "facts-invalid"),
        ({"in_reply_to": "\ud800"}, "facts-invalid"),
        ({"marked_origins": ["HN", "GT"]}, "facts-invalid"),
        ({"marked_origins": ["GT", "GT"]}, "facts-invalid"),
        ({"marked_origins": ["gt"]}, "facts-invalid"),
        ({"review_by": "9999-12-31T23:59:59-14:00"}, "time-invalid"),
        ({"review_by": "9999-12-31T23:59:59+00:00"}, "time-invalid"),
        ({"review_by": "0001-01-01T00:00:00+14:00"}, "time-invalid"),
        ({"reply_by": "2099-01-01T00:00:00+00:00"}, "time-invalid"),
        ({"reply_by": "tomorrow"}, "facts-invalid"),
        ({"has_marked": "yes"}, "facts-invalid"),
        ({"Has_marked": True}, "facts-invalid"),
    ],
    ids=str,
)
async def test_post_refuses_facts_that_no_content_has(
    small: Arena, facts: Document, code: str
) -> None:
    """Before anything is kept by them; and nothing of them is said again."""
    answer = await post(small, forge(small).stating(**facts))

    assert answer.code == code, answer.body
    assert MARK.encode() not in answer.body


async def test_post_tells_a_country_nothing_of_the_facts(small: Arena, running: Running) -> None:
    """The desk that receives it reads a digest, and cannot try the facts out without the key."""
    forged = forge(small)
    answer = await post(small, forged)

    receipt = verify_receipt(answer.json["receipt"], find_key=running.receipt_keys.get)
    unsalted = hashlib.sha256(strict_json.write(forged.said["facts"])).digest()
    assert receipt.facts_digest is not None
    assert receipt.facts_digest != base64url.encode(unsalted)
    assert forged.said["salt"] not in answer.body.decode()


async def test_refused_messages_stop_no_desk(running: Running) -> None:
    """After all of the above an honest message arrives."""
    assert await arrives(running)

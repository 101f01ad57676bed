"""What an agency seals itself nobody on the way can read, and what it says of it must be true."""

from dataclasses import replace
from typing import Any

import pytest

from broker.admission import facts_form
from broker.desk.client import EnlaceClient
from broker.desk.failures import ProblemError
from broker.evidence.receipts import verify_receipt
from broker.model.events import DeliveryState, RefusalReason
from broker.model.message import SealedPosting
from broker.model.names import MessageId
from broker.origin_seal import ORIGIN_SEAL_TYP, facts_digest
from broker.sealing import wire
from keys import base64url, jws, strict_json
from keys.key import SigningKey
from schemas.loader import SchemaSet
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    HN_DESK,
    MIGRACION,
    Running,
    as_bytes,
    lines,
    message,
)

SCHEMAS = SchemaSet.load()


async def sealed(exchange: Running, **changes: object) -> tuple[EnlaceClient, SealedPosting]:
    """Let the prosecution seal a message of its own."""
    client = await exchange.client(FISCALIA)
    return client, await client.seal(as_bytes(message(**changes)), SCHEMAS)


def said_of(posting: SealedPosting) -> dict[str, Any]:
    """Read what the header says."""
    return strict_json.parse_object(jws.unverified_payload(posting.seal))


def restated(posting: SealedPosting, key: SigningKey, **changes: object) -> SealedPosting:
    """Say something else of the same content, signed all the same."""
    payload = {**said_of(posting), **changes}
    token = jws.sign_compact(strict_json.write(payload), key, typ=ORIGIN_SEAL_TYP)
    return replace(posting, seal=token)


async def test_deliver_brings_what_the_origin_sealed(any_exchange: Running) -> None:
    """Both desks open it, verify the signature inside, and acknowledge."""
    to = {"countries": ["GT", "HN"], "compartment": "intelligence"}
    client, posting = await sealed(any_exchange, to=to)

    accepted = await client.send(posting)

    for desk in (GT_DESK, HN_DESK):
        received = await any_exchange.receive(desk)
        assert [line["message"]["id"] for line in received] == [accepted.id]
    status = await client.status(accepted.id)
    assert {one.state for one in status.recipients} == {DeliveryState.ACKNOWLEDGED}


async def test_receipt_names_what_the_origin_sealed_and_said(exchange: Running) -> None:
    """The content hash is the origin's own; the facts are there as a digest and nothing else."""
    client, posting = await sealed(exchange)

    accepted = await client.send(posting)

    content = verify_receipt(accepted.receipt, find_key=exchange.receipt_keys.get)
    said = said_of(posting)
    facts = facts_form.from_json(said["facts"])
    assert content.content_hash == wire.content_hash(posting.jwe)
    assert content.facts_digest == facts_digest(facts, base64url.decode(said["salt"]))


async def test_post_returns_the_first_answer_when_the_sealed_bytes_come_again(
    exchange: Running,
) -> None:
    """Sealed once, sent twice: one message. Sealed anew under the same id it is another."""
    client, posting = await sealed(exchange)
    first = await client.send(posting)

    again = await client.send(posting)

    assert (again.receipt, again.replayed) == (first.receipt, True)
    body = as_bytes(message(id=str(first.id)))
    with pytest.raises(ProblemError, match="id-reused"):
        await client.send(await client.seal(body, SCHEMAS))


@pytest.mark.parametrize(
    "lie",
    [{"purpose": "prevention"}, {"marked_origins": ["HN"]}, {"has_children": True}],
    ids=["another purpose", "somebody who is not in it", "a child who is not in it"],
)
async def test_open_refuses_a_content_that_is_not_what_was_said(
    exchange: Running, lie: dict[str, object]
) -> None:
    """Both sides have the desk's signed word for it, and nobody has the content."""
    client, posting = await sealed(exchange)
    facts = {**said_of(posting)["facts"], **lie}
    accepted = await client.send(restated(posting, client.keys.signature, facts=facts))

    received = await exchange.receive(GT_DESK)

    assert received == []
    status = await client.status(MessageId(accepted.id))
    assert [one.reason for one in status.recipients] == [RefusalReason.FACTS_NOT_TRUE]
    refused = lines(exchange.world.folder_of(GT_DESK) / "refused.jsonl")
    assert [line["reason"] for line in refused] == ["facts-not-true"]


async def test_open_refuses_facts_under_another_salt(exchange: Running) -> None:
    """A salt of the sender's choice would let him say afterwards that he said something else."""
    client, posting = await sealed(exchange)
    salt = base64url.encode(bytes(32))

    accepted = await client.send(restated(posting, client.keys.signature, salt=salt))
    await exchange.receive(GT_DESK)

    status = await client.status(MessageId(accepted.id))
    assert [one.reason for one in status.recipients] == [RefusalReason.FACTS_NOT_TRUE]


async def test_rules_go_by_what_the_origin_says(exchange: Running) -> None:
    """The country that a person fled is refused by the facts, though nobody saw the content."""
    client, posting = await sealed(exchange)
    facts = {**said_of(posting)["facts"], "has_marked": True, "marked_origins": ["GT"]}

    with pytest.raises(ProblemError) as caught:
        await client.send(restated(posting, client.keys.signature, facts=facts))

    assert caught.value.code == "protection-denied"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mid": "0193574e-0000-7000-8000-000000000001"}, "signature-mismatch"),
        ({"sch": "general-report/1.0"}, "signature-mismatch"),
        ({"org": "GT/mp"}, "facts-invalid"),
        ({"hash": "A" * 43}, "seal-invalid"),
        ({"facts": {}}, "facts-invalid"),
        ({"salt": "AAAA"}, "facts-invalid"),
        ({"iat": "now"}, "facts-invalid"),
        ({"iat": 1}, "signature-stale"),
        ({"more": 1}, "facts-invalid"),
    ],
)
async def test_post_refuses_a_seal_that_does_not_fit(
    exchange: Running, changes: dict[str, object], code: str
) -> None:
    """Whatever the header says must be of this content, this sender and this hour."""
    client, posting = await sealed(exchange)

    with pytest.raises(ProblemError) as caught:
        await client.send(restated(posting, client.keys.signature, **changes))

    assert caught.value.code == code


async def test_post_refuses_a_seal_of_another_agency(exchange: Running) -> None:
    """Migration control cannot vouch for what the prosecution has sealed."""
    client, posting = await sealed(exchange)
    other = (await exchange.client(MIGRACION)).keys.signature

    with pytest.raises(ProblemError) as caught:
        await client.send(restated(posting, other))

    assert caught.value.code == "signature-foreign"


async def test_post_refuses_recipients_that_the_directory_does_not_name(
    exchange: Running,
) -> None:
    """A reader more or less than the address says: nobody could check who can open it."""
    to = {"countries": ["GT", "HN"], "compartment": "intelligence"}
    client, posting = await sealed(exchange, to=to)
    jwe = wire.parse(posting.jwe)
    fewer = wire.write(replace(jwe, recipients=jwe.recipients[:1]))

    with pytest.raises(ProblemError) as caught:
        await client.send(replace(posting, jwe=fewer))

    assert caught.value.code == "seal-invalid"


async def test_seal_refuses_what_the_gateway_would_refuse(exchange: Running) -> None:
    """An invalid message is not sealed: after that only its recipients could tell."""
    client = await exchange.client(FISCALIA)

    with pytest.raises(Exception, match="schema-violation"):
        await client.seal(as_bytes(message(purpose=None)), SCHEMAS)

"""Does a second officer's signature arrive with the message, and count only while it may?"""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from broker.desk.failures import ProblemError
from broker.model.message import Posting
from broker.model.names import MessageId
from broker.origin_seal import SECOND_SEAL_TYP
from broker.sandbox.kits import STATED
from keys import base64url, jws, strict_json
from keys.act_kind import ActKind
from keys.holder import Holder
from keys.key import KeyUse, SigningKey
from schemas.loader import SchemaSet
from tests.flow.conftest import FISCALIA, GT_DESK, MIGRACION, Running, as_bytes, message


async def officer(exchange: Running) -> SigningKey:
    """Make a second officer of the fiscalia, whose key the country has stated."""
    kit = exchange.world.kits[FISCALIA.country]
    key = kit.signing("fgr-vega-sign-1")
    holder = Holder.agency(FISCALIA.country, FISCALIA.agency)
    stated = kit.state(holder, KeyUse.MESSAGE_SIGNATURE, key.public)
    async with exchange.directory_change() as store:
        await store.add_statements([stated], at=kit.now - STATED)
    return key


async def test_message_of_two_officers_arrives_with_both_signatures(exchange: Running) -> None:
    """The desk has proved both, and its inbox names both; either key's compromise lists it."""
    second = await officer(exchange)
    client = await exchange.client(FISCALIA)
    document = message()

    await client.send(client.sign(as_bytes(document), second=second))
    alone = await exchange.post(message())
    kept = {each["id"]: each for each in await exchange.receive(GT_DESK)}

    both = kept[document["id"]]
    author = exchange.world.holdings[FISCALIA].signature.kid
    assert (both["signed_with"], both["second_signed_with"]) == (author, second.kid)
    assert both["signature"].count(",") == 1
    assert kept[alone]["second_signed_with"] is None
    affected = await exchange.gateway.key_ledger.affected(second.kid, limit=9)
    assert [each.message_id for each in affected] == [MessageId(document["id"])]


async def test_sealed_message_of_two_officers_counts_for_both_when_both_vouch(
    exchange: Running,
) -> None:
    """The gateway sees neither signature inside; both vouch for the seal, and it notes both."""
    second = await officer(exchange)
    client = await exchange.client(FISCALIA)
    body = as_bytes(message())

    accepted = await client.send(await client.seal(body, SchemaSet.load(), second=second))

    kept = await exchange.receive(GT_DESK)
    assert [each["second_signed_with"] for each in kept] == [second.kid]
    affected = await exchange.gateway.key_ledger.affected(second.kid, limit=9)
    assert [each.message_id for each in affected] == [accepted.id]


async def test_sealed_message_is_refused_when_the_second_officer_vouches_for_another(
    exchange: Running,
) -> None:
    """The author himself, another agency, another seal, or more than two: nothing is accepted."""
    second = await officer(exchange)
    client, schemas = await exchange.client(FISCALIA), SchemaSet.load()
    posting = await client.seal(as_bytes(message()), schemas, second=second)
    other = await client.seal(as_bytes(message()), schemas, second=second)
    author, agreed = posting.seal.split(",")
    own, foreign = (
        agree(author, exchange.world.holdings[each].signature) for each in (FISCALIA, MIGRACION)
    )

    codes = []
    for seals in (
        (author, other.seal.split(",")[1]),
        (author, own),
        (author, foreign),
        (author, agreed, agreed),
        (author, ""),
        (author, author),
    ):
        with pytest.raises(ProblemError) as refused:
            await client.send(replace(posting, seal=",".join(seals)))
        codes.append(refused.value.code)

    assert codes == [
        "signature-mismatch",
        "facts-invalid",
        "signature-foreign",
        "facts-invalid",
        "facts-invalid",
        "facts-invalid",
    ]


def agree(seal: str, key: SigningKey) -> str:
    """Vouch for a seal as its second officer."""
    digest = base64url.encode(sha256(seal.encode()).digest())
    payload = strict_json.write({"seal": digest, "iat": int(datetime.now(UTC).timestamp())})
    return jws.sign_compact(payload, key, typ=SECOND_SEAL_TYP)


async def test_send_is_refused_when_the_second_officer_does_not_count(exchange: Running) -> None:
    """Suspended, of another agency, or the author himself: nothing was accepted."""
    second = await officer(exchange)
    client = await exchange.client(FISCALIA)
    body = as_bytes(message())
    posting = client.sign(body, second=second)
    author = posting.signature.partition(",")[0]
    foreign = client.sign(body, second=exchange.world.holdings[MIGRACION].signature)
    kit = exchange.world.kits[FISCALIA.country]
    await exchange.decide(kit.alone(ActKind.SUSPEND, at=datetime.now(UTC), keys=[second.kid]))

    codes = []
    for each in (posting, foreign, Posting(body=body, signature=f"{author},{author}")):
        with pytest.raises(ProblemError) as refused:
            await client.send(each)
        codes.append(refused.value.code)

    assert codes == ["signature-invalid", "signature-foreign", "signature-invalid"]
    assert await exchange.receive(GT_DESK) == []

"""Does a second officer's signature arrive with the message, and count only while it may?"""

from datetime import UTC, datetime

import pytest

from broker.desk.failures import ProblemError
from broker.model import MessageId, Posting
from broker.sandbox.kits import STATED
from keys.act import ActKind
from keys.holder import Holder
from keys.key import KeyUse, SigningKey
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

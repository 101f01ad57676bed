"""Who gets it when a channel wants it sealed by its origin, and who when it is taken back?"""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from broker.desk.problem import ProblemError
from broker.errors import EvidenceError
from broker.model.events import DeliveryState
from broker.model.names import AgencyRef, MessageId
from broker.model.status import MessageStatus
from broker.origin_seal import ORIGIN_SEAL_TYP
from keys import jws, strict_json
from keys.charter import Sealing
from schemas.loader import SchemaSet
from schemas.vocabulary import AgencyFunction, Country
from tests.attacks.attacker import JSON, arena
from tests.attacks.origin_sealing.forged import MANY
from tests.flow.channel_world import TRIO, charter
from tests.flow.channel_world import to as to_channel
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, PLAN, Running, as_bytes, message, new_id
from tests.flow.test_recall import recall

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_channel_refuses_what_the_gateway_would_seal(tmp_path: Path) -> None:
    """Where the charter says that the origin seals, the gateway does not want to see it."""
    plan = replace(
        PLAN,
        agencies={
            **PLAN.agencies,
            **{
                AgencyRef(country=each, agency="mp"): (AgencyFunction.PROSECUTION, "MP")
                for each in (Country.GUATEMALA, Country.HONDURAS)
            },
        },
        channels=(charter(sealing=Sealing.ORIGIN),),
    )
    async with arena(tmp_path / "exchange", plan) as one, AsyncExitStack() as stack:
        running = Running(world=one.world, gateway=one.gateway, stack=stack)
        client = await running.client(FISCALIA)
        signed = client.sign(as_bytes(message(version="1.0", to=to_channel(TRIO))))
        attacker = one.attacker(FISCALIA)
        refused = [
            await attacker.call(
                "POST",
                f"/v1/messages{query}",
                headers=[JSON, ("Message-Signature", signed.signature)],
                body=signed.body,
            )
            for query in ("", "?dry_run=true")
        ]
        sealed = await client.seal(signed, SchemaSet.load())
        members = await client.dry_run(sealed)
        sent = await client.send(sealed)
        undo = client.sign(as_bytes(recall(sent.id, to=to_channel(TRIO))))
        refused.append(
            await attacker.call(
                "POST",
                "/v1/messages",
                headers=[JSON, ("Message-Signature", undo.signature)],
                body=undo.body,
            )
        )
        undone = await client.send(await client.seal(undo, SchemaSet.load()))

    assert [each.verdict for each in refused] == [(403, "origin-sealing-required")] * 3
    assert {each.desk.country for each in members} == {Country.GUATEMALA, Country.HONDURAS}
    assert {each.desk for each in undone.recipients} == {each.desk for each in members}


@pytest.mark.parametrize("kept", [0, 1])
async def test_recall_leaves_out_no_desk_that_has_a_key(running: Running, kept: int) -> None:
    """Only who has no current key gets no copy; no originator chooses whom he tells."""
    client = await running.client(FISCALIA)
    sent = await client.send(as_bytes(message(to=MANY)))
    sealed = await client.seal(as_bytes(recall(sent.id, to=MANY)), SchemaSet.load())
    jwe = json.loads(sealed.jwe)
    fewer = json.dumps({**jwe, "recipients": jwe["recipients"][:kept]}).encode()

    with pytest.raises(ProblemError, match="seal-invalid"):
        await client.send(replace(sealed, jwe=fewer))

    status = await client.status(sent.id)
    assert DeliveryState.RECALLED not in {each.state for each in status.recipients}


async def test_recall_is_sealed_for_whoever_has_the_message(running: Running) -> None:
    """Also when the road was closed since; and for nobody else's message."""
    client = await running.client(FISCALIA)
    sent = await client.send(as_bytes(message(to=MANY)))
    other = await client.send(as_bytes(message()))
    await running.close(running.pair(HN_DESK))

    undone = await client.send(
        await client.seal(as_bytes(recall(sent.id, to=MANY)), SchemaSet.load())
    )

    assert {each.desk for each in undone.recipients} == {GT_DESK, HN_DESK}
    with pytest.raises(ProblemError, match="not-found"):
        await client.seal(as_bytes(recall(new_id(), to=MANY)), SchemaSet.load())
    lie = await client.seal(as_bytes(recall(other.id)), SchemaSet.load())
    said = strict_json.parse_object(jws.unverified_payload(lie.seal))
    said["facts"] = {**said["facts"], "concerns": sent.id}  # type: ignore[dict-item]
    spoilt = jws.sign_compact(strict_json.write(said), client.keys.signature, typ=ORIGIN_SEAL_TYP)
    with pytest.raises(ProblemError, match="recall-denied"):
        await client.send(replace(lie, seal=spoilt))


async def test_recall_is_sealed_to_nobody_whom_only_the_ledger_names(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes one more recipient into the ledger reads no recall by that."""
    client = await running.client(FISCALIA)
    sent = await client.send(as_bytes(message()))
    truth = await client.status(sent.id)
    lie = replace(truth, recipients=(*truth.recipients, replace(truth.recipients[0], desk=HN_DESK)))

    async def lying(_: MessageId) -> MessageStatus:
        return lie

    monkeypatch.setattr(client, "status", lying)

    with pytest.raises(EvidenceError):
        await client.seal(as_bytes(recall(sent.id)), SchemaSet.load())

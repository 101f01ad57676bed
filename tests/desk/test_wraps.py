"""What a desk's client makes of the gateway's answers about its wraps."""

import json
from dataclasses import replace
from typing import Any

import pytest

from broker.desk.client import EnlaceClient
from broker.desk.failures import AnswerError, NotReadyError
from broker.desk.rewrap import NotRewrapped, Rewrapper
from broker.desk.wire import NotSettled
from broker.desk.wraps import Moved
from broker.errors import EvidenceError
from broker.model.events import EventKind
from broker.sealing import wire
from keys.identifiers import KeyId
from tests.desk import world
from tests.desk.world import DESK, HandOverParts
from tests.fakes.gateway import FakeGateway, Fault

WRAPS = "/v1/wraps"
OLD, NEW = KeyId("GT-int-enc-1"), KeyId("GT-int-enc-2")
REWRAPPED = {"kind": EventKind.REWRAPPED, "recipients": {DESK: NEW}}


def answers(gateway: FakeGateway, *documents: object) -> None:
    """Have the gateway give these answers, one after the other."""
    gateway.faults[WRAPS] += [
        Fault(status=200, raw=json.dumps(document).encode()) for document in documents
    ]


def waiting(number: int, **changes: Any) -> dict[str, Any]:
    """What the gateway says of one delivery."""
    received = world.hand_over(number)
    entry = wire.parse(received.sealed).only_for(OLD)
    return {
        "number": number,
        "id": received.message_id,
        "content_hash": received.content_hash,
        "protected": entry.protected,
        "recipient": wire.write_recipient(entry.recipients[0]),
        **changes,
    }


def moved(number: int, **parts: Any) -> dict[str, Any]:
    """What the gateway says of one re-wrap, with its receipt."""
    handed = HandOverParts(number=number, **{"event": REWRAPPED, **parts}).to_json()
    return {"id": handed["id"], "key": NEW, "receipt": handed["receipt"]}


def with_both_keys(desk: EnlaceClient) -> EnlaceClient:
    """Give the desk its next key."""
    keys = {kid: world.decryption_key(kid) for kid in (OLD, NEW)}
    held = desk.wallet.current
    desk.wallet._current = replace(held, keys=replace(held.keys, decryption=keys))
    return desk


async def test_run_takes_what_opens_and_names_the_rest(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """An entry of an unknown form, one that does not open, one that the gateway does not know."""
    damaged = waiting(3)
    damaged["recipient"]["encrypted_key"] = "A" * 64
    entries = [waiting(1), waiting(2, recipient={"new": "form"}), damaged, waiting(4)]
    results = [moved(1), {"error": {"code": "delivery-unknown"}}]
    answers(
        gateway,
        {"wraps": entries, "waiting": 4},
        {"results": results},
        {"wraps": [], "waiting": None},
    )
    seen: list[int] = []

    totals = await Rewrapper(with_both_keys(desk)).run(
        OLD, NEW, on_progress=lambda totals: seen.append(totals.rewrapped)
    )

    refs = {number: world.hand_over(number).ref for number in (2, 3, 4)}
    assert (totals.waiting, totals.rewrapped, seen) == (4, 1, [1])
    assert totals.left == [
        NotRewrapped(ref=refs[2], code="cannot-open"),
        NotRewrapped(ref=refs[3], code="cannot-open"),
        NotRewrapped(ref=refs[4], code="delivery-unknown"),
    ]


BAD_RECEIPTS: dict[str, dict[str, Any]] = {
    "of another event": {"event": {"kind": EventKind.ACCEPTED, "recipients": {DESK: NEW}}},
    "of another key": {"event": {"kind": EventKind.REWRAPPED, "recipients": {DESK: OLD}}},
    "of another message": {"event": {**REWRAPPED, "message_id": world.message_id(2)}},
    "of another content": {"event": {**REWRAPPED, "content_hash": "h" * 43}},
    "of another gateway": {"receipt_issuer": "https://else.test"},
}


@pytest.mark.parametrize("name", BAD_RECEIPTS)
async def test_rewrap_raises_when_the_receipt_proves_nothing(
    desk: EnlaceClient, gateway: FakeGateway, name: str
) -> None:
    """The gateway must prove that this entry is for this key now."""
    answers(gateway, {"results": [moved(1, **BAD_RECEIPTS[name])]})

    with pytest.raises(EvidenceError):
        await desk.rewrap(["a.b.c"], [world.hand_over(1).ref], new=NEW)


async def test_rewrap_raises_when_the_receipt_key_is_not_pinned(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """That is this desk's to mend."""
    answers(gateway, {"results": [moved(1, receipt_signer="GW-receipt-2")]})

    with pytest.raises(NotReadyError):
        await desk.rewrap(["a.b.c"], [world.hand_over(1).ref], new=NEW)


async def test_rewrap_answers_in_the_order_asked(desk: EnlaceClient, gateway: FakeGateway) -> None:
    """Nothing asked is nothing sent."""
    refs = [world.hand_over(number).ref for number in (1, 2)]
    answers(gateway, {"results": [{"error": {"code": "rewrap-invalid"}}, moved(2)]})

    first, second = await desk.rewrap(["a.b.c"] * 2, refs, new=NEW)

    assert first == NotSettled(code="rewrap-invalid")
    assert isinstance(second, Moved)
    assert (second.message_id, second.kid) == (refs[1].message_id, NEW)
    assert await desk.rewrap([], [], new=NEW) == ()


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"wraps": []},
        {"wraps": {}, "waiting": None},
        {"wraps": [{}], "waiting": 1},
        {"wraps": [], "waiting": "1"},
        {"wraps": ["x"], "waiting": 1},
    ],
)
async def test_waiting_wraps_raises_when_the_answer_is_of_no_form(
    desk: EnlaceClient, gateway: FakeGateway, document: object
) -> None:
    """Nothing foreign comes out."""
    answers(gateway, document)

    with pytest.raises(AnswerError):
        await desk.waiting_wraps(OLD, limit=1)


@pytest.mark.parametrize(
    "document",
    [{}, {"results": []}, {"results": [{}]}, {"results": [{"error": {}}]}, {"results": ["x"]}],
)
async def test_rewrap_raises_when_the_answer_is_of_no_form(
    desk: EnlaceClient, gateway: FakeGateway, document: object
) -> None:
    """As many results as were asked for, each of its form."""
    answers(gateway, document)

    with pytest.raises(AnswerError):
        await desk.rewrap(["a.b.c"], [world.hand_over(1).ref], new=NEW)

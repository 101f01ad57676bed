"""Who answers for whom? Every way to close a recall that is not the desk's own word."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.desk.recalls import Answer, read_orders, sign_disposition
from broker.desk.sign import (
    sign_acknowledgement,
    sign_message,
    sign_refusal,
    sign_rewrap,
    sign_use,
)
from broker.desk.wire import ContentRef
from broker.model.events import DeliveryState, RefusalReason
from broker.model.names import AgencyRef, ContentHash, DeskRef, MessageId
from broker.ports.recalls import Order
from broker.sealing.wire import read_recipient
from keys.identifiers import KeyId
from keys.key import SigningKey
from schemas.vocabulary import Disposition, KeptReason
from tests.attacks.attacker import JSON, Arena, Attacker, arena
from tests.attacks.attacker import Answer as Reply
from tests.attacks.test_description import acknowledge, check, handed, post
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    GT_PROTECTION,
    HN_DESK,
    MIGRACION,
    PLAN,
    Running,
    as_bytes,
)
from tests.flow.test_recall import recall, without_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID, UNKNOWN, SETTLED = "disposition-invalid", "delivery-unknown", "delivery-settled"


async def take_back(one: Arena, of: str, sender: AgencyRef = FISCALIA) -> Reply:
    """Post a recall."""
    agent = one.attacker(sender)
    document = recall(of) | {"from": {"country": "MX", "agency": sender.agency}}
    body = as_bytes(document)
    posting = sign_message(body, agent.holding.signature, agency=sender, now=datetime.now(UTC))
    headers = [JSON, ("Message-Signature", posting.signature)]
    return await agent.call("POST", "/v1/messages", headers=headers, body=body)


async def opened(one: Arena) -> Order:
    """Have an open order at Guatemala's desk."""
    hand_over = await handed(one)
    await acknowledge(one, hand_over)
    recalled = await take_back(one, hand_over["id"])
    assert recalled.status == 202, recalled.body
    answer = await one.attacker(GT_DESK).call("GET", "/v1/recalls?limit=200")
    check(answer, "GET", "/v1/recalls")
    return next(each for each in read_orders(answer.body) if each.id == recalled.json["id"])


async def send(attacker: Attacker, *tokens: str) -> list[str]:
    """Post dispositions; say what became of each."""
    answer = await attacker.post_json("/v1/dispositions", {"dispositions": list(tokens)})
    check(answer, "POST", "/v1/dispositions")
    return [
        each["error"]["code"] if "error" in each else each["disposition"]
        for each in answer.json["results"]
    ]


def word(
    key: SigningKey,
    order: Order,
    disposition: Disposition = Disposition.DESTROYED,
    because: KeptReason | None = None,
    **later: Any,
) -> str:
    """Sign an answer."""
    answer = Answer(order=order, disposition=disposition, because=because)
    return sign_disposition(answer, key, now=datetime.now(UTC) + timedelta(**later))


async def is_open(one: Arena, order: Order) -> bool:
    """Does the originator still see it open?"""
    answer = await one.attacker(FISCALIA).call("GET", "/v1/recalls?direction=sent&limit=200")
    return order.id in {each.id for each in read_orders(answer.body)}


async def test_recall_is_denied_when_another_agency_asks(small: Arena) -> None:
    """Known and unknown ids get one and the same answer, to the byte but for the request's id."""
    known = (await handed(small))["id"]
    answers = [
        await take_back(small, of, MIGRACION)
        for of in (known, "0192d3b4-0000-7000-8000-0000000000ff")
    ]

    said = []
    for each in answers:
        document = each.json
        document.pop("instance"), document.pop("request_id")
        said.append((each.status, document))
    assert said[0] == said[1]
    assert answers[0].verdict == (403, "recall-denied")


async def test_disposition_counts_for_nothing_when_it_is_forged(small: Arena) -> None:
    """Another key, another desk's, another sort of token, the future: the order stays open."""
    order = await opened(small)
    desk, neighbour = small.attacker(GT_DESK), small.attacker(GT_PROTECTION)
    key, other = desk.holding.signature, neighbour.holding.signature
    ref = ContentRef(message_id=order.id, content_hash=order.content_hash)

    said = await send(
        desk,
        word(other, order),
        word(other, replace(order, desk=GT_PROTECTION)),
        word(key, replace(order, desk=HN_DESK)),
        word(key, order, minutes=5),
        word(key, order, Disposition.CORRECTED),
        word(key, order, Disposition.KEPT),
        sign_acknowledgement(ref, key, desk=GT_DESK, now=datetime.now(UTC)),
        "a.b.c",
        "",
    )

    assert said == [INVALID] * 9
    assert await is_open(small, order)


async def test_disposition_is_unknown_when_it_names_another_recall(small: Arena) -> None:
    """Hash, subject, origin and id all belong to one order."""
    order, another = await opened(small), await opened(small)
    key = small.attacker(GT_DESK).holding.signature

    said = await send(
        small.attacker(GT_DESK),
        word(key, replace(order, content_hash=another.content_hash)),
        word(key, replace(order, content_hash=ContentHash("A" * 43))),
        word(key, replace(order, subject=another.subject)),
        word(key, replace(order, subject=order.id)),
        word(key, replace(order, origin=MIGRACION)),
        word(key, replace(order, id=MessageId(order.subject))),
    )

    assert said == [UNKNOWN] * 6
    assert await is_open(small, order)


@pytest.mark.parametrize("thief_desk", [HN_DESK, GT_PROTECTION], ids=str)
async def test_disposition_is_refused_when_another_desk_brings_it(
    small: Arena, thief_desk: DeskRef
) -> None:
    """Neither a token that leaked nor its own word closes another desk's order."""
    order = await opened(small)
    thief = small.attacker(thief_desk)
    genuine = word(small.attacker(GT_DESK).holding.signature, order)

    said = await send(
        thief, genuine, word(thief.holding.signature, replace(order, desk=thief_desk))
    )

    assert said == [INVALID, UNKNOWN]
    assert await is_open(small, order)
    listed = await thief.call("GET", "/v1/recalls?state=all")
    assert order.id not in {each.id for each in read_orders(listed.body)}


async def test_disposition_takes_nothing_back_when_an_old_one_is_replayed(small: Arena) -> None:
    """Kept, then destroyed: who replays the first word changes nothing."""
    order = await opened(small)
    desk = small.attacker(GT_DESK)
    key = desk.holding.signature
    kept = word(key, order, Disposition.KEPT, KeptReason.COURT_ORDER)
    destroyed = word(key, order)

    assert await send(desk, kept, kept) == ["kept", "kept"]
    assert await send(desk, word(key, order, Disposition.KEPT, KeptReason.LEGAL_HOLD)) == [SETTLED]
    assert await send(desk, destroyed, kept, destroyed) == ["destroyed", SETTLED, "destroyed"]

    status = await small.attacker(FISCALIA).call("GET", f"/v1/messages/{order.id}")
    check(status, "GET", "/v1/messages/{id}")
    assert status.json["recipients"][0]["order"]["disposition"] == "destroyed"
    assert status.json["recipients"][0]["order"]["desk_evidence"] == destroyed


async def test_recall_gives_its_desk_nothing_when_it_was_sealed_without_it(tmp_path: Path) -> None:
    """It is told that there is one, and may answer; whatever else it asks, it gets nothing."""
    async with arena(tmp_path / "exchange", PLAN) as one, AsyncExitStack() as stack:
        running = Running(world=one.world, gateway=one.gateway, stack=stack)
        desk, neighbour = one.attacker(GT_DESK), one.attacker(HN_DESK)
        hand_over = await handed(one)
        await acknowledge(one, hand_over)
        waits = (await post(one)).json["id"]
        await without_key(running, GT_DESK)
        recalled = await take_back(one, hand_over["id"])
        late = await post(one)
        [order] = read_orders((await desk.call("GET", "/v1/recalls")).body)
        wraps = await desk.call("GET", "/v1/wraps?key=GT-desk-intelligence-1")

        got = await everything_else(desk, order, wraps)
        forged = [
            await send(neighbour, word(desk.holding.signature, order)),
            await send(neighbour, word(neighbour.holding.signature, replace(order, desk=HN_DESK))),
        ]
        still_open = await is_open(one, order)
        said = await send(desk, word(desk.holding.signature, order))

    check(recalled, "POST", "/v1/messages")
    assert [each["sealed"] for each in recalled.json["recipients"]] == [False]
    assert late.verdict == (503, "recipient-key-unavailable")
    assert (order.subject, order.state) == (hand_over["id"], DeliveryState.NOT_SEALED)
    assert [each["id"] for each in wraps.json["wraps"]] == [waits]
    assert got == ([waits], [*[UNKNOWN] * 3, "recipient-key-unavailable"], 400)
    assert forged == [[INVALID], [UNKNOWN]]
    assert still_open
    assert said == ["destroyed"]


async def everything_else(
    desk: Attacker, order: Order, wraps: Reply
) -> tuple[list[str], list[str], int]:
    """Ask for the recall in every other way: hand-overs, answers to it, wraps by no key."""
    key, now = desk.holding.signature, datetime.now(UTC)
    ref = ContentRef(message_id=order.id, content_hash=order.content_hash)
    entry = replace(
        read_recipient(wraps.json["wraps"][0]["recipient"]), kid=KeyId("GT-desk-intelligence-9")
    )
    handed_over: set[str] = set()
    for _ in range(2):
        answer = await desk.call("GET", "/v1/queues/MX.GT.intelligence/messages?wait=1")
        handed_over |= {each["id"] for each in answer.json["messages"]}
    await desk.call("GET", "/v1/queues")
    tokens = {
        "acknowledgements": sign_acknowledgement(ref, key, desk=GT_DESK, now=now),
        "refusals": sign_refusal(ref, RefusalReason.CANNOT_OPEN, key, desk=GT_DESK, now=now),
        "uses": sign_use(ref, "analyst", "investigation", key, desk=GT_DESK, now=now),
        "wraps": sign_rewrap(
            ref, entry, key, old=KeyId("GT-desk-intelligence-1"), desk=GT_DESK, now=now
        ),
    }
    codes = []
    for name, token in tokens.items():
        answer = await desk.post_json(f"/v1/{name}", {name: [token]})
        # Without a key of the desk there is nothing to wrap for: the request itself is refused.
        is_read = answer.status == 200
        codes.append(answer.json["results"][0]["error"]["code"] if is_read else answer.code)
    by_no_key = await desk.call("GET", "/v1/wraps?key=")
    return sorted(handed_over), codes, by_no_key.status


async def test_dispositions_are_for_desks_when_an_agency_sends_them(small: Arena) -> None:
    """The originator cannot answer itself."""
    order = await opened(small)
    agency = small.attacker(FISCALIA)
    token = word(agency.holding.signature, order)

    answer = await agency.post_json("/v1/dispositions", {"dispositions": [token]})

    assert answer.verdict == (403, "scope-insufficient")


@pytest.mark.parametrize(
    ("subject", "query"),
    [
        (GT_DESK, "?state=closed"),
        (GT_DESK, "?state=open&state=all"),
        (GT_DESK, "?direction=sent"),
        (FISCALIA, "?direction=received"),
        (GT_DESK, "?direction="),
        (GT_DESK, "?limit=0"),
        (GT_DESK, "?limit=201"),
        (GT_DESK, "?after=-1"),
        (GT_DESK, "?after=1%20OR%201=1"),
        (GT_DESK, "?desk=HN.intelligence"),
    ],
)
async def test_recalls_are_refused_when_the_question_is_a_trick(
    small: Arena, subject: AgencyRef | DeskRef, query: str
) -> None:
    """Each parameter once, of its form, and no other."""
    answer = await small.attacker(subject).call("GET", f"/v1/recalls{query}")

    assert answer.verdict == (400, "parameter-invalid")


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"dispositions": []},
        {"dispositions": ["a.b.c"] * 101},
        {"dispositions": [1]},
        {"dispositions": "a.b.c"},
        {"dispositions": ["a.b.c"], "more": 1},
    ],
    ids=lambda document: json.dumps(document)[:24],
)
async def test_dispositions_are_refused_when_the_body_is_another(
    small: Arena, document: object
) -> None:
    """The member is named, and no value comes back."""
    answer = await small.attacker(GT_DESK).post_json("/v1/dispositions", document)

    assert answer.status in {400, 422}
    assert b"a.b.c" not in answer.body

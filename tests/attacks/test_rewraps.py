"""Whose key is it taken to? Every way to get at what waits for a desk by re-wrapping it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.desk.sign import sign_acknowledgement, sign_rewrap
from broker.desk.wire import ContentRef
from broker.model.names import ContentHash, DeskRef, MessageId
from broker.sealing.rewrap import rewrap
from broker.sealing.wire import Recipient, read_recipient
from keys.algorithms import EncryptionAlgorithm
from keys.identifiers import KeyId
from keys.key import DecryptionKey
from tests.attacks.attacker import Answer, Arena, Attacker
from tests.attacks.test_description import post
from tests.flow.conftest import GT_DESK, GT_PROTECTION, HN_DESK

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLD = KeyId("GT-desk-intelligence-1")
STRANGER = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId("GT-stranger-1"))
INVALID = "rewrap-invalid"
INACTIVE = "rewrap-key-inactive"


async def waiting(one: Arena, desk: DeskRef = GT_DESK) -> list[dict[str, Any]]:
    """What a desk is told of Guatemala's key."""
    answer = await one.attacker(desk).call("GET", f"/v1/wraps?key={OLD}&limit=200")
    assert answer.status == 200
    return list(answer.json["wraps"])


async def newest(one: Arena) -> tuple[ContentRef, Recipient, str]:
    """Post a message; say what its desk is told of it."""
    message_id = (await post(one)).json["id"]
    found = next(each for each in await waiting(one) if each["id"] == message_id)
    ref = ContentRef(
        message_id=MessageId(found["id"]), content_hash=ContentHash(found["content_hash"])
    )
    return ref, read_recipient(found["recipient"]), found["protected"]


async def send(attacker: Attacker, *tokens: str) -> list[str]:
    """Post wishes; say what became of each."""
    answer: Answer = await attacker.post_json("/v1/wraps", {"wraps": list(tokens)})
    assert answer.status == 200, answer.body
    return [
        each["error"]["code"] if "error" in each else each["key"] for each in answer.json["results"]
    ]


def wish(
    attacker: Attacker, ref: ContentRef, entry: Recipient, *, desk: DeskRef = GT_DESK, **times: Any
) -> str:
    """Sign a wish with the attacker's own key."""
    now = datetime.now(UTC) + timedelta(**times)
    return sign_rewrap(ref, entry, attacker.holding.signature, old=OLD, desk=desk, now=now)


async def test_rewrap_is_refused_when_the_new_key_is_not_the_active_one(small: Arena) -> None:
    """A thief of the desk's credential cannot take what waits to a key of his own."""
    ref, entry, protected = await newest(small)
    desk = small.attacker(GT_DESK)
    own = desk.holding.decryption
    assert own is not None
    stolen = rewrap(protected, entry, own, STRANGER)
    honduras = replace(stolen, kid=KeyId("HN-desk-intelligence-1"))

    said = await send(desk, wish(desk, ref, stolen), wish(desk, ref, honduras))

    assert said == [INACTIVE, INACTIVE]
    assert ref.message_id in {each["id"] for each in await waiting(small)}


async def test_rewrap_is_refused_when_anything_else_is_wrong(small: Arena) -> None:
    """Stale, from the future, to the same key, another sort of token, no token; none counts."""
    ref, entry, _ = await newest(small)
    desk = small.attacker(GT_DESK)
    now = datetime.now(UTC)
    other = replace(entry, kid=STRANGER.kid)

    said = await send(
        desk,
        wish(desk, ref, other, hours=-2),
        wish(desk, ref, other, minutes=5),
        wish(desk, ref, entry),
        wish(desk, ref, replace(other, encrypted_key="k")),
        wish(desk, ref, replace(other, encapsulated="e" * 2221)),
        sign_acknowledgement(ref, desk.holding.signature, desk=GT_DESK, now=now),
        "a.b.c",
        "",
    )

    assert said == [INVALID] * 8


async def test_rewrap_is_refused_when_any_other_desk_asks(small: Arena) -> None:
    """Its own wish, one in the desk's name, the desk's own token: each is worth nothing."""
    ref, entry, _ = await newest(small)
    receiver = small.attacker(GT_DESK)
    genuine = wish(receiver, ref, replace(entry, kid=STRANGER.kid))

    for thief_desk in (HN_DESK, GT_PROTECTION):
        thief = small.attacker(thief_desk)
        own = thief.holding.decryption
        assert own is not None
        to_own = replace(entry, kid=own.kid)
        said = await send(
            thief,
            wish(thief, ref, to_own, desk=thief_desk),
            wish(thief, ref, to_own),
            genuine,
        )
        assert said == ["delivery-unknown", INVALID, INVALID], str(thief_desk)

    assert ref.message_id in {each["id"] for each in await waiting(small)}


async def test_wraps_of_a_key_are_hidden_when_another_desk_asks(small: Arena) -> None:
    """Neither entries nor their number; the key might as well not exist."""
    await newest(small)

    for thief in (HN_DESK, GT_PROTECTION):
        answer = await small.attacker(thief).call("GET", f"/v1/wraps?key={OLD}")
        assert answer.json == {"wraps": [], "waiting": 0}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?key=",
        "?key=GT-1&key=GT-2",
        "?key=%27%20OR%201=1",
        "?key=GT-1&limit=0",
        "?key=GT-1&limit=201",
        "?key=GT-1&after=-1",
        "?key=GT-1&desk=HN",
    ],
)
async def test_wraps_are_refused_when_the_question_is_a_trick(small: Arena, query: str) -> None:
    """Each parameter once, of its form, and no other."""
    answer = await small.attacker(GT_DESK).call("GET", f"/v1/wraps{query}")

    assert answer.verdict == (400, "parameter-invalid")

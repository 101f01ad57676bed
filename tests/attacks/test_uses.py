"""Who may say that a message is read, and of which? Every way to state what is not so."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.desk.sign import sign_acknowledgement, sign_use
from broker.desk.wire import ContentRef
from broker.model.names import ContentHash, DeskRef, MessageId
from keys.algorithms import SignatureAlgorithm
from keys.key import SigningKey
from tests.attacks.attacker import Arena, Attacker
from tests.attacks.test_description import acknowledge, handed, post
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    GT_PROTECTION,
    HN_DESK,
    MIGRACION,
    message,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID = "use-invalid"
UNKNOWN = "delivery-unknown"


def ref_of(hand_over: dict[str, Any]) -> ContentRef:
    """Name the content of a hand-over."""
    return ContentRef(
        message_id=MessageId(hand_over["id"]), content_hash=ContentHash(hand_over["content_hash"])
    )


async def own_purpose(one: Arena) -> tuple[ContentRef, str]:
    """Have a message handed over; give it with its own purpose."""
    return ref_of(await handed(one)), str(message()["purpose"]["code"])


def use(
    attacker: Attacker,
    ref: ContentRef,
    purpose: str,
    *,
    desk: DeskRef = GT_DESK,
    reader: str = "analyst",
    key: SigningKey | None = None,
    **times: Any,
) -> str:
    """Sign a statement with the attacker's own key."""
    now = datetime.now(UTC) + timedelta(**times)
    return sign_use(ref, reader, purpose, key or attacker.holding.signature, desk=desk, now=now)


async def send(attacker: Attacker, *tokens: str) -> list[str]:
    """Post statements; say what became of each."""
    answer = await attacker.post_json("/v1/uses", {"uses": list(tokens)})
    assert answer.status == 200, answer.body
    return [
        each["error"]["code"] if "error" in each else each["purpose"]
        for each in answer.json["results"]
    ]


async def seen(one: Arena, ref: ContentRef) -> list[dict[str, Any]]:
    """What the originator sees of it."""
    answer = await one.attacker(FISCALIA).call("GET", f"/v1/messages/{ref.message_id}")
    return list(answer.json["recipients"][0]["uses"])


async def test_use_is_shown_to_the_originator_when_the_desk_states_it(small: Arena) -> None:
    """With the desk's own signature; a replay changes nothing, a good one among bad ones counts."""
    hand_over = await handed(small)
    ref, purpose = ref_of(hand_over), str(message()["purpose"]["code"])
    desk = small.attacker(GT_DESK)
    token = use(desk, ref, purpose)
    await acknowledge(small, hand_over)

    first = await send(desk, "a.b.c", token)
    again = await send(desk, token)

    assert (first, again) == ([INVALID, purpose], [purpose])
    [shown] = await seen(small, ref)
    assert (shown["reader"], shown["purpose"], shown["times"]) == ("analyst", purpose, 1)
    assert shown["token"] == token


async def test_use_is_refused_when_any_other_desk_states_it(small: Arena) -> None:
    """In its own name, in the other's, with another's token, and with another compartment's."""
    ref, purpose = await own_purpose(small)
    owner = small.attacker(GT_DESK)
    token = use(owner, ref, purpose)

    for desk in (HN_DESK, GT_PROTECTION):
        other = small.attacker(desk)
        said = await send(
            other, use(other, ref, purpose, desk=desk), use(other, ref, purpose), token
        )
        assert said == [UNKNOWN, INVALID, INVALID]
    assert await seen(small, ref) == []


async def test_use_is_refused_when_anything_else_is_wrong(small: Arena) -> None:
    """Stale, ahead, a key of nobody, another content, another sort of token, no purpose."""
    ref, purpose = await own_purpose(small)
    desk = small.attacker(GT_DESK)
    own = desk.holding.signature
    stranger = SigningKey.generate(SignatureAlgorithm.ED25519, own.kid)
    other = ContentRef(message_id=ref.message_id, content_hash=ContentHash("x" * 43))
    another = "prevention" if purpose != "prevention" else "prosecution"

    said = await send(
        desk,
        use(desk, ref, purpose, hours=-2),
        use(desk, ref, purpose, minutes=5),
        use(desk, ref, purpose, key=stranger),
        use(desk, ref, purpose, key=small.attacker(FISCALIA).holding.signature),
        use(desk, other, purpose),
        sign_acknowledgement(ref, own, desk=GT_DESK, now=datetime.now(UTC)),
        use(desk, ref, "curiosity"),
        use(desk, ref, another),
        use(desk, ref, purpose, reader="ana@pgn.example"),
        "",
    )

    assert said == [
        INVALID, INVALID, INVALID, INVALID, UNKNOWN, INVALID, INVALID, "purpose-denied",
        INVALID, INVALID,
    ]  # fmt: skip
    assert await seen(small, ref) == []


async def test_use_is_refused_when_the_message_was_not_handed_over(small: Arena) -> None:
    """A desk cannot have read what still lies in its queue."""
    message_id = (await post(small)).json["id"]
    status = await small.attacker(FISCALIA).call("GET", f"/v1/messages/{message_id}")
    ref = ContentRef(
        message_id=MessageId(message_id), content_hash=ContentHash(status.json["content_hash"])
    )
    desk = small.attacker(GT_DESK)

    assert await send(desk, use(desk, ref, str(message()["purpose"]["code"]))) == [UNKNOWN]


async def test_uses_are_for_the_originator_alone(small: Arena) -> None:
    """Another agency of his country sees nothing of the message; an agency states no use."""
    ref, purpose = await own_purpose(small)
    desk = small.attacker(GT_DESK)
    await send(desk, use(desk, ref, purpose))

    other = await small.attacker(MIGRACION).call("GET", f"/v1/messages/{ref.message_id}")
    stated = await small.attacker(FISCALIA).post_json("/v1/uses", {"uses": ["a.b.c"]})

    assert other.status == 404
    assert stated.status == 403

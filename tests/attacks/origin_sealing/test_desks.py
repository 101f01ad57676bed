"""What does a desk do with what the gateway could not see?"""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from broker.model.events import DeliveryState, RefusalReason
from broker.model.names import MessageId
from keys import base64url
from schemas.vocabulary import Country, Kind, Urgency
from tests.attacks.attacker import Arena
from tests.attacks.origin_sealing.forged import MANY, Document, arrives, forge, in_protected, post
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, Running, message, new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_post_takes_recipients_in_any_order(small: Arena, running: Running) -> None:
    """Each desk gets its own entry, whatever the order was."""
    forged = forge(small, message(to=MANY))

    answer = await post(small, forged.spoilt(lambda jwe: jwe["recipients"].reverse()))

    assert answer.status == 202
    for desk in (GT_DESK, HN_DESK):
        assert forged.said["mid"] in [each["message"]["id"] for each in await running.receive(desk)]


async def test_desks_answer_each_for_itself_when_only_one_wrap_opens(
    small: Arena, running: Running
) -> None:
    """What one can read and the other cannot is told to the sender by both, signed."""
    forged = forge(small, message(to=MANY))

    def spoilt(jwe: Document) -> None:
        entry = next(e for e in jwe["recipients"] if e["header"]["kid"].startswith("HN"))
        entry["encrypted_key"] = base64url.encode(bytes(48))

    assert (await post(small, forged.spoilt(spoilt))).status == 202
    for desk in (GT_DESK, HN_DESK):
        await running.receive(desk)

    status = await (await running.client(FISCALIA)).status(MessageId(forged.said["mid"]))
    assert {one.desk: (one.state, one.reason) for one in status.recipients} == {
        GT_DESK: (DeliveryState.ACKNOWLEDGED, None),
        HN_DESK: (DeliveryState.REFUSED, RefusalReason.CANNOT_OPEN),
    }


async def test_desk_refuses_a_content_under_another_key_than_committed(
    small: Arena, running: Running
) -> None:
    """Two content keys for two readers would be two messages under one receipt."""
    forged = forge(small)
    commitment = base64url.encode(secrets.token_bytes(32))

    assert (await post(small, forged.spoilt(in_protected(ckc=commitment)))).status == 202
    await running.receive(GT_DESK)

    status = await (await running.client(FISCALIA)).status(MessageId(forged.said["mid"]))
    assert [one.reason for one in status.recipients] == [RefusalReason.CANNOT_OPEN]


@pytest.mark.parametrize(
    "route",
    [
        {"urgency": Urgency.FLASH},
        {"kind": Kind.GENERAL_REPORT},
        {"expires": (datetime.now(UTC) + timedelta(days=40)).isoformat(timespec="seconds")},
        {"message_id": new_id()},
        {"countries": (Country.GUATEMALA, Country.HONDURAS)},
    ],
    ids=str,
)
async def test_desk_returns_a_message_whose_route_is_another(
    small: Arena, running: Running, route: Document
) -> None:
    """What everybody on the way was told is what was signed, or it is returned."""
    forged = forge(small, message(urgency="routine"), **route)

    answer = await post(small, forged)
    assert answer.status == 202, answer.body
    await running.receive(GT_DESK)

    status = await (await running.client(FISCALIA)).status(MessageId(forged.said["mid"]))
    one = next(each for each in status.recipients if each.desk == GT_DESK)
    assert one.reason is RefusalReason.CONTENT_NOT_VALID
    inbox = small.world.folder_of(GT_DESK) / "inbox.jsonl"
    assert forged.said["mid"] not in inbox.read_text()


async def test_refused_and_hostile_messages_stop_no_desk(running: Running) -> None:
    """After all of the above an honest message arrives."""
    assert await arrives(running)

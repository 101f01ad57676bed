"""Is anything refused for good, or not believed, because the directory here is a moment old?"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from broker.desk.client import EnlaceClient
from broker.desk.failures import AnswerError
from broker.desk.inbox import Inbox
from broker.desk.subscribe import Subscription
from broker.directory import AgencyRecord, DirectoryRecord
from broker.errors import EvidenceError
from keys.identifiers import KeyId
from keys.key import KeyUse
from schemas.vocabulary import AgencyFunction
from tests.desk import world
from tests.desk.receiving import acknowledged, returned, stored
from tests.desk.test_asked import notice, signed
from tests.desk.world import HandOverParts
from tests.fakes.gateway import FakeGateway, Fault

RECEIPT_KEY = KeyId("GW-receipt-1")
NOTICES = "/v1/notices"


def another_function() -> DirectoryRecord:
    """Have fiscalia be an agency that may not write such a message (SG-02)."""
    function = AgencyFunction.CHILD_PROTECTION
    agency = AgencyRecord(ref=world.FISCALIA, function=function, name="fiscalia")
    return replace(world.record(version=2), agencies=(agency,))


def an_older_statement() -> DirectoryRecord:
    """Have the statement of the receipt key be over, before it is renewed."""
    over = world.service_statement(
        "receipts", KeyUse.RECEIPT_SIGNATURE, RECEIPT_KEY, not_after=world.NOW - timedelta(days=1)
    )
    return world.record(*world.standard_statements(), over, version=2)


def renewed() -> DirectoryRecord:
    """State the receipt key once more."""
    stale = an_older_statement()
    fresh = world.service_statement("receipts", KeyUse.RECEIPT_SIGNATURE, RECEIPT_KEY)
    return replace(stale, statements=world.in_order((*stale.statements, fresh)), version=3)


def as_it_was() -> DirectoryRecord:
    """Take the standard directory."""
    return world.record(version=3)


@pytest.mark.parametrize(
    ("before", "after"),
    [(another_function, as_it_was), (an_older_statement, renewed)],
    ids=["the function of an agency", "the statement of the receipt key"],
)
async def test_open_looks_again_before_it_refuses_for_whatever_reason(
    desk: EnlaceClient,
    gateway: FakeGateway,
    tmp_path: Path,
    before: Callable[[], DirectoryRecord],
    after: Callable[[], DirectoryRecord],
) -> None:
    """A refusal is final, and the gateway accepted the message by what it knew then."""
    gateway.record = before()
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        gateway.record = after()
        gateway.deliver(HandOverParts().to_json())

        await subscription._take([HandOverParts().received()])

    assert (len(stored(tmp_path)), returned(tmp_path)) == (1, [])
    assert acknowledged(gateway) == [world.message_id()]


async def test_receipts_look_again_while_their_key_does_not_count(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """A gateway signs by a statement that another one does not show yet."""
    token = HandOverParts().to_json()["receipt"]
    gateway.record = an_older_statement()
    await desk.directory()
    gateway.record = renewed()

    assert (await desk.receipts(token)).verify(token).message_id == world.message_id()


async def test_receipts_do_not_look_for_ever_when_their_key_never_counted(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """After some looks it is what it is: no receipt."""
    token = HandOverParts().to_json()["receipt"]
    gateway.record = an_older_statement()

    with pytest.raises(EvidenceError):
        (await desk.receipts(token)).verify(token)


def listed(gateway: FakeGateway, *pages: list[tuple[int, str]]) -> None:
    """Have the gateway list these notices, page by page."""
    gateway.faults[NOTICES] += [
        Fault(
            status=200,
            raw=json.dumps(
                {"notices": [{"number": number, "notice": token} for number, token in page]}
            ).encode(),
        )
        for page in pages
    ]


async def test_notices_are_not_believed_when_their_key_did_not_count(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """Whoever has stolen an old receipt key tells no country anything."""
    gateway.record = an_older_statement()
    listed(gateway, [(1, signed(notice()))], [])

    with pytest.raises(EvidenceError):
        await desk.notices()


async def test_notices_look_for_a_new_receipt_key(desk: EnlaceClient, gateway: FakeGateway) -> None:
    """A notice may be the first thing that a new key signs."""
    await desk.directory()
    fresh = world.service_statement("receipts", KeyUse.RECEIPT_SIGNATURE, "GW-receipt-2")
    gateway.record = world.record(*world.standard_statements(), fresh, version=2)
    listed(gateway, [(1, signed(notice(), kid="GW-receipt-2"))], [])

    assert [each.number for each in await desk.notices()] == [1]


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1), (0,)], ids=str)
async def test_notices_end_when_their_numbers_do_not_rise(
    desk: EnlaceClient, gateway: FakeGateway, numbers: tuple[int, ...]
) -> None:
    """A gateway that goes round in circles keeps nobody for ever."""
    listed(gateway, [(number, signed(notice())) for number in numbers])

    with pytest.raises(AnswerError):
        await desk.notices()

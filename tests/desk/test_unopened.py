"""What does not open: is it returned, or does the desk stop and look for what it lacks?"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from broker.desk.client import EnlaceClient
from broker.desk.failures import NotReadyError
from broker.desk.inbox import Inbox
from broker.desk.subscribe import Subscription, Totals
from broker.directory import DirectoryRecord
from broker.evidence.receipts import ReceiptIssuer
from keys.key import KeyUse
from schemas.vocabulary import Country
from tests.desk import world
from tests.desk.conftest import client_of
from tests.desk.receiving import REFUSED, acknowledged, deliver, receive, returned, stored
from tests.desk.test_membership import TO_CHANNEL, agreed, charter, record_of
from tests.desk.world import FakeClock, HandOverParts
from tests.fakes.gateway import DROP, FakeGateway, Fault

BUSY = Fault(status=503, code="ledger-unavailable")
OTHERS = {Country.MEXICO: ("policia",), Country.GUATEMALA: ("mp",)}
"""A channel that fiscalia takes no part in."""


@pytest.mark.parametrize("reason", REFUSED)
async def test_refuse_a_message_that_does_not_open(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, reason: str
) -> None:
    """The sender learns why; a note without content stays here; the others are stored."""
    deliver(gateway, 1, **REFUSED[reason])
    deliver(gateway, 2)

    totals = await receive(desk, tmp_path)

    (note,) = returned(tmp_path)
    states = [each.state for each in gateway.deliveries.values()]
    assert totals == Totals(stored=1, refused=1)
    assert (note["id"], note["reason"]) == (world.message_id(1), reason)
    assert note.keys().isdisjoint({"message", "body", "signature"})
    assert states == ["refused", "acknowledged"]
    assert [each.reason for each in gateway.answers if each.reason] == [reason]


NOT_READY: dict[str, dict[str, Any]] = {
    "clock": {"accepted_at": world.NOW + timedelta(minutes=6)},
    "receipt-key": {"receipt_signer": "GW-receipt-2"},
    "decryption-key": {"sealed_to": "GT-int-enc-2"},
    "schema": {"members": {"version": "9.0"}},
}


@pytest.mark.parametrize("step", NOT_READY)
async def test_receive_stops_without_an_answer_when_the_fault_is_its_own(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, step: str
) -> None:
    """Nothing is refused; the others of the batch are kept and acknowledged first."""
    hand_overs = [
        HandOverParts(number=number, hand_over=number, **parts)
        for number, parts in ((1, {}), (2, NOT_READY[step]), (3, {}))
    ]
    for each in hand_overs:
        gateway.deliver(each.to_json())
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        with structlog.testing.capture_logs() as logs, pytest.raises(NotReadyError) as stopped:
            await subscription._take([each.received() for each in hand_overs])

    states = [each.state for each in gateway.deliveries.values()]
    assert states == ["acknowledged", "dispatched", "acknowledged"]
    assert subscription.totals == Totals(stored=2)
    assert (len(stored(tmp_path)), returned(tmp_path)) == (2, [])
    assert stopped.value.step == step
    assert [each for each in logs if each["event"] == "hand-over:not-ready"] == [
        {"event": "hand-over:not-ready", "log_level": "error", "step": step}
    ]


async def test_receive_opens_the_message_when_the_clock_was_set(
    gateway: FakeGateway, clock: FakeClock, tmp_path: Path
) -> None:
    """A slow clock costs a delay and no message."""
    deliver(gateway, 1, **NOT_READY["clock"])
    async with client_of(world.desk_profile(gateway.base_url), clock) as client:
        with pytest.raises(NotReadyError, match="set the clock"):
            await receive(client, tmp_path)
        clock.pass_time(timedelta(minutes=6))

        totals = await receive(client, tmp_path)

    assert totals == Totals(stored=1)
    assert acknowledged(gateway) == [world.message_id(1)]


async def test_receive_opens_the_message_when_the_missing_key_was_added(
    gateway: FakeGateway, clock: FakeClock, tmp_path: Path
) -> None:
    """A new decryption key may reach the desk after the first message that is sealed to it."""
    deliver(gateway, 1, **NOT_READY["decryption-key"])
    profile = world.desk_profile(gateway.base_url)
    async with client_of(profile, clock) as client:
        with pytest.raises(NotReadyError, match="GT-int-enc-2"):
            await receive(client, tmp_path)
    held, key = world.held_keys(profile), world.decryption_key("GT-int-enc-2")
    held = replace(held, decryption={**held.decryption, key.kid: key})
    async with EnlaceClient(profile, held, world.pins(), timing=clock.timing) as client:
        totals = await receive(client, tmp_path)

    assert totals == Totals(stored=1)
    assert acknowledged(gateway) == [world.message_id(1)]


async def test_receive_opens_the_message_when_the_receipt_key_is_stated(
    gateway: FakeGateway, clock: FakeClock, tmp_path: Path
) -> None:
    """A receipt key that nobody states stops a desk, and loses it nothing."""
    deliver(gateway, 1)
    deliver(gateway, 2, **NOT_READY["receipt-key"])
    renew_receipt_key(gateway)
    profile = world.desk_profile(gateway.base_url)
    async with client_of(profile, clock) as client:
        # Its answer to the acknowledgement of the first one is signed by the new key, too.
        with pytest.raises(NotReadyError, match="GW-receipt-2, which the root of the exchange"):
            await receive(client, tmp_path)
    gateway.record = with_new_receipt_key()
    async with client_of(profile, clock) as client:
        totals = await receive(client, tmp_path)

    assert totals.refused == 0
    assert [line["id"] for line in stored(tmp_path)] == [world.message_id(1), world.message_id(2)]
    assert acknowledged(gateway) == [world.message_id(1), world.message_id(2)]


async def test_open_looks_for_a_new_receipt_key_before_the_desk_stops(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """The exchange renews its receipt key while the desk runs, and the desk goes on."""
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        renew_receipt_key(gateway)
        gateway.record = with_new_receipt_key()
        deliver(gateway, 1, **NOT_READY["receipt-key"])
        await subscription._take([HandOverParts(**NOT_READY["receipt-key"]).received()])

    assert len(stored(tmp_path)) == 1
    assert returned(tmp_path) == []


def renew_receipt_key(gateway: FakeGateway) -> None:
    """Let the gateway sign with its next receipt key."""
    gateway.receipts = ReceiptIssuer(world.signing_key("GW-receipt-2"), issuer=world.ISSUER)


def with_new_receipt_key() -> DirectoryRecord:
    """State the next receipt key."""
    fresh = world.service_statement("receipts", KeyUse.RECEIPT_SIGNATURE, "GW-receipt-2")
    return world.record(*world.standard_statements(), fresh, version=2)


async def test_refuse_is_noted_once_when_the_answer_does_not_arrive(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A refusal may be repeated like an acknowledgement."""
    deliver(gateway, 1, **REFUSED["cannot-open"])
    gateway.faults["/v1/refusals"] += [DROP] * 20
    await receive(desk, tmp_path)
    gateway.faults["/v1/refusals"].clear()

    await receive(desk, tmp_path)

    assert len(returned(tmp_path)) == 1
    assert [each.state for each in gateway.deliveries.values()] == ["refused"]


async def test_open_looks_for_a_new_key_before_it_refuses(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A key may be stated after the desk last read the directory."""
    fresh = world.agency_statement(world.FISCALIA, "MX-fiscalia-2")
    record = world.record(*world.standard_statements(), fresh, version=2)

    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        gateway.record = record
        gateway.directory, _ = world.verified(record)
        deliver(gateway, 1, signer="MX-fiscalia-2")
        await subscription._take([HandOverParts(signer="MX-fiscalia-2").received()])

    assert len(stored(tmp_path)) == 1
    assert returned(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [((), agreed(charter())), (agreed(charter(members=OTHERS)), ())],
    ids=["a channel that is new", "a channel that stays of others"],
)
async def test_open_looks_for_the_acts_of_a_channel_before_it_refuses(
    desk: EnlaceClient,
    gateway: FakeGateway,
    tmp_path: Path,
    before: tuple[str, ...],
    after: tuple[str, ...],
) -> None:
    """A gateway may act by what another one does not show yet."""
    parts = HandOverParts(**TO_CHANNEL)
    gateway.record = record_of(*before, version=2)
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        gateway.record = record_of(*before, *after, version=3)
        gateway.deliver(parts.to_json())
        await subscription._take([parts.received()])

    assert (len(stored(tmp_path)), len(returned(tmp_path))) == ((1, 0) if after else (0, 1))


async def test_open_stops_when_nobody_shows_the_acts_of_a_channel(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, clock: FakeClock
) -> None:
    """It is not answered, and lies where it lay until somebody has looked into it."""
    parts = HandOverParts(**TO_CHANNEL)
    gateway.deliver(parts.to_json())
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        with pytest.raises(NotReadyError, match="channel that no acts known here make"):
            await subscription._take([parts.received()])

    assert clock.slept == [1, 1, 1]
    assert (stored(tmp_path), returned(tmp_path), gateway.answers) == ([], [], [])


@pytest.mark.parametrize("fault", [DROP, BUSY], ids=["dropped", "busy"])
async def test_open_leaves_a_message_unanswered_when_it_cannot_look_for_its_key(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, fault: Fault
) -> None:
    """A refusal is final; without a directory nothing is refused for its signature."""
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        gateway.faults["/v1/directory"] += [fault] * 20
        parts = HandOverParts(signer="MX-fiscalia-2")
        gateway.deliver(parts.to_json())
        await subscription._take([parts.received()])

    assert (stored(tmp_path), returned(tmp_path), gateway.answers) == ([], [], [])


@pytest.mark.parametrize("fault", [DROP, BUSY], ids=["dropped", "busy"])
async def test_open_uses_the_last_directory_when_the_gateway_gives_no_newer(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, clock: FakeClock, fault: Fault
) -> None:
    """An old directory is renewed after a minute, and serves on if it cannot be."""
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        clock.pass_time(timedelta(minutes=2))
        deliver(gateway, 1, 2)
        await subscription._take([HandOverParts(number=1).received()])
        asked = [path for _, path in gateway.requests].count("/v1/directory")
        clock.pass_time(timedelta(minutes=2))
        gateway.faults["/v1/directory"] += [fault] * 20
        await subscription._take([HandOverParts(number=2).received()])

    assert asked >= 2
    assert len(stored(tmp_path)) == 2

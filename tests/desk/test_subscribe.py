"""Is every message in the inbox once, before it is acknowledged, whatever dies in between?"""

import asyncio
import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from broker.desk.client import EnlaceClient
from broker.desk.failures import NotReadyError, ProblemError, StoreError
from broker.desk.inbox import Inbox, read_inbox
from broker.desk.store import Entry
from broker.desk.stored import verify_line
from broker.desk.subscribe import BATCH, Subscription, Totals
from broker.directory import DirectoryRecord
from broker.errors import EvidenceError
from broker.evidence.receipts import ReceiptIssuer
from broker.model.events import EventKind
from broker.model.names import MessageId
from keys.key import KeyUse
from schemas.vocabulary import Country
from tests.desk import world
from tests.desk.conftest import client_of
from tests.desk.test_membership import TO_CHANNEL, agreed, charter, record_of
from tests.desk.world import FakeClock, HandOverParts
from tests.fakes.gateway import DROP, LOSE_ANSWER, FakeGateway, Fault

IDLE = timedelta(milliseconds=150)
ACKNOWLEDGEMENTS = "/v1/acknowledgements"
OTHERS = {Country.MEXICO: ("policia",), Country.GUATEMALA: ("mp",)}
"""A channel that fiscalia takes no part in."""


def deliver(gateway: FakeGateway, *numbers: int, **parts: Any) -> list[MessageId]:
    """Put messages into the desk's queue."""
    for number in numbers:
        gateway.deliver(HandOverParts(number=number, **parts).to_json())
    return [world.message_id(number) for number in numbers]


async def receive(client: EnlaceClient, folder: Path) -> Totals:
    """Start as a new process would, and stop when nothing comes any more."""
    with Inbox(folder / "inbox.jsonl") as inbox, Inbox(folder / "refused.jsonl") as refused:
        subscription = Subscription(client, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription.run(idle=IDLE)
        return subscription.totals


def stored(folder: Path) -> list[dict[str, Any]]:
    """Read the inbox."""
    return [orjson.loads(line) for line in read_inbox(folder / "inbox.jsonl")]


def returned(folder: Path) -> list[dict[str, Any]]:
    """Read the notes of what was returned."""
    return [orjson.loads(line) for line in read_inbox(folder / "refused.jsonl")]


def acknowledged(gateway: FakeGateway) -> list[MessageId]:
    """Name what the gateway knows as acknowledged."""
    return [
        MessageId(each.hand_over["id"])
        for each in gateway.deliveries.values()
        if each.state == "acknowledged"
    ]


async def test_receive_stores_and_acknowledges_each_message(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """What was posted is in the inbox, proves itself, and the sender can know."""
    expected = deliver(gateway, 1, 2, 3)

    totals = await receive(desk, tmp_path)

    lines = list(read_inbox(tmp_path / "inbox.jsonl"))
    assert totals == Totals(stored=3)
    assert [line["id"] for line in stored(tmp_path)] == expected
    assert [verify_line(line, world.trust()).message.id for line in lines] == expected
    assert acknowledged(gateway) == expected
    assert gateway.last_event_ids == ["0"]


async def test_receive_shows_the_message_as_it_was_written(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A line is for people and programs as well as for courts."""
    deliver(gateway, 1)

    await receive(desk, tmp_path)

    (line,) = stored(tmp_path)
    assert line["message"] == world.document(1)
    assert line["received_at"] == "2026-11-23T12:00:00.000Z"
    assert line["origin"] == {"country": "MX", "agency": "fiscalia"}
    assert line["queue"] == "MX.GT.intelligence"


async def test_receive_takes_many_in_batches(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """One acknowledgement speaks for many."""
    count = 2 * BATCH + 5
    expected = deliver(gateway, *range(1, count + 1))

    totals = await receive(desk, tmp_path)

    requests = sum(path == ACKNOWLEDGEMENTS for _, path in gateway.requests)
    assert totals == Totals(stored=count)
    assert [line["id"] for line in stored(tmp_path)] == expected
    assert 3 <= requests < count / 2


async def test_receive_stores_a_message_once_when_it_is_handed_over_again(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A second hand-over is acknowledged again and stored once."""
    deliver(gateway, 1)
    await receive(desk, tmp_path)
    (delivery,) = gateway.deliveries.values()
    delivery.state = "dispatched"

    totals = await receive(desk, tmp_path)

    assert totals == Totals(repeated=1)
    assert len(stored(tmp_path)) == 1
    assert len(gateway.answers) == 2
    assert gateway.last_event_ids == ["0", "1"]


async def test_receive_stores_a_message_once_when_one_batch_brings_it_twice(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """Two hand-overs of one message may be on the wire at the same time."""
    deliver(gateway, 1)
    hand_over = HandOverParts(number=1).received()
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._take([hand_over, hand_over])

    assert len(stored(tmp_path)) == 1
    assert len(gateway.answers) == 1


async def test_receive_again_when_the_acknowledgement_was_lost(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A lost answer costs a repetition, and the gateway gives its first receipt again."""
    deliver(gateway, 1)
    gateway.faults[ACKNOWLEDGEMENTS] += [LOSE_ANSWER]

    totals = await receive(desk, tmp_path)

    assert totals == Totals(stored=1)
    assert len(gateway.answers) == 2


async def test_receive_goes_on_when_acknowledgements_cannot_be_sent(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """Stored messages wait for their next hand-over; new ones are taken meanwhile."""
    deliver(gateway, 1)
    gateway.faults[ACKNOWLEDGEMENTS] += [DROP] * 20

    with structlog.testing.capture_logs() as logs:
        totals = await receive(desk, tmp_path)
    gateway.faults[ACKNOWLEDGEMENTS].clear()
    again = await receive(desk, tmp_path)

    assert (totals, again) == (Totals(stored=1), Totals(repeated=1))
    assert "acknowledgement:postponed" in [each["event"] for each in logs]
    assert acknowledged(gateway) == [world.message_id(1)]


class CrashError(BaseException):
    """The process dies here."""


class CrashingInbox(Inbox):
    """Dies while it appends, before or after the lines are on the disk."""

    after = False

    def append(self, entries: Sequence[Entry]) -> None:
        """Die at the chosen moment."""
        if self.after:
            super().append(entries)
        raise CrashError


@pytest.mark.parametrize("after", [False, True], ids=["before the disk", "after the disk"])
async def test_receive_loses_nothing_when_it_dies_between_disk_and_acknowledgement(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, *, after: bool
) -> None:
    """Whatever was stored, the next process has it once, and the gateway knows."""
    expected = deliver(gateway, 1, 2)
    hand_overs = [HandOverParts(number=number).received() for number in (1, 2)]
    crashing = CrashingInbox(tmp_path / "inbox.jsonl")
    crashing.after = after
    with crashing, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=crashing, refused=refused, schemas=world.schemas())
        with pytest.raises(CrashError):
            await subscription._take(hand_overs)
    assert acknowledged(gateway) == []

    totals = await receive(desk, tmp_path)

    assert totals == (Totals(repeated=2) if after else Totals(stored=2))
    assert [line["id"] for line in stored(tmp_path)] == expected
    assert acknowledged(gateway) == expected


async def test_receive_stores_again_what_a_crash_tore(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A torn line was never acknowledged, so its message comes again."""
    expected = deliver(gateway, 1, 2)
    await receive(desk, tmp_path)
    for delivery in gateway.deliveries.values():
        delivery.state = "dispatched"
    inbox = tmp_path / "inbox.jsonl"
    os.truncate(inbox, inbox.stat().st_size - 10)

    totals = await receive(desk, tmp_path)

    assert totals == Totals(stored=1, repeated=1)
    assert [line["id"] for line in stored(tmp_path)] == expected


async def test_receive_acknowledges_nothing_when_the_disk_fails(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed fsync stops the subscription; the messages stay with the gateway."""
    deliver(gateway, 1)
    inbox = Inbox(tmp_path / "inbox.jsonl")
    with inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        real = os.fsync

        def fail(descriptor: int) -> None:
            monkeypatch.setattr(os, "fsync", real)
            raise OSError(errno.EIO, os.strerror(errno.EIO), descriptor)

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError):
            await subscription.run(idle=IDLE)

    assert gateway.answers == []
    assert stored(tmp_path) == []


REFUSED: dict[str, dict[str, Any]] = {
    "cannot-open": {"announced": {"content_hash": "A" * 43}},
    "signature-not-valid": {"signer": "MX-policia-1"},
    "receipt-not-valid": {"event": {"kind": EventKind.EXPIRED}},
    "content-not-valid": {"members": {"urgency": "soon"}},
}


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


async def test_open_leaves_a_message_unanswered_when_it_cannot_look_for_its_key(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A refusal is final; without a directory nothing is refused for its signature."""
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        await subscription._opener.refresh_directory()
        gateway.faults["/v1/directory"] += [DROP] * 20
        parts = HandOverParts(signer="MX-fiscalia-2")
        gateway.deliver(parts.to_json())
        await subscription._take([parts.received()])

    assert (stored(tmp_path), returned(tmp_path), gateway.answers) == ([], [], [])


async def test_open_uses_the_last_directory_when_the_gateway_gives_no_newer(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, clock: FakeClock
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
        gateway.faults["/v1/directory"] += [DROP] * 20
        await subscription._take([HandOverParts(number=2).received()])

    assert asked >= 2
    assert len(stored(tmp_path)) == 2


async def test_receive_stops_when_the_gateway_refuses_the_desk(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """An operator must act; waiting would hide it."""
    gateway.faults["/v1/stream"] += [Fault(status=403, code="scope-insufficient")]

    with pytest.raises(ProblemError):
        await receive(desk, tmp_path)


async def test_receive_stops_when_a_receipt_proves_nothing(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """A gateway that signs something else has been changed; the message is stored."""
    deliver(gateway, 1)
    (delivery,) = gateway.deliveries.values()
    delivery.receipt = delivery.hand_over["receipt"]
    delivery.state = "acknowledged"
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        with pytest.raises(EvidenceError):
            await subscription._take([HandOverParts().received()])

    assert len(stored(tmp_path)) == 1


async def test_receive_says_when_an_answer_settles_nothing(
    desk: EnlaceClient, tmp_path: Path
) -> None:
    """An operator can see what the gateway did not take."""
    with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
        subscription = Subscription(desk, inbox=inbox, refused=refused, schemas=world.schemas())
        with structlog.testing.capture_logs() as logs:
            await subscription._take([HandOverParts().received()])

    settled = [each for each in logs if each["event"] == "answer:not-settled"]
    assert [each["code"] for each in settled] == ["delivery-unknown"]


async def test_receive_goes_on_when_one_hand_over_cannot_be_read(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """What the protocol does not know is left to be dead-lettered; the others are stored."""
    broken = HandOverParts(number=1).to_json()
    del broken["receipt"]
    gateway.deliver(broken)
    expected = deliver(gateway, 2)

    with structlog.testing.capture_logs() as logs:
        await receive(desk, tmp_path)

    assert [line["id"] for line in stored(tmp_path)] == expected
    assert "hand-over:unreadable" in [each["event"] for each in logs]


async def test_receive_ends_when_it_is_cancelled(
    gateway: FakeGateway, clock: FakeClock, tmp_path: Path
) -> None:
    """A stopped desk gives its inbox free, and nothing hangs."""
    async with client_of(world.desk_profile(gateway.base_url), clock) as client:
        with Inbox(tmp_path / "inbox.jsonl") as inbox, Inbox(tmp_path / "refused.jsonl") as refused:
            subscription = Subscription(
                client, inbox=inbox, refused=refused, schemas=world.schemas()
            )
            running = asyncio.create_task(subscription.run())
            await gateway.streaming.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    with Inbox(tmp_path / "inbox.jsonl"):
        pass


async def test_log_no_content_when_messages_come_and_go(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    """Logs are for operators: no content, token or signature."""
    deliver(gateway, 1)
    deliver(gateway, 2, **REFUSED["content-not-valid"])
    gateway.faults[ACKNOWLEDGEMENTS] += [Fault(status=503)]

    with structlog.testing.capture_logs() as logs:
        await receive(desk, tmp_path)

    allowed = {"event", "log_level", "cause", "wait_s", "attempt", "last", "state", "reason"}
    assert logs
    assert set().union(*logs) <= allowed | {"step", "code", "count"}

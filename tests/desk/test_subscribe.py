"""Is every message in the inbox once, before it is acknowledged, whatever dies in between?"""

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from broker.desk.client import EnlaceClient
from broker.desk.failures import ProblemError, StoreError
from broker.desk.inbox import Inbox, read_inbox
from broker.desk.store import Entry
from broker.desk.stored import verify_line
from broker.desk.subscribe import BATCH, Subscription, Totals
from broker.errors import EvidenceError
from tests.desk import world
from tests.desk.conftest import client_of
from tests.desk.receiving import IDLE, REFUSED, acknowledged, deliver, receive, stored
from tests.desk.world import FakeClock, HandOverParts
from tests.fakes.gateway import DROP, LOSE_ANSWER, FakeGateway, Fault

ACKNOWLEDGEMENTS = "/v1/acknowledgements"
BUSY = Fault(status=503, code="ledger-unavailable")


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


@pytest.mark.parametrize("fault", [DROP, BUSY], ids=["dropped", "busy"])
async def test_receive_goes_on_when_acknowledgements_cannot_be_sent(
    desk: EnlaceClient, gateway: FakeGateway, tmp_path: Path, fault: Fault
) -> None:
    """Stored messages wait for their next hand-over; new ones are taken meanwhile."""
    deliver(gateway, 1)
    gateway.faults[ACKNOWLEDGEMENTS] += [fault] * 20

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

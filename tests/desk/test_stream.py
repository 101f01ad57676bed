"""Does a stream bring everything, however the network cuts it, and for ever?"""

from contextlib import aclosing
from datetime import timedelta

import pytest

from broker.desk.client import EnlaceClient
from broker.desk.connection import ClientSettings
from broker.desk.failures import AnswerError, ProblemError
from broker.desk.sse import MAX_EVENT_BYTES, EventReader, StreamEvent
from broker.desk.stream import StreamSettings
from broker.desk.wire import ReceivedHandOver
from broker.model.names import HandOverNumber, QueueName
from tests.desk import world
from tests.desk.conftest import client_of
from tests.desk.receiving import deliver
from tests.desk.world import FakeClock, HandOverParts
from tests.fakes.gateway import FakeGateway, Fault

STREAM = "/v1/stream"


def events(*parts: bytes) -> list[StreamEvent]:
    """Feed one reader."""
    reader = EventReader()
    return [event for part in parts for event in reader.feed(part)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_read_events_when_the_network_cuts_them_anywhere(size: int) -> None:
    """Where a packet ends means nothing."""
    text = b": hi\n\nevent: message\nid: 1\ndata: {}\n\nevent: bye\r\ndata: x\r\ndata:y\r\n\r\n"

    read = events(*(text[at : at + size] for at in range(0, len(text), size)))

    assert read == [
        StreamEvent(kind="message", data=b"{}"),
        StreamEvent(kind="bye", data=b"x\ny"),
    ]


def test_read_no_event_when_it_has_no_data() -> None:
    """A blank line after a comment, or after nothing, is no event."""
    assert events(b"\n\n: x\n\nretry: 5\n\nevent: message\n\n") == []


def test_read_a_farewell_when_it_has_no_data() -> None:
    """Goodbye is said by its name alone."""
    assert events(b"event: bye\n\n") == [StreamEvent(kind="bye", data=b"")]


@pytest.mark.parametrize("part", [b"x" * 4096, b"data: " + b"x" * 4096 + b"\n"])
def test_refuse_an_event_when_it_grows_without_end(part: bytes) -> None:
    """Memory is bounded, whatever the other side sends."""
    with pytest.raises(AnswerError):
        events(*[part] * (2 * MAX_EVENT_BYTES // len(part)))


async def taken(
    client: EnlaceClient, count: int, *, last: HandOverNumber | None = None
) -> list[ReceivedHandOver]:
    """Take so many hand-overs, then leave."""
    found: list[ReceivedHandOver] = []
    async with aclosing(client.stream(last_event_id=last)) as stream:
        async for hand_over in stream:
            found.append(hand_over)
            if len(found) == count:
                break
    return found


async def test_stream_brings_hand_overs_in_their_order(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """What waits comes at once."""
    expected = deliver(gateway, 1, 2, 3)

    hand_overs = await taken(desk, 3)

    assert [each.message_id for each in hand_overs] == expected
    assert [each.hand_over for each in hand_overs] == [1, 2, 3]


async def test_stream_resumes_where_it_was_when_the_connection_breaks(
    desk: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """The next connection names the last hand-over, and what is new comes."""
    deliver(gateway, 1)
    found: list[ReceivedHandOver] = []
    async with aclosing(desk.stream(last_event_id=HandOverNumber(0))) as stream:
        async for hand_over in stream:
            found.append(hand_over)
            if len(found) == 1:
                gateway.hang_up()
                continue
            break

    assert gateway.last_event_ids == ["0", "1"]
    assert [each.hand_over for each in found] == [1, 2]
    assert len(clock.slept) == 1


async def test_stream_comes_back_when_the_gateway_says_goodbye(
    desk: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """A gateway that drains is left, and not for good."""
    deliver(gateway, 1)
    found = 0
    async with aclosing(desk.stream()) as stream:
        async for _ in stream:
            found += 1
            if found == 2:
                break
            gateway.say_bye()

    assert gateway.last_event_ids == [None, "1"]
    assert clock.slept == [0.5]


async def test_stream_waits_longer_each_time_when_it_is_refused_for_now(
    desk: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """Busy gateways and broken connections are waited out, without a deadline."""
    busy = Fault(status=503, headers={"Retry-After": "3"})
    proxy = Fault(status=502)
    gateway.faults[STREAM] += [proxy, busy, *[proxy] * 8]
    deliver(gateway, 1)

    await taken(desk, 1)

    assert clock.slept == [0.5, 3.5, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


async def test_stream_starts_over_with_short_waits_when_it_has_worked(
    desk: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """Yesterday's failures do not slow today's."""
    gateway.faults[STREAM] += [Fault(status=502)] * 2
    deliver(gateway, 1)
    found = 0
    async with aclosing(desk.stream()) as stream:
        async for _ in stream:
            found += 1
            if found == 2:
                break
            gateway.hang_up()

    assert clock.slept == [0.5, 1.0, 0.5]


async def test_stream_is_made_again_when_the_gateway_itself_has_failed(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """A fault of one gateway ends no desk's standing order."""
    gateway.faults[STREAM] += [Fault(status=500, code="internal-error")]
    deliver(gateway, 1)

    assert len(await taken(desk, 1)) == 1


async def test_stream_raises_when_it_is_refused_for_good(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """A queue that is not this desk's does not become so by waiting."""
    gateway.faults[STREAM] += [Fault(status=404, code="not-found")]

    with pytest.raises(ProblemError) as refused:
        await taken(desk, 1)

    assert refused.value.status == 404


async def test_stream_raises_when_it_is_no_stream(desk: EnlaceClient, gateway: FakeGateway) -> None:
    """A proxy's page is told apart."""
    gateway.faults[STREAM] += [Fault(status=200, raw=b"hello")]

    with pytest.raises(AnswerError):
        await taken(desk, 1)


@pytest.mark.parametrize("number", [-5, 0, 10**15, 2**64 - 1])
async def test_stream_passes_over_a_number_that_no_gateway_takes_back(
    desk: EnlaceClient, gateway: FakeGateway, number: int
) -> None:
    """Asked for as the last, it would be refused, and the stream never made again."""
    gateway.numbers = iter([number, 7])
    deliver(gateway, 1, 2)

    (found,) = await taken(desk, 1)

    assert (found.message_id, found.hand_over) == (world.message_id(2), 7)


async def test_stream_asks_for_the_named_queues(desk: EnlaceClient, gateway: FakeGateway) -> None:
    """A desk may read some of its queues only."""
    deliver(gateway, 1)
    queues = [QueueName("MX.GT.intelligence"), QueueName("HN.GT.intelligence")]

    async with aclosing(desk.stream(queues)) as stream:
        async for _ in stream:
            break

    assert gateway.queries[-1] == "queue=MX.GT.intelligence&queue=HN.GT.intelligence"


async def test_stream_is_made_again_when_nothing_comes(
    gateway: FakeGateway, clock: FakeClock
) -> None:
    """A connection without a heartbeat is dead, whatever TCP believes."""
    settings = ClientSettings(stream=StreamSettings(silence=timedelta(milliseconds=50)))
    deliver(gateway, 1)
    async with client_of(world.desk_profile(gateway.base_url), clock, settings) as client:
        await taken(client, 2)

    assert len(gateway.last_event_ids) == 2


async def test_stream_stays_when_heartbeats_come(gateway: FakeGateway, clock: FakeClock) -> None:
    """A quiet day is no failure."""
    gateway.heartbeat = 0.02
    settings = ClientSettings(stream=StreamSettings(silence=timedelta(milliseconds=300)))
    profile = world.desk_profile(gateway.base_url)
    async with client_of(profile, clock, settings) as client, aclosing(client.stream()) as stream:
        gateway.deliver_after(0.6, HandOverParts().to_json())
        async for _ in stream:
            break

    assert len(gateway.last_event_ids) == 1

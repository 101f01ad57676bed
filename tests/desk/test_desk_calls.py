"""Does a desk learn what waits, and is each answer of it settled by a receipt?"""

import pytest

from broker.desk.client import EnlaceClient
from broker.desk.desk_calls import Refusal
from broker.desk.failures import AnswerError
from broker.desk.wire import NotSettled, Settled
from broker.errors import ConfigurationError, EvidenceError
from broker.model.events import DeliveryState, Event, EventKind, RefusalReason
from broker.model.names import DeskRef, LogPosition, QueueName
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country
from tests.desk import world
from tests.desk.world import HandOverParts
from tests.fakes.gateway import FakeGateway, Fault

OTHER = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
QUEUE = QueueName("MX.GT.intelligence")


async def test_queues_tell_what_waits(desk: EnlaceClient, gateway: FakeGateway) -> None:
    """A desk sees its queues."""
    gateway.deliver(HandOverParts().to_json())

    (queue,) = await desk.queues()

    assert (queue.queue, queue.waiting, queue.leased) == (QUEUE, 1, 0)


async def test_poll_brings_what_waits(desk: EnlaceClient, gateway: FakeGateway) -> None:
    """A desk may poll instead of streaming."""
    for number in (1, 2, 3):
        gateway.deliver(HandOverParts(number=number).to_json())

    hand_overs = await desk.poll(QUEUE, limit=2)

    assert [each.message_id for each in hand_overs] == [world.message_id(n) for n in (1, 2)]


async def test_answer_settles_what_was_handed_over(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """Both answers come back with a verified receipt, unknown ones with a code."""
    parts = [HandOverParts(number=number) for number in (1, 2)]
    for each in parts:
        gateway.deliver(each.to_json())
    first, second = (each.received().ref for each in parts)
    unknown = world.hand_over(3).ref

    settled, missing = await desk.acknowledge([first, unknown])
    (refused,) = await desk.refuse([Refusal(ref=second, reason=RefusalReason.NOT_COMPETENT)])

    assert isinstance(settled, Settled)
    assert settled.state is DeliveryState.ACKNOWLEDGED
    assert missing == NotSettled(code="delivery-unknown")
    assert isinstance(refused, Settled)
    assert refused.state is DeliveryState.REFUSED
    assert [each.reason for each in gateway.answers] == [None, None, "not-competent"]


async def test_answer_raises_when_the_receipt_is_another_s(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """The gateway must prove that it recorded this answer."""
    parts = HandOverParts()
    gateway.deliver(parts.to_json())
    ref = parts.received().ref
    await desk.acknowledge([ref])
    delivery = gateway.deliveries[ref.message_id, ref.content_hash]
    delivery.receipt = parts.received().receipt

    with pytest.raises(EvidenceError):
        await desk.acknowledge([ref])


async def test_answer_raises_when_the_receipt_names_another_desk(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """That a colleague has it proves nothing of this desk."""
    parts = HandOverParts()
    gateway.deliver(parts.to_json())
    ref = parts.received().ref
    delivery = gateway.deliveries[ref.message_id, ref.content_hash]
    delivery.state = "acknowledged"
    delivery.receipt = gateway.receipts(
        Event(
            kind=EventKind.ACKNOWLEDGED,
            at=world.NOW,
            message_id=ref.message_id,
            sender=world.FISCALIA,
            content_hash=ref.content_hash,
            recipients={OTHER: KeyId("HN-int-enc-1")},
        ),
        LogPosition(1),
    )

    with pytest.raises(EvidenceError):
        await desk.acknowledge([ref])


async def test_answer_asks_nothing_when_there_is_nothing_to_answer(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """An empty batch is no request."""
    assert await desk.acknowledge([]) == ()
    assert gateway.requests == []


async def test_answer_refuses_more_than_the_protocol_allows(desk: EnlaceClient) -> None:
    """A hundred at once."""
    with pytest.raises(ValueError, match="100"):
        await desk.acknowledge([world.hand_over().ref] * 101)


async def test_answer_raises_when_results_are_missing(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """Which result belongs to which answer is told by their order alone."""
    gateway.faults["/v1/acknowledgements"] += [Fault(status=200, members={"results": []})]

    with pytest.raises(AnswerError):
        await desk.acknowledge([world.hand_over().ref])


async def test_answer_refuses_when_the_profile_is_an_agency_s(agency: EnlaceClient) -> None:
    """Only a desk receives."""
    with pytest.raises(ConfigurationError):
        await agency.acknowledge([world.hand_over().ref])

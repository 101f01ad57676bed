"""Delivery when things go wrong: leases end, desks refuse, time runs out, gateways share."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker import hand_over
from broker.desk.desk_calls import Refusal
from broker.desk.wire import NotSettled, ReceivedHandOver, Settled
from broker.evidence.receipts import verify_receipt
from broker.hand_over import HandOvers
from broker.model.answers import DeskAnswer
from broker.model.events import DeliveryState, EventKind, RefusalReason
from broker.model.names import HandOverNumber, MessageId, QueueName
from broker.model.status import RecipientStatus
from broker.ports.deliveries import Answered
from broker.sandbox.ports import free_ports
from broker.sweep import Sweep
from broker.wiring.clock import utc_now
from broker.wiring.run import running_gateway
from keys.custody.envelope import INTERACTIVE_DEMO
from tests.flow.conftest import FISCALIA, GT_DESK, Running, as_bytes, message, running
from tests.flow.load_balancer import load_balancer

QUEUE = QueueName("MX.GT.intelligence")
SOON = timedelta(seconds=5)


async def state(exchange: Running, message_id: str) -> RecipientStatus:
    """What the sender sees of its one recipient."""
    client = await exchange.client(FISCALIA)
    return (await client.status(MessageId(message_id))).recipients[0]


async def poll(exchange: Running, *, wait: timedelta = SOON) -> tuple[ReceivedHandOver, ...]:
    """One long poll of Guatemala's desk."""
    return await (await exchange.client(GT_DESK)).poll(QUEUE, wait=wait)


async def test_poll_hands_over_once_while_the_lease_runs(any_exchange: Running) -> None:
    """A second poll does not bring what the first one took."""
    await any_exchange.post(message())

    first = await poll(any_exchange)
    second = await poll(any_exchange, wait=timedelta(seconds=1))

    assert (len(first), len(second)) == (1, 0)
    assert first[0].attempt == 1


async def test_poll_hands_over_what_waits_when_it_is_the_first_and_does_not_wait(
    any_exchange: Running,
) -> None:
    """With ``wait`` 0, as by default: who just came gets what is there, over RabbitMQ as well."""
    posted = message()
    await any_exchange.post(posted)
    async with asyncio.timeout(SOON.total_seconds()):
        is_out = DeliveryState.DISPATCHED
        while (await state(any_exchange, posted["id"])).state is not is_out:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    assert len(await poll(any_exchange, wait=timedelta(0))) == 1


@pytest.mark.parametrize(
    "transport", ["local", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
async def test_poll_hands_over_again_when_the_lease_has_ended(
    transport: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A desk that does not answer gets the message again, as the second attempt."""
    url = request.getfixturevalue("amqp_url") if transport == "rabbitmq" else None
    async with running(tmp_path / "exchange", lease_seconds=1, amqp_url=url) as exchange:
        await exchange.post(message())
        first = await poll(exchange)

        second = await poll(exchange)

        assert [one.attempt for one in (*first, *second)] == [1, 2]
        assert second[0].hand_over > first[0].hand_over


async def test_deliver_gives_up_a_poison_message_and_an_operator_revives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After too many hand-overs it is a dead letter, seen by the sender; requeueing delivers it."""
    monkeypatch.setattr(hand_over, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(hand_over, "POISON_AGE", timedelta(seconds=2))
    async with running(tmp_path / "exchange", lease_seconds=1) as exchange:
        message_id = await exchange.post(message())
        for _ in range(3):
            await poll(exchange, wait=timedelta(seconds=2))
        dead = await state(exchange, message_id)

        await exchange.gateway.deliveries.requeue(
            QUEUE,
            dead_letters_only=True,
            now=utc_now(),
            sign=exchange.gateway.hand_overs.sign_receipt,
        )
        received = await exchange.receive(GT_DESK)

        assert dead.state is DeliveryState.DEAD_LETTERED
        assert [line["id"] for line in received] == [message_id]
        assert (await state(exchange, message_id)).state is DeliveryState.ACKNOWLEDGED


async def test_refuse_returns_the_message_with_a_signed_reason(exchange: Running) -> None:
    """The sender sees who returned it, why, and both signatures."""
    message_id = await exchange.post(message())
    (handed,) = await poll(exchange)
    desk = await exchange.client(GT_DESK)

    await desk.refuse([Refusal(ref=handed.ref, reason=RefusalReason.NOT_COMPETENT)])

    seen = await state(exchange, message_id)
    assert (seen.state, seen.reason) == (DeliveryState.REFUSED, RefusalReason.NOT_COMPETENT)
    assert seen.receipt is not None
    keys = exchange.receipt_keys
    assert verify_receipt(seen.receipt, find_key=keys.get).event is EventKind.REFUSED
    assert await poll(exchange, wait=timedelta(seconds=1)) == ()


async def test_acknowledge_many_share_transactions_and_keep_their_order(
    exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty messages cost a few commits; each entry is answered in its place, the bad one too."""
    ids = [await exchange.post(message()) for _ in range(40)]
    handed = {one.ref.message_id: one for _ in range(2) for one in await poll(exchange)}
    refs = [handed[MessageId(message_id)].ref for message_id in ids]
    unknown = replace(refs[0], content_hash=refs[1].content_hash)
    asked = [*refs[:20], unknown, *refs[20:]]
    under_way, most = 0, 0
    answer = HandOvers.answer

    async def counting(self: HandOvers, word: DeskAnswer) -> Answered:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await answer(self, word)
        finally:
            under_way -= 1

    monkeypatch.setattr(HandOvers, "answer", counting)
    answers = await (await exchange.client(GT_DESK)).acknowledge(asked)

    assert [isinstance(one, NotSettled) for one in answers] == [ref is unknown for ref in asked]
    assert [one.message_id for one in answers if isinstance(one, Settled)] == ids
    assert 20 <= most <= 32


async def test_stream_resumes_with_what_was_on_the_wire(any_exchange: Running) -> None:
    """What came after the last number that reached the desk comes again at once."""
    ids = [await any_exchange.post(message()) for _ in range(3)]
    desk = await any_exchange.client(GT_DESK)
    first = [one async for one in take(desk.stream(), 3)]

    again = [one async for one in take(desk.stream(last_event_id=first[0].hand_over), 2)]

    assert [one.message_id for one in first] == ids
    assert {one.message_id for one in again} == set(ids[1:])
    assert [one.attempt for one in again] == [2, 2]


async def take(
    stream: AsyncGenerator[ReceivedHandOver], number: int
) -> AsyncIterator[ReceivedHandOver]:
    """Yield so many of a stream, then close it."""
    count = 0
    async with asyncio.timeout(20):
        async for one in stream:
            yield one
            count += 1
            if count == number:
                break
    await stream.aclose()


async def test_expire_tells_the_sender_when_nobody_read_it(exchange: Running) -> None:
    """A message that runs out unread is never lost silently: the sender gets a receipt for it."""
    ends = datetime.now(UTC) + timedelta(seconds=2)
    document = message(
        expires=ends.isoformat(), review_by=(ends - timedelta(seconds=1)).isoformat()
    )
    message_id = await exchange.post(document)
    await asyncio.sleep(2.2)
    gateway = exchange.gateway

    ended = await Sweep(
        ledger=gateway.deliveries,
        transport=gateway.hand_overs.transport,
        clock=utc_now,
        sign_receipt=gateway.hand_overs.sign_receipt,
    ).expire()

    seen = await state(exchange, message_id)
    assert ended == 1
    assert seen.state is DeliveryState.EXPIRED
    assert seen.receipt is not None
    assert await poll(exchange, wait=timedelta(seconds=1)) == ()


@asynccontextmanager
async def two_gateways(folder: Path, amqp_url: str | None) -> AsyncIterator[Running]:
    """One exchange, two gateways behind one name; connections go to them in turn."""
    front, *ports = free_ports(5)
    one, one_management, two, two_management = (f"127.0.0.1:{port}" for port in ports)
    async with running(
        folder,
        amqp_url=amqp_url,
        base_url=f"https://localhost:{front}",
        listen=one,
        management_listen=one_management,
    ) as exchange:
        settings = exchange.world.settings.model_copy(
            update={"listen": two, "management_listen": two_management}
        )
        async with (
            running_gateway(settings, minimum=INTERACTIVE_DEMO),
            load_balancer(f"127.0.0.1:{front}", one, two),
            exchange.stack,
        ):
            yield exchange


@pytest.fixture(params=["local", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def pair_of_gateways(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Running]:
    """Two gateways on one ledger, on each transport in turn."""
    url = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None
    async with two_gateways(tmp_path / "exchange", url) as exchange:
        yield exchange


async def test_answer_reaches_the_holder_through_another_gateway(
    pair_of_gateways: Running,
) -> None:
    """One gateway hands over, another takes the answer; the holder lets the transport forget."""
    exchange = pair_of_gateways
    message_id = await exchange.post(message())
    async with exchange.world.client(GT_DESK) as first, exchange.world.client(GT_DESK) as second:
        await first.queues()
        await second.queues()
        (handed,) = await first.poll(QUEUE, wait=SOON)

        await second.acknowledge([handed.ref])
        await asyncio.sleep(1.5)

        assert await first.poll(QUEUE, wait=timedelta(seconds=1)) == ()
        assert await second.poll(QUEUE, wait=timedelta(seconds=1)) == ()
    assert (await state(exchange, message_id)).state is DeliveryState.ACKNOWLEDGED


async def test_post_gets_one_answer_when_two_gateways_take_it_at_once(
    pair_of_gateways: Running,
) -> None:
    """The same bytes at two gateways at the same time are one message with one receipt."""
    world = pair_of_gateways.world
    body = as_bytes(message())
    async with world.client(FISCALIA) as one, world.client(FISCALIA) as two:
        answers = await asyncio.gather(*(client.send(body) for client in (one, two) * 4))

    assert len({answer.receipt for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(await pair_of_gateways.receive(GT_DESK)) == 1


async def test_release_ends_only_the_clients_own_leases(exchange: Running) -> None:
    """Another client's ``Last-Event-ID`` takes nothing from this one."""
    await exchange.post(message())
    await poll(exchange)

    released = await exchange.gateway.deliveries.release(
        queues=[QUEUE], holder="hn-desk-intelligence", after=HandOverNumber(0), now=utc_now()
    )

    assert list(released) == []

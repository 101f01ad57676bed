"""A message to a channel, from the sender to each member's desk; and to nobody else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker import hand_over
from broker.desk.agency_calls import Accepted
from broker.desk.client import EnlaceClient
from broker.desk.failures import ProblemError
from broker.desk.held_keys import HeldKeys
from broker.desk.inbox import Inbox
from broker.desk.rewrap import Rewrapper
from broker.desk.subscribe import Subscription
from broker.evidence.receipts import verify_receipt
from broker.model.events import DeliveryState
from broker.model.message import Acceptance
from broker.model.names import AgencyRef, DeskRef, QueueName
from broker.ports.receipts import SignReceipt
from broker.sandbox.kits import STATED
from broker.sealing.wire import parse
from broker.storage.ledger import open_ledger
from broker.wiring.clock import utc_now
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse
from schemas.examples import accepted as accepted_examples
from schemas.loader import SchemaSet
from tests.flow.channel_world import (
    CARE,
    GT,
    GT_PROTECTION,
    HN,
    HN_MP,
    HN_PROTECTION,
    MEMBERS,
    MP,
    MX,
    PGN,
    QUIET,
    SV,
    SV_DESK,
    TRIO,
    act,
    charter,
    recharter,
    to,
    with_channels,
)
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    HN_DESK,
    MX_DESK,
    Document,
    Running,
    as_bytes,
    message,
    new_id,
)

SOON = timedelta(seconds=5)
PATIENCE = timedelta(seconds=15)


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange with channels on SQLite and the local transport."""
    async with with_channels(tmp_path / "exchange") as one:
        yield one


@pytest.fixture(params=["local", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def any_exchange(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange with channels on each transport in turn."""
    url = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None
    async with with_channels(tmp_path / "exchange", amqp_url=url) as one:
        yield one


async def send(exchange: Running, sender: AgencyRef = FISCALIA, **changes: object) -> Accepted:
    """Send a message to the trio, or to where the changes say."""
    document = of(sender, **changes)
    return await (await exchange.client(sender)).send(as_bytes(document))


def of(sender: AgencyRef = FISCALIA, **changes: object) -> Document:
    """A message of this agency to the trio, or to where the changes say."""
    origin = {"country": sender.country.value, "agency": sender.agency}
    return message(**{"from": origin, "to": to(), **changes})


async def refused(exchange: Running, sender: AgencyRef = FISCALIA, **changes: object) -> str:
    """Send what must be refused; return the code."""
    with pytest.raises(ProblemError) as caught:
        await send(exchange, sender, **changes)
    return caught.value.code


def key_of(exchange: Running, desk: DeskRef) -> KeyId:
    """The key that messages for this desk are sealed to."""
    decryption = exchange.world.holdings[desk].decryption
    assert decryption is not None
    return decryption.kid


def information_request(sender: AgencyRef, **changes: object) -> Document:
    """A request, which the charters here do not allow."""
    return another("information-request", sender, **changes)


def vulnerability_report() -> Document:
    """A report of a lost boat, to the channel for protection."""
    return another("vulnerability-report", PGN, to=to(CARE))


def another(kind: str, sender: AgencyRef, **changes: object) -> Document:
    """A message of another kind, with the envelope of ours."""
    example = next(iter(accepted_examples(kind))).message
    moment = ("id", "created", "expires", "review_by", "from")
    envelope = {name: value for name, value in of(sender).items() if name in moment}
    example.pop("reply_by", None)
    return {**example, **envelope, **changes}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while not await holds():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.05)


def ids(received: list[Document]) -> list[str]:
    """Which messages lie in an inbox, in its order."""
    return [each["id"] for each in received]


async def test_send_reaches_every_member_and_not_the_sender(any_exchange: Running) -> None:
    """Sealed once, with one wrap and one queue for each member; each opens and acknowledges it."""
    accepted = await send(any_exchange)

    assert {str(each.desk): each.rule for each in accepted.recipients} == {
        "GT.intelligence": "channel-member",
        "HN.intelligence": "channel-member",
    }
    assert ids(await any_exchange.receive(GT_DESK)) == [accepted.id]
    assert ids(await any_exchange.receive(HN_DESK)) == [accepted.id]
    assert ids(await any_exchange.receive(MX_DESK, idle=1)) == []
    client = await any_exchange.client(FISCALIA)
    status = await client.status(accepted.id)
    assert {each.state for each in status.recipients} == {DeliveryState.ACKNOWLEDGED}
    content = verify_receipt(accepted.receipt, find_key=any_exchange.receipt_keys.get)
    assert set(content.rules.values()) == {"channel-member"}


async def test_send_brings_a_copy_to_the_sender_when_it_asks(exchange: Running) -> None:
    """The own country is a recipient like the others then, and never otherwise."""
    with_copy = await send(exchange, to=to(own_copy=True))
    without = await send(exchange)

    assert {each.desk.country for each in with_copy.recipients} == {MX, GT, HN}
    assert {each.desk.country for each in without.recipients} == {GT, HN}
    assert ids(await exchange.receive(MX_DESK)) == [with_copy.id]


async def test_send_seals_once_with_one_wrap_for_each_member(exchange: Running) -> None:
    """One ciphertext, one hash; the keys named are those of the members' desks."""
    await send(exchange)

    handed = [
        (await (await exchange.client(desk)).poll(QueueName(f"{TRIO}.{desk.country}"), wait=SOON))
        for desk in (GT_DESK, HN_DESK)
    ]

    forms = [parse(one.sealed) for (one,) in handed]
    assert len({form.ciphertext for form in forms}) == len({form.aad for form in forms}) == 1
    assert {entry.kid for entry in forms[0].recipients} == {
        key_of(exchange, GT_DESK),
        key_of(exchange, HN_DESK),
    }
    assert forms[0].recipients == forms[1].recipients


async def test_hand_over_shows_only_the_desk_itself_when_the_charter_hides_the_others(
    exchange: Running,
) -> None:
    """Its own entry and a receipt that names it; the sender sees all, with every rule (SG-12)."""
    accepted = await send(exchange, to=to(QUIET))
    sender = verify_receipt(accepted.receipt, find_key=exchange.receipt_keys.get)

    for desk in (GT_DESK, HN_DESK):
        client = await exchange.client(desk)
        (one,) = await client.poll(QueueName(f"{QUIET}.{desk.country}"), wait=SOON)
        shown = verify_receipt(one.receipt, find_key=exchange.receipt_keys.get)
        assert [entry.kid for entry in parse(one.sealed).recipients] == [key_of(exchange, desk)]
        assert (shown.recipients, shown.rules) == (
            {desk: key_of(exchange, desk)},
            {desk: "channel-member"},
        )
        assert replace(shown, recipients=sender.recipients, rules=sender.rules) == sender
    assert sender.recipients.keys() == {GT_DESK, HN_DESK}
    status = await (await exchange.client(FISCALIA)).status(accepted.id)
    assert {each.desk for each in status.recipients} == {GT_DESK, HN_DESK}


async def test_receive_opens_a_message_whose_other_recipients_are_hidden(
    any_exchange: Running,
) -> None:
    """What is shown of it is enough to prove and to open it, and to prove it again later."""
    accepted = await send(any_exchange, to=to(QUIET))

    for desk in (GT_DESK, HN_DESK):
        received = await any_exchange.receive(desk)
        assert ids(received) == [accepted.id]
        other = HN_DESK if desk is GT_DESK else GT_DESK
        assert key_of(any_exchange, other) not in json.dumps(received)


async def test_send_refuses_who_does_not_take_part_like_an_unknown_channel(
    exchange: Running,
) -> None:
    """An agency that is no member's learns nothing, not even that there is such a channel."""
    answers = []
    other = AgencyRef(country=MX, agency="uif")
    for sender, channel in ((other, TRIO), (FISCALIA, "no-such-one"), (FISCALIA, CARE)):
        with pytest.raises(ProblemError) as caught:
            await send(exchange, sender, to={"channel": channel})
        answers.append((caught.value.code, caught.value.detail, str(caught.value.errors)))

    assert answers[0][0] == "recipient-unknown"
    assert answers == answers[:1] * 3


async def test_send_refuses_what_the_charter_leaves_out(exchange: Running) -> None:
    """Kinds and handling codes are the charter's; nothing of it is sealed."""
    strict = {"code": "H3", "conditions": "Not for further use."}
    assert await refused(exchange, handling=strict) == "charter-denied"
    request = information_request(FISCALIA, to=to())

    with pytest.raises(ProblemError) as caught:
        await (await exchange.client(FISCALIA)).send(as_bytes(request))

    assert caught.value.code == "charter-denied"


@pytest.mark.parametrize("kind", [ActKind.SUSPEND_CHANNEL, ActKind.CLOSE_CHANNEL])
async def test_send_refuses_a_channel_that_was_stopped(exchange: Running, kind: ActKind) -> None:
    """Nothing new is taken; what was accepted before is still delivered."""
    before = await send(exchange)

    await act(exchange, kind, GT)

    assert await refused(exchange) == "channel-inactive"
    assert ids(await exchange.receive(GT_DESK)) == [before.id]


async def test_send_refuses_a_channel_whose_review_is_past(tmp_path: Path) -> None:
    """A charter ends by itself, with nobody doing anything."""
    review = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    async with with_channels(tmp_path / "exchange", charter(review=review)) as exchange:
        before = await send(exchange)
        await asyncio.sleep(max((review - datetime.now(UTC)).total_seconds() + 0.1, 0))

        assert await refused(exchange) == "channel-inactive"
        assert ids(await exchange.receive(GT_DESK)) == [before.id]


async def test_send_leaves_out_a_member_that_has_left(exchange: Running) -> None:
    """It reads nothing accepted after; what was accepted before is still delivered to it."""
    before = await send(exchange)

    await act(exchange, ActKind.LEAVE_CHANNEL, HN)
    after = await send(exchange)

    assert {each.desk.country for each in after.recipients} == {GT}
    assert await refused(exchange, HN_MP) == "recipient-unknown"
    assert ids(await exchange.receive(GT_DESK)) == [before.id, after.id]
    assert ids(await exchange.receive(HN_DESK)) == [before.id]


async def test_send_answers_as_at_first_when_a_member_has_left_since(exchange: Running) -> None:
    """Whoever posts again is told who received it, and not who would now."""
    document = as_bytes(of())
    sender = await exchange.client(FISCALIA)
    first = await sender.send(document)

    await act(exchange, ActKind.LEAVE_CHANNEL, HN)
    again = await sender.send(document)
    await act(exchange, ActKind.CLOSE_CHANNEL, MX)
    last = await sender.send(document)

    assert (again.replayed, last.replayed) == (True, True)
    assert first.recipients == again.recipients == last.recipients
    assert first.receipt == again.receipt == last.receipt


async def test_send_gives_no_key_to_a_member_that_leaves_before_the_record(
    exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sealed for the member already; the record is refused, and all is done anew."""
    kit = exchange.world.kits[HN]
    ledger = exchange.gateway.exchange.ledger
    record, tries = ledger.record, []

    async def leave_first(acceptance: Acceptance, *, sign: SignReceipt) -> object:
        tries.append({route.desk.country for route in acceptance.routes})
        if len(tries) == 1:
            left = kit.alone(ActKind.LEAVE_CHANNEL, at=datetime.now(UTC), channel=TRIO)
            async with open_ledger(exchange.world.settings.database_url) as other:
                await other.directory.add_statements([left], at=datetime.now(UTC))
        return await record(acceptance, sign=sign)

    monkeypatch.setattr(ledger, "record", leave_first)
    accepted = await send(exchange)

    assert tries == [{GT, HN}, {GT}]
    assert {each.desk.country for each in accepted.recipients} == {GT}
    (line,) = await exchange.receive(GT_DESK)
    assert key_of(exchange, HN_DESK) not in json.dumps(line)
    assert ids(await exchange.receive(HN_DESK, idle=1)) == []


async def test_receive_brings_a_late_member_nothing_from_before(exchange: Running) -> None:
    """It reads on from when it joined; the originator may send the same content anew."""
    early = of()
    first = await (await exchange.client(FISCALIA)).send(as_bytes(early))

    await recharter(exchange, charter(version=2, members={**MEMBERS, SV: ("pnc",)}))
    assert ids(await exchange.receive(SV_DESK, idle=1)) == []
    shared = await (await exchange.client(FISCALIA)).send(as_bytes({**early, "id": new_id()}))

    assert {each.desk.country for each in first.recipients} == {GT, HN}
    assert {each.desk.country for each in shared.recipients} == {GT, HN, SV}
    assert ids(await exchange.receive(SV_DESK)) == [shared.id]
    assert ids(await exchange.receive(GT_DESK)) == [first.id, shared.id]


async def test_stream_ends_when_the_desk_joins_a_channel(any_exchange: Running) -> None:
    """A desk that takes all its queues takes the new one without being told to."""
    folder = any_exchange.world.folder_of(SV_DESK)
    client = await any_exchange.client(SV_DESK)
    with Inbox(folder / "inbox.jsonl") as inbox, Inbox(folder / "refused.jsonl") as refused:
        desk = Subscription(client, inbox=inbox, refused=refused, schemas=SchemaSet.load())
        running = asyncio.create_task(desk.run())

        async def is_streaming() -> bool:
            registry = any_exchange.gateway.metrics.registry
            return registry.get_sample_value("enlace_open_streams") == 1

        async def has_stored() -> bool:
            return desk.totals.stored == 1

        await until(is_streaming)
        await recharter(any_exchange, charter(version=2, members={**MEMBERS, SV: ("pnc",)}))
        accepted = await send(any_exchange)
        await until(has_stored)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    assert accepted.id in (folder / "inbox.jsonl").read_text()


async def test_poll_finds_no_queue_of_a_channel_that_the_desk_is_not_in(exchange: Running) -> None:
    """Like a queue that does not exist; and of one's own channels only the own queue."""
    for desk, queue in (
        (SV_DESK, f"{TRIO}.SV"),
        (SV_DESK, f"{TRIO}.GT"),
        (GT_DESK, f"{TRIO}.HN"),
        (GT_PROTECTION, f"{TRIO}.GT"),
        (GT_DESK, f"{CARE}.GT"),
    ):
        client = await exchange.client(desk)
        with pytest.raises(ProblemError) as caught:
            await client.poll(QueueName(queue), wait=timedelta())
        assert caught.value.code == "not-found"


async def test_stream_brings_one_channel_when_it_is_asked_for_alone(exchange: Running) -> None:
    """As ``enlace subscribe --queue trio.GT`` does: other queues stay as they are."""
    paired = await send(exchange, to={"countries": ["GT"], "compartment": "intelligence"})
    accepted = await send(exchange)
    client = await exchange.client(GT_DESK)

    async with aclosing(client.stream([QueueName(f"{TRIO}.GT")])) as stream:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            handed = await anext(stream)

    assert (handed.queue, handed.message_id) == (f"{TRIO}.GT", accepted.id)
    (other,) = await client.poll(QueueName("MX.GT.intelligence"), wait=SOON)
    assert other.message_id == paired.id


async def test_queues_lists_a_desks_channels_with_what_waits(exchange: Running) -> None:
    """Beside the pairs, by name; zeros included."""
    await send(exchange)
    client = await exchange.client(GT_DESK)

    async def waiting() -> dict[str, int]:
        return {each.queue: each.waiting for each in await client.queues()}

    async def is_there() -> bool:
        return (await waiting())[f"{TRIO}.GT"] == 1

    await until(is_there)
    assert (await waiting())[f"{QUIET}.GT"] == 0
    assert f"{CARE}.GT" not in await waiting()


async def test_reply_stays_in_its_channel(exchange: Running) -> None:
    """In the channel it arrives; to who asked alone, or of a pair into it, it is refused."""
    asked = await send(exchange)
    paired = await send(exchange, to={"countries": ["GT"], "compartment": "intelligence"})
    to_mexico = {"countries": ["MX"], "compartment": "intelligence"}

    answered = await send(exchange, MP, in_reply_to=asked.id)
    back = await send(exchange, MP, to=to_mexico, in_reply_to=paired.id)

    assert {each.desk.country for each in answered.recipients} == {MX, HN}
    assert {each.desk.country for each in back.recipients} == {MX}
    assert await refused(exchange, MP, to=to_mexico, in_reply_to=asked.id) == "thread-elsewhere"
    assert await refused(exchange, MP, in_reply_to=paired.id) == "thread-elsewhere"
    assert await refused(exchange, MP, to=to(QUIET), in_reply_to=asked.id) == "thread-elsewhere"
    honduras = {"countries": ["HN"], "compartment": "intelligence"}
    assert await refused(exchange, MP, to=honduras, in_reply_to=paired.id) == "thread-elsewhere"


async def test_reply_to_what_others_said_is_like_one_to_nothing(exchange: Running) -> None:
    """Nobody learns by trying ids which messages there are; and a late member has seen none."""
    private = await send(exchange, to={"countries": ["GT"], "compartment": "intelligence"})
    answers = []
    for named in (private.id, new_id()):
        with pytest.raises(ProblemError) as caught:
            await send(exchange, HN_MP, in_reply_to=named)
        answers.append((caught.value.code, caught.value.detail, str(caught.value.errors)))

    assert answers[0][0] == "reference-unknown"
    assert answers[0] == answers[1]


async def test_protection_goes_over_a_protection_channel_to_its_desks_only(
    exchange: Running,
) -> None:
    """Each compartment of a country has its own desk, keys and queues, in a channel as well."""
    accepted = await (await exchange.client(PGN)).send(as_bytes(vulnerability_report()))

    assert {each.desk for each in accepted.recipients} == {HN_PROTECTION}
    assert ids(await exchange.receive(HN_PROTECTION)) == [accepted.id]
    assert ids(await exchange.receive(HN_DESK, idle=1)) == []


async def test_requeue_revives_one_members_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After too many hand-overs it is that member's dead letter; an operator sends it again."""
    monkeypatch.setattr(hand_over, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(hand_over, "POISON_AGE", timedelta(seconds=2))
    async with with_channels(tmp_path / "exchange", lease_seconds=1) as exchange:
        accepted = await send(exchange)
        client, queue = await exchange.client(GT_DESK), QueueName(f"{TRIO}.GT")
        for _ in range(3):
            await client.poll(queue, wait=timedelta(seconds=2))
        sender = await exchange.client(FISCALIA)
        before = {each.desk: each.state for each in (await sender.status(accepted.id)).recipients}
        count = await exchange.gateway.deliveries.requeue(
            queue,
            dead_letters_only=True,
            now=utc_now(),
            sign=exchange.gateway.hand_overs.sign_receipt,
        )

        assert (before[GT_DESK], count) == (DeliveryState.DEAD_LETTERED, 1)
        assert before[HN_DESK] is DeliveryState.DISPATCHED
        assert ids(await exchange.receive(GT_DESK)) == [accepted.id]
        assert ids(await exchange.receive(HN_DESK)) == [accepted.id]


async def test_rewrap_moves_what_waits_in_a_channel(exchange: Running) -> None:
    """A desk's next key opens what waited there, its count follows, and the others' stays."""
    accepted = [await send(exchange, to=to(channel)) for channel in (TRIO, QUIET)]
    old, new = exchange.world.holdings[GT_DESK].decryption, next_key()
    assert old is not None
    kit = exchange.world.kits[GT]
    stated = kit.state(Holder.desk(GT, GT_DESK.compartment), KeyUse.DESK_ENCRYPTION, new.public)
    at = (kit.now - timedelta(hours=40), kit.now - timedelta(hours=39))
    proposal, approval = kit.decide(ActKind.ACTIVATE, keys=[new.kid], at=at)
    async with exchange.directory_change() as store:
        await store.add_statements([stated], at=kit.now - STATED)
        await store.add_statements([proposal], at=at[0])
        await store.add_statements([approval], at=at[1])
    world = exchange.world
    held = HeldKeys.of(world.holdings[GT_DESK].bundle, world.profile(GT_DESK))
    held = replace(held, decryption={key.kid: key for key in (old, new)})

    async with EnlaceClient(world.profile(GT_DESK), held, world.pins) as client:
        totals = await Rewrapper(client).run(old.kid)
        counts = await exchange.gateway.key_ledger.in_flight([old.kid, new.kid])
        exchange.clients[GT_DESK] = client
        received = await exchange.receive(GT_DESK)

    assert (totals.waiting, totals.rewrapped, totals.left) == (2, 2, [])
    assert {(each.queue, each.kid): each.count for each in counts} == {
        (f"{TRIO}.GT", new.kid): 1,
        (f"{QUIET}.GT", new.kid): 1,
    }
    assert ids(received) == [each.id for each in accepted]
    assert ids(await exchange.receive(HN_DESK)) == [each.id for each in accepted]


def next_key() -> DecryptionKey:
    """Guatemala's next key."""
    return DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId("GT-next-2"))

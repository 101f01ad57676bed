"""A request, its clock, and who learns that nobody has answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker import escalation
from broker.cli.notices import _rows
from broker.desk.notices import Noticed
from broker.errors import Code, KeyUnavailableError
from broker.escalation import Escalations, whom_to_tell
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef
from broker.ports.requests import RequestQuestion, RequestState
from broker.sandbox.world import World, make_world
from keys.act_kind import ActKind
from keys.charter import ChannelName, Charter, Sealing
from keys.custody.envelope import INTERACTIVE_DEMO
from schemas.examples import accepted
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    PLAN,
    Document,
    Running,
    as_bytes,
    message,
    running,
)
from tests.flow.crashing_gateway import ESCALATING
from tests.flow.test_crashes import STUBBORN, gateway
from tests.flow.test_delivery import two_gateways

PNC = AgencyRef(country=Country.GUATEMALA, agency="pnc")
SENAN = AgencyRef(country=Country.PANAMA, agency="senan")
PA_DESK = DeskRef(country=Country.PANAMA, compartment=Compartment.INTELLIGENCE)
CHANNEL = ChannelName("tri-mx-gt-pa")
CHARTER = Charter(
    channel=CHANNEL,
    version=1,
    title="Trinational exchange",
    purpose="Routes along the coast",
    legal_basis="Memorandum of the three countries",
    compartment=Compartment.INTELLIGENCE,
    kinds=frozenset({Kind.INFORMATION_REQUEST, Kind.REPLY}),
    ceiling=HandlingCode.H2,
    sealing=Sealing.GATEWAY,
    shows_recipients=True,
    review=datetime.now(UTC) + timedelta(days=300),
    conveners=frozenset({Country.PANAMA}),
    members={Country.MEXICO: ("fgr",), Country.GUATEMALA: ("pnc",), Country.PANAMA: ("senan",)},
)
ASKING = replace(
    PLAN,
    agencies={
        **PLAN.agencies,
        PNC: (AgencyFunction.POLICE_INTELLIGENCE, "Policía Nacional Civil"),
        SENAN: (AgencyFunction.POLICE_INTELLIGENCE, "Servicio Nacional Aeronaval"),
    },
    desks=PLAN.desks | {PA_DESK},
    channels=(CHARTER,),
)
TO_CHANNEL = {"channel": CHANNEL}
SOON = timedelta(seconds=2)
BOTH = (FISCALIA, GT_DESK)
EVERYBODY = (FISCALIA, GT_DESK, PA_DESK)


def of_kind(kind: str, **changes: object) -> Document:
    """Make a message of a kind from its first example."""
    example = json.loads(json.dumps(next(iter(accepted(kind))).message))
    kept = {name: example[name] for name in ("kind", "version", "purpose", "legal_basis", "body")}
    return message(**{**kept, "evaluation": None, "lineage": None, **changes})


def request(**changes: object) -> Document:
    """Ask Guatemala something that is due in two seconds."""
    due = datetime.now(UTC) + SOON
    return of_kind("information-request", **{"reply_by": due.isoformat(), **changes})


def reply(asked: str, **changes: object) -> Document:
    """Refuse as Guatemala's police, to Mexico."""
    return of_kind(
        "reply",
        **{
            "from": {"country": "GT", "agency": "pnc"},
            "to": {"countries": ["MX"], "compartment": "intelligence"},
            "in_reply_to": asked,
            "body": {"outcome": "refused", "refusal_ground": "no_capacity"},
            **changes,
        },
    )


async def until(asked: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so."""
    for _ in range(200):
        if await asked():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come to be")


async def told(exchange: Running, subject: AgencyRef | DeskRef) -> tuple[Noticed, ...]:
    """What a country reads of its notices."""
    return await (await exchange.client(subject)).notices()


async def until_told(exchange: Running, subject: AgencyRef | DeskRef) -> None:
    """Wait for a country's first notice."""

    async def is_told() -> bool:
        return bool(await told(exchange, subject))

    await until(is_told)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for what is overdue more often than in life."""
    monkeypatch.setattr(escalation, "INTERVAL", timedelta(milliseconds=200))


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange with a channel, in which Guatemala can answer."""
    async with running(tmp_path / "exchange", plan=ASKING) as one:
        yield one


async def test_request_is_escalated_to_both_countries_and_closed_by_the_reply(
    asking: Running,
) -> None:
    """Asked, overdue, told to both by signed notices, answered: each side sees each step."""
    asked = await asking.post(request())
    sender, desk = await asking.client(FISCALIA), await asking.client(GT_DESK)
    [at_first] = await sender.requests(received=False)

    for each in BOTH:
        await until_told(asking, each)
    [late] = await desk.requests(received=True, state=RequestState.OVERDUE)
    await asking.post(reply(asked), PNC)
    [closed] = await sender.requests(received=False)
    received = await desk.requests(received=True)

    assert (at_first.id, at_first.state, at_first.road) == (
        asked,
        RequestState.OPEN,
        "MX.GT.intelligence",
    )
    assert late.id == asked
    assert late.escalated_at is not None
    assert (closed.state, closed.outcome, closed.ground) == (
        RequestState.CLOSED,
        "refused",
        "no_capacity",
    )
    assert closed.escalated_at == late.escalated_at
    assert received == (closed,)
    for each in BOTH:
        [notice] = await told(asking, each)
        assert (notice.event, notice.kid, notice.channel) == ("request-overdue", None, None)
        assert notice.deliveries == ((asked, str(FISCALIA), str(GT_DESK)),)
        assert notice.due == at_first.due.replace(microsecond=0)
        assert [row["id"] for row in _rows(notice)] == [asked]
    assert await told(asking, PA_DESK) == ()


async def test_channel_request_is_escalated_to_its_conveners(asking: Running) -> None:
    """Panama convenes and is told of each that has not answered; replies close one by one."""
    asked = await asking.post(request(to=TO_CHANNEL))
    sender = await asking.client(FISCALIA)

    async def all_told() -> bool:
        return len(await told(asking, PA_DESK)) == 2

    await until(all_told)
    await asking.post(reply(asked, to=TO_CHANNEL), PNC)
    still = await sender.requests(received=False, state=RequestState.OVERDUE)

    notices = await told(asking, PA_DESK)
    assert {notice.deliveries[0][2] for notice in notices} == {str(GT_DESK), str(PA_DESK)}
    assert {notice.channel for notice in notices} == {CHANNEL}
    assert await told(asking, FISCALIA) == await told(asking, GT_DESK) == ()
    assert [(one.desk, one.channel) for one in still] == [(PA_DESK, CHANNEL)]


@pytest.mark.parametrize(
    ("act", "by", "expected"),
    [
        (None, Country.MEXICO, {Country.PANAMA}),
        (ActKind.SUSPEND_CHANNEL, Country.MEXICO, {Country.PANAMA}),
        (ActKind.CLOSE_CHANNEL, Country.PANAMA, {Country.PANAMA}),
        (ActKind.LEAVE_CHANNEL, Country.GUATEMALA, {Country.PANAMA}),
        (ActKind.LEAVE_CHANNEL, Country.PANAMA, {Country.MEXICO, Country.GUATEMALA}),
    ],
)
async def test_whom_to_tell_finds_somebody_whatever_became_of_the_channel(
    asking: Running, act: ActKind | None, by: Country, expected: set[Country]
) -> None:
    """A channel that was suspended or left is no excuse; without a convener both sides are told."""
    asked = await asking.post(request(to=TO_CHANNEL))
    if act is not None:
        kit = asking.world.kits[by]
        await asking.decide(kit.alone(act, at=datetime.now(UTC), channel=CHANNEL))
    [found] = await asking.gateway.requests.requests(
        RequestQuestion(
            whose=GT_DESK,
            state=None,
            now=datetime.now(UTC),
            after=DeliveryNumber(0),
            limit=9,
        )
    )

    directory = asking.gateway.directory.current

    assert found.message_id == asked
    assert whom_to_tell(found, directory, datetime.now(UTC)) == expected


async def test_more_time_is_noted_and_does_not_move_the_due_time(asking: Running) -> None:
    """Whoever asks for time is escalated all the same."""
    asked = await asking.post(request())
    body = {"outcome": "more_time", "expected_by": "2030-01-01T00:00:00Z"}
    await asking.post(reply(asked, body=body), PNC)

    await until_told(asking, FISCALIA)

    [one] = await (await asking.client(FISCALIA)).requests(received=False)
    assert (one.state, one.outcome) == (RequestState.OVERDUE, "more_time")


async def test_look_tells_nobody_when_the_clock_says_it_is_early(asking: Running) -> None:
    """A moment before it is due nothing happens; at that moment it is told, once."""
    due = datetime.now(UTC) + timedelta(hours=2)
    await asking.post(request(reply_by=due.isoformat()))

    async def look(at: datetime) -> int:
        return await Escalations(
            ledger=asking.gateway.requests,
            directory=lambda: asking.gateway.directory.current,
            sign=asking.gateway.keys.sign_notice,  # type: ignore[attr-defined]
            issuer=asking.world.settings.base_url,
            clock=lambda: at,
        ).look()

    assert await look(due - timedelta(seconds=1)) == 0
    assert await told(asking, FISCALIA) == ()
    assert await look(due) == 1
    assert await look(due + timedelta(hours=1)) == 0
    assert len(await told(asking, FISCALIA)) == len(await told(asking, GT_DESK)) == 1


async def test_look_goes_on_when_one_request_cannot_be_escalated(
    asking: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure is logged, keeps no other back, and is made good at the next look."""
    monkeypatch.setattr(escalation, "PAGE", 1)
    due = datetime.now(UTC) + timedelta(hours=2)
    first, second = [await asking.post(request(reply_by=due.isoformat())) for _ in range(2)]
    sign = asking.gateway.keys.sign_notice  # type: ignore[attr-defined]

    def fails(payload: bytes) -> str:
        if first.encode() in payload:
            raise KeyUnavailableError(Code.GATEWAY_KEY_UNAVAILABLE)
        return str(sign(payload))

    async def look(signing: Callable[[bytes], str]) -> int:
        escalations = Escalations(
            ledger=asking.gateway.requests,
            directory=lambda: asking.gateway.directory.current,
            sign=signing,
            issuer=asking.world.settings.base_url,
            clock=lambda: due,
        )
        return await escalations.look()

    # One at a time: a whole page that fails hides nothing behind it.
    assert await look(fails) == 1
    assert await look(fails) == 0
    assert [one.deliveries[0][0] for one in await told(asking, FISCALIA)] == [second]
    assert await look(sign) == 1
    assert [one.deliveries[0][0] for one in await told(asking, FISCALIA)] == [second, first]


async def test_metrics_count_requests_by_sort_of_road(asking: Running) -> None:
    """How many wait and how many are late, without a country, a channel's name or an id."""
    await asking.post(request())
    await asking.post(request(to=TO_CHANNEL))
    metrics, later = asking.gateway.metrics, datetime.now(UTC) + timedelta(hours=1)

    metrics.show_requests(await asking.gateway.requests.waiting_by_road(now=later))

    text = metrics.exposition().decode()
    assert 'enlace_requests_overdue{road="pair"} 1.0' in text
    assert 'enlace_requests_overdue{road="channel"} 2.0' in text
    assert 'enlace_requests_open{road="pair"} 0.0' in text
    assert CHANNEL not in text


async def test_two_gateways_escalate_once(tmp_path: Path) -> None:
    """Both look all the time; each country has one notice."""
    async with two_gateways(tmp_path / "exchange", None) as exchange:
        await exchange.post(request())
        for each in BOTH:
            await until_told(exchange, each)
        await asyncio.sleep(1)

        assert [len(await told(exchange, each)) for each in BOTH] == [1, 1]


@asynccontextmanager
async def overdue_world(folder: Path) -> AsyncIterator[World]:
    """A world with a request that was overdue when its gateway stopped."""
    world = await make_world(folder, PLAN, cost=INTERACTIVE_DEMO)
    async with gateway(world, "never"), AsyncExitStack() as stack:
        client = await stack.enter_async_context(world.client(FISCALIA, settings=STUBBORN))
        # The process looks each half second: it is gone before there is anything to see.
        await client.send(as_bytes(request(reply_by=_in(3))))
    yield world


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize("place", ESCALATING)
async def test_escalation_is_told_once_when_the_gateway_is_killed(
    place: str, tmp_path: Path
) -> None:
    """``kill -9`` on either side of the one transaction: the next gateway makes it whole."""
    async with overdue_world(tmp_path / "world") as world:
        async with gateway(world, place) as victim, asyncio.timeout(30):
            await victim.wait()
        async with gateway(world, "never"), asyncio.timeout(60), AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(world.client(each, settings=STUBBORN))
                for each in BOTH
            ]

            async def all_told() -> bool:
                return all([await client.notices() for client in clients])

            await until(all_told)
            await asyncio.sleep(1)
            notices = [await client.notices() for client in clients]

    assert victim.returncode == -9
    assert [len(each) for each in notices] == [1, 1]

"""Does the second act notice when a channel, a rule, a recall or a clock does not hold?"""

import io
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from broker.demo import stage
from broker.demo.cast import Scene, plan_for, read_scenes
from broker.demo.desks import receiving_desks, wait_until_ready
from broker.demo.progress import Progress
from broker.demo.second import clock, denied, operation, recall
from broker.demo.second.act import play_second_act
from broker.demo.second.clock import LOOK_EVERY
from broker.demo.second.denied import Attempt
from broker.demo.second.house import House, members_of, queues_of
from broker.demo.senders import open_senders
from broker.demo.stage import Options, perform
from broker.demo.transport import Choice
from broker.demo.words import Words
from broker.model.names import DeskRef, MessageId
from broker.sandbox.charters import shipped_charters
from broker.sandbox.world import Plan, World, make_world
from broker.wiring.run import running_gateway
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.key import DecryptionKey
from schemas.loader import SchemaSet
from schemas.vocabulary import Compartment, Country, Language

GT_DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
FIRST_CASES = 2
SCENES = ("channel", "denied", "recall", "operation", "clock")


@pytest.fixture
def plan() -> Plan:
    """Take everybody, with the channels that are shipped."""
    now = datetime.now(UTC)
    return plan_for(read_scenes(now), shipped_charters(now))


@pytest.fixture
async def world(plan: Plan, tmp_path: Path) -> World:
    """Make eleven countries with channels."""
    return await make_world(tmp_path / "world", plan, cost=INTERACTIVE_DEMO)


async def play_in(
    world: World, plan: Plan, *, language: str = "en", look_every: timedelta = LOOK_EVERY
) -> tuple[bool, House, str]:
    """Play the second act alone; return whether all held, what was seen, and the screen."""
    screen, followed = io.StringIO(), dict[MessageId, Progress]()

    def opened(desk: DeskRef, message_id: MessageId) -> None:
        if message_id in followed:
            followed[message_id].opened.add(desk)

    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            running_gateway(world.settings, minimum=INTERACTIVE_DEMO, escalate_every=look_every)
        )
        senders = await stack.enter_async_context(
            open_senders(world, plan.agencies, language=Language(language))
        )
        desks = await stack.enter_async_context(receiving_desks(world, members_of(plan), opened))
        streams = gateway.metrics.registry.get_sample_value
        await wait_until_ready(desks, lambda: streams("enlace_open_streams") or 0.0)
        house = House(
            world=world,
            words=Words(language),
            console=Console(file=screen, width=400),
            senders=senders,
            desks=desks,
            followed=followed,
            charters={one.channel: one for one in plan.channels},
            schemas=SchemaSet.load(),
        )
        return await play_second_act(house), house, screen.getvalue()


def broken(house: House) -> set[str]:
    """Which checks did not hold?"""
    return {check.key for check in house.checks if not check.holds}


async def test_second_act_holds_in_an_untouched_world(world: World, plan: Plan) -> None:
    """The control: each scene shows something, it holds, and is told in the reader's language."""
    holds, house, screen = await play_in(world, plan, language="es")

    assert (holds, broken(house)) == (True, set()), screen
    assert tuple(dict.fromkeys(one.key.partition(".")[0] for one in house.checks)) == SCENES
    assert "MX/fgr → hlsg-mx-gt" in screen
    assert "rechazado por la regla SG-01: Una persona protegida" in screen
    # Neither account is preferred, so neither is always the first.
    told = screen.replace("HN 7 | 5", "HN 5 | 7")
    assert "captura: al menos 45 (preliminar) = GT 9 + HN 5 | 7 + SV al menos 31" in told


async def test_second_act_does_not_hold_when_what_it_promises_is_not_so(
    world: World, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk that keeps what it says to have destroyed, a rule that lets through, nobody told."""
    honest = denied._report()

    def unmarked() -> Attempt:
        return replace(honest, document=honest.instead)

    monkeypatch.setattr(denied, "_report", unmarked)
    monkeypatch.setattr(recall, "destroy", lambda *_, **__: None)
    monkeypatch.setattr(operation, "SENT", operation.SENT[:-1])
    monkeypatch.setattr(clock, "PATIENCE", timedelta(seconds=1))

    holds, house, _ = await play_in(world, plan, look_every=timedelta(hours=1))

    assert not holds
    assert broken(house) == {
        "denied.report-refused",
        "denied.nothing",
        "recall.gone",
        "operation.conflicting",
        "clock.overdue",
        "clock.told",
    }


async def test_second_act_goes_on_when_a_scene_cannot(world: World, plan: Plan) -> None:
    """A member whose desk lost its key: its channels fail with the reason, the rest is played."""
    own = world.holdings[GT_DESK].decryption
    assert own is not None
    wrong = replace(
        world.holdings[GT_DESK], decryption=DecryptionKey.generate(own.algorithm, own.kid)
    )
    tampered = replace(world, holdings={**world.holdings, GT_DESK: wrong})

    holds, house, screen = await play_in(tampered, plan)

    assert not holds
    assert broken(house) == {"second.failed"}
    assert "route-report hlsg-mx-gt: GT.intelligence: cannot-open" in screen
    seen = {check.key.partition(".")[0] for check in house.checks if check.holds}
    assert seen == {"denied", "clock"}


async def test_perform_says_no_when_only_the_second_act_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything of the first act held, and the exit status is 1 all the same."""

    def first_cases(now: datetime) -> Sequence[Scene]:
        return read_scenes(now)[:FIRST_CASES]

    async def does_not_hold(house: House) -> bool:
        return house.world is None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "read_scenes", first_cases)
    monkeypatch.setattr(stage, "play_second_act", does_not_hold)

    assert not await perform(Options(transport=Choice.LOCAL), Words("en"), {})

    out = capsys.readouterr().out
    assert "2 of 2 cases delivered" in out
    assert "Something did NOT hold" in out


def test_queues_are_those_of_pairs_and_of_members(plan: Plan) -> None:
    """Each is made once before the gateway starts, and removed from somebody's RabbitMQ."""
    queues = queues_of(plan)

    assert len(set(queues)) == len(queues) == 330 + 2 + 3 + 3 + 11 + 11
    assert {"MX.GT.intelligence", "hlsg-mx-gt.GT", "joint-operation.US"} <= set(queues)

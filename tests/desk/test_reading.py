"""Is what may be read shown, whatever else came with it, and nothing before it was noted?"""

import io

import pytest
import structlog

from broker.desk.client import EnlaceClient
from broker.desk.failures import UnreachableError, UseNotNotedError
from broker.desk.reading import Reader, state_all
from broker.desk.store import Printout
from broker.desk.subscribe import Subscription
from tests.desk import world
from tests.desk.receiving import IDLE, acknowledged, deliver
from tests.desk.world import HandOverParts
from tests.fakes.gateway import DROP, FakeGateway, Fault

OWN = str(world.document()["purpose"]["code"])
OTHER = "prosecution" if OWN != "prosecution" else "investigation"
READER = Reader(role="duty analyst")


def subscription_of(desk: EnlaceClient, printed: io.BytesIO) -> Subscription:
    """Print what comes, for somebody who reads it at once."""
    return Subscription(
        desk,
        inbox=Printout(printed),
        refused=Printout(io.BytesIO()),
        schemas=world.schemas(),
        reader=READER,
    )


async def shown(desk: EnlaceClient, *parts: HandOverParts) -> bytes:
    """Take these as one batch, and give what was printed."""
    printed = io.BytesIO()
    subscription = subscription_of(desk, printed)
    await subscription._opener.refresh_directory()
    await subscription._take([each.received() for each in parts])
    return printed.getvalue()


async def test_take_shows_the_others_when_one_use_is_not_noted(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """One that was taken back a moment ago keeps nobody from the rest."""
    batch = [HandOverParts(number=number, hand_over=number) for number in (1, 2, 3)]
    deliver(gateway, 1, 3)

    with structlog.testing.capture_logs() as logs:
        printed = await shown(desk, *batch)

    assert [world.message_id(n).encode() in printed for n in (1, 2, 3)] == [True, False, True]
    assert acknowledged(gateway) == [world.message_id(1), world.message_id(3)]
    assert [each for each in logs if each["event"] == "use:not-noted"] == [
        {"event": "use:not-noted", "log_level": "error", "code": "delivery-unknown"}
    ]


async def test_run_tells_in_the_end_of_what_was_not_shown(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """The message waits for who may read it, and the one who asked is told."""
    deliver(gateway, 1)
    gateway.denied_purposes = {OWN}
    printed = io.BytesIO()

    with pytest.raises(UseNotNotedError, match="purpose-denied"):
        await subscription_of(desk, printed).run(idle=IDLE)

    assert (printed.getvalue(), gateway.answers) == (b"", [])


async def test_run_forgets_what_was_shown_when_it_came_again(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """A use that is noted at last is no fault."""
    deliver(gateway, 1)
    printed = io.BytesIO()
    subscription = subscription_of(desk, printed)
    gateway.denied_purposes = {OWN}
    await subscription._opener.refresh_directory()
    await subscription._take([HandOverParts().received()])
    gateway.denied_purposes = set()

    await subscription.run(idle=IDLE)

    assert world.message_id().encode() in printed.getvalue()


@pytest.mark.parametrize("fault", [DROP, Fault(status=503)], ids=["dropped", "busy"])
async def test_run_shows_later_what_could_not_be_stated(
    desk: EnlaceClient, gateway: FakeGateway, fault: Fault
) -> None:
    """Nobody reads before it was noted; a gateway that is away for a while ends nothing."""
    deliver(gateway, 1)
    gateway.faults["/v1/uses"] += [fault] * 20
    printed = io.BytesIO()
    subscription = subscription_of(desk, printed)

    with pytest.raises(UnreachableError):
        await subscription.run(idle=IDLE)
    before = (printed.getvalue(), list(gateway.answers))
    gateway.faults["/v1/uses"].clear()
    await subscription.run(idle=IDLE)

    assert before == (b"", [])
    assert acknowledged(gateway) == [world.message_id()]


async def test_state_all_raises_when_one_use_is_not_noted(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """Who asks for certain messages is told of the one that he may not read."""
    deliver(gateway, 1)
    ref = HandOverParts().received().ref
    gateway.denied_purposes = {OTHER}

    await state_all(desk, [(ref, OWN)], reader=READER.role)
    with pytest.raises(UseNotNotedError, match="purpose-denied"):
        await state_all(desk, [(ref, OWN), (ref, OTHER)], reader=READER.role)

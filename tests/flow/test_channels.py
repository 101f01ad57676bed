"""A message to a channel, from the sender to each member's desk; and to nobody else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from broker.desk.client import Accepted
from broker.desk.failures import ProblemError
from broker.evidence.receipts import verify_receipt
from broker.model import AgencyRef, DeliveryState
from tests.flow.channel_world import (
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
)

SOON = timedelta(seconds=5)


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

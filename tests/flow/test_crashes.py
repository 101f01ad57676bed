"""``kill -9`` of the gateway between any two stages: what was acknowledged arrives, once."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from broker.desk.connection import ClientSettings
from broker.desk.inbox import Inbox
from broker.desk.retry import RetryPolicy
from broker.desk.stream import StreamSettings
from broker.desk.subscribe import Subscription
from broker.model.events import DeliveryState
from broker.model.names import MessageId
from broker.sandbox.world import World, make_world
from keys.charter import ChannelName
from keys.custody.envelope import INTERACTIVE_DEMO
from schemas.loader import SchemaSet
from tests.flow.channel_world import GT, MX, charter
from tests.flow.channel_world import PLAN as CHANNEL_PLAN
from tests.flow.conftest import FISCALIA, GT_DESK, PLAN, as_bytes, lines, message
from tests.flow.crashing_gateway import PLACES

ROOT = Path(__file__).parents[2]
AGAIN = RetryPolicy(
    deadline=timedelta(seconds=60),
    base=timedelta(milliseconds=50),
    cap=timedelta(milliseconds=500),
)
STUBBORN = ClientSettings(retries=AGAIN, stream=StreamSettings(retries=AGAIN))
MESSAGES = 3
"""To Guatemala; one more goes to a channel with it."""
DUO = ChannelName("duo")


@asynccontextmanager
async def gateway(world: World, place: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a gateway process on a world; it is ended as roughly as it may end itself."""
    settings = world.settings
    environment = {name: value for name, value in os.environ.items() if "ENLACE" not in name} | {
        "ENLACE_MODE": "development",
        "ENLACE_HOME": str(settings.home),
        "ENLACE_BASE_URL": settings.base_url,
        "ENLACE_LISTEN": settings.listen,
        "ENLACE_MANAGEMENT_LISTEN": settings.management_listen,
        "ENLACE_LEASE_SECONDS": "2",
        "PYTHONPATH": str(ROOT),
    }
    if settings.broker_url is not None:
        environment["ENLACE_AMQP_URL"] = settings.broker_url
        environment["ENLACE_AMQP_NAMESPACE"] = settings.amqp_namespace
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.flow.crashing_gateway", place, env=environment, cwd=ROOT
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def subscribe(world: World, folder: Path) -> None:
    """Receive for ever, as a desk does."""
    async with world.client(GT_DESK, settings=STUBBORN) as client:
        with Inbox(folder / "inbox.jsonl") as inbox, Inbox(folder / "refused.jsonl") as refused:
            subscription = Subscription(
                client, inbox=inbox, refused=refused, schemas=SchemaSet.load()
            )
            await subscription.run()


async def post_and_wait(world: World) -> list[str]:
    """Post messages, with the retries of a stubborn agency, until all are acknowledged."""
    documents = [message() for _ in range(MESSAGES)]
    documents.append(message(to={"channel": DUO}))
    async with world.client(FISCALIA, settings=STUBBORN) as client:
        ids = [(await client.send(as_bytes(document))).id for document in documents]
        for message_id in ids:
            while True:
                status = await client.status(MessageId(message_id))
                if status.recipients[0].state is DeliveryState.ACKNOWLEDGED:
                    break
                await asyncio.sleep(0.1)
    return ids


@pytest.mark.parametrize(
    "transport", ["local", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
@pytest.mark.parametrize("place", [place for place in PLACES if place != "never"])
async def test_deliver_exactly_once_when_the_gateway_is_killed(
    place: str, transport: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A gateway dies, another takes its place; the desk's file has each message once."""
    url = request.getfixturevalue("amqp_url") if transport == "rabbitmq" else None
    world = await make_world(
        tmp_path / "world",
        replace(
            PLAN,
            agencies=CHANNEL_PLAN.agencies,
            channels=(charter(DUO, members={MX: ("fgr",), GT: ("mp",)}),),
        ),
        cost=INTERACTIVE_DEMO,
        amqp_url=url,
        amqp_namespace=f"t{secrets.token_hex(4)}.",
    )
    posting = asyncio.create_task(post_and_wait(world))
    receiving = asyncio.create_task(subscribe(world, tmp_path))
    try:
        async with gateway(world, place) as victim, asyncio.timeout(30):
            await victim.wait()
        async with gateway(world, "never"), asyncio.timeout(60):
            ids = await posting
    finally:
        receiving.cancel()
        posting.cancel()
        await asyncio.gather(receiving, posting, return_exceptions=True)

    assert victim.returncode == -9
    assert sorted(line["id"] for line in lines(tmp_path / "inbox.jsonl")) == sorted(ids)
    assert lines(tmp_path / "refused.jsonl") == []

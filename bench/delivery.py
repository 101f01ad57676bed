"""The delivery path: a backlog, streamed, opened, stored durably and acknowledged."""

import asyncio
import gc
import time
from pathlib import Path
from typing import Final

import aiohttp

from bench.load import Caller
from bench.report import Sample
from bench.services import Meter
from broker.desk.inbox import Inbox
from broker.desk.subscribe import Subscription
from broker.desk.tls import client_context
from broker.model.names import DeskRef
from broker.sandbox.world import World
from schemas.loader import SchemaSet

STREAM: Final = "/v1/stream"
UNANSWERED: Final = 200
"""What one stream hands over before it wants answers (``hand_over.PREFETCH``)."""
EVENT: Final = b"event: message\n"
LOOK_SECONDS: Final = 0.002
DEADLINE_SECONDS: Final = 120


async def hand_over(caller: Caller, meter: Meter, *, events: int) -> Sample:
    """Take so many events from a stream and answer none; 0 is what a stream costs by itself.

    Args:
        caller: A desk's.
        meter: Read before and after.
        events: At most what the gateway hands over unanswered.
    """
    await caller.log_in()
    profile = caller.world.profile(caller.subject)
    connector = aiohttp.TCPConnector(ssl=client_context(profile.ca_file))
    headers = {
        "Authorization": f"DPoP {caller.token}",
        "DPoP": caller.proof("GET", STREAM),
    }
    gc.collect()
    start, before = time.perf_counter(), await meter.read()
    async with (
        asyncio.timeout(DEADLINE_SECONDS),
        aiohttp.ClientSession(connector=connector) as http,
        http.get(caller.base + STREAM, headers=headers) as response,
    ):
        response.raise_for_status()
        seen, rest = 0, b""
        while seen < events:
            rest += await response.content.readany()
            seen += rest.count(EVENT)
            rest = rest[-len(EVENT) + 1 :]
        seconds = time.perf_counter() - start
        usage = (await meter.read()).since(before)
    return Sample(messages=events, seconds=seconds, usage=usage)


async def deliver(
    world: World, desk: DeskRef, inbox_file: Path, meter: Meter, *, messages: int
) -> Sample:
    """Let the desk's own subscription empty a backlog of exactly so many messages.

    The clock runs from the first stored batch to the last acknowledgement: who connects, and
    verifies the directory, does that once and not for every message.
    """
    gc.collect()
    async with world.client(desk) as client:
        with Inbox(inbox_file) as inbox, Inbox(inbox_file.with_suffix(".refused")) as refused:
            subscription = Subscription(
                client, inbox=inbox, refused=refused, schemas=SchemaSet.load()
            )
            running = asyncio.create_task(subscription.run())
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    first = await _stored(subscription, running, at_least=1)
                    start, before = time.perf_counter(), await meter.read()
                    await _stored(subscription, running, at_least=messages)
                    seconds = time.perf_counter() - start
                    usage = (await meter.read()).since(before)
            finally:
                running.cancel()
                await asyncio.wait([running])
            if subscription.totals.refused:
                raise RuntimeError("the desk refused messages of the benchmark")
            return Sample(messages=messages - first, seconds=seconds, usage=usage)


async def _stored(
    subscription: Subscription, running: "asyncio.Task[None]", *, at_least: int
) -> int:
    while subscription.totals.stored < at_least:
        if running.done():
            running.result()
        await asyncio.sleep(LOOK_SECONDS)
    return subscription.totals.stored

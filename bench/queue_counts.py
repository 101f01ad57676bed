"""What do many queues cost? All pairs in all compartments, and fifty channels beside them.

Declared by the gateway and consumed by every desk: how long until it is ready, until all desks
read, and how much memory gateway and RabbitMQ hold then, once without channels and once with.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from bench.fan_out import agencies, charter_of
from bench.services import Child, Server, environment_of, running
from bench.stage import LIMITS
from broker.desk.client import EnlaceClient
from broker.directory import Directory
from broker.model.names import DeskRef
from broker.sandbox.world import Plan, World, make_world
from broker.storage.ledger import open_ledger
from broker.wiring.clock import utc_now
from keys.charter import Charter
from keys.custody.envelope import INTERACTIVE_DEMO
from schemas.vocabulary import Country

CHANNELS: Final = 50
DEADLINE: Final = 300
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many queues, and what they cost."""

    queues: int
    channels: int
    verify_ms: float
    """To read and verify the directory: every signature of every act."""
    ready_s: float
    """From the start of the process until it serves."""
    reading_s: float
    """From then until every desk reads all of its queues."""
    gateway_mib: float
    rabbitmq_mib: float | None


async def measure_queue_counts(folder: Path, rabbitmq: Server | None) -> list[Count]:
    """Measure without channels, then with fifty."""
    return [
        await _measure(folder / str(number), rabbitmq, channels=number) for number in (0, CHANNELS)
    ]


def fifty(number: int = CHANNELS) -> tuple[Charter, ...]:
    """Write charters of two to eleven members, in turn."""
    countries = [*Country]
    found = []
    for index in range(number):
        start, size = index % len(countries), 2 + index % (len(countries) - 1)
        members = (countries[start:] + countries[:start])[:size]
        found.append(charter_of(f"channel-{index}", members))
    return tuple(found)


async def _measure(folder: Path, rabbitmq: Server | None, *, channels: int) -> Count:
    plan = Plan.everybody(agencies(), fifty(channels))
    world = await make_world(
        folder,
        plan,
        cost=INTERACTIVE_DEMO,
        amqp_url=None if rabbitmq is None else rabbitmq.url,
        amqp_namespace=f"q{token_hex(4)}.",
        **LIMITS,
    )
    directory, verify_ms = await _verified(world)
    before = None if rabbitmq is None else rabbitmq.resident_mib()
    start = time.perf_counter()
    async with running("bench.gateway_process", environ=environment_of(world.settings)) as gateway:
        ready = time.perf_counter()
        desks = sorted(plan.desks)
        async with _reading(world, desks):
            await _all_read(gateway, len(desks))
            reading = time.perf_counter()
            after = None if rabbitmq is None else rabbitmq.resident_mib()
            return Count(
                queues=len(directory.queues()),
                channels=channels,
                verify_ms=verify_ms,
                ready_s=ready - start,
                reading_s=reading - ready,
                gateway_mib=(await gateway.ask("usage"))["resident_kib"] / 1024,
                rabbitmq_mib=None if before is None or after is None else after - before,
            )


async def _verified(world: World) -> tuple[Directory, float]:
    async with open_ledger(world.settings.database_url) as ledger:
        record = await ledger.directory.load()
    start = time.perf_counter()
    directory, rejected = Directory.verify(record, roots=world.pins.roots, now=utc_now())
    if rejected:
        raise RuntimeError(f"the directory of the measurement does not hold: {rejected[0]}")
    return directory, 1000 * (time.perf_counter() - start)


@asynccontextmanager
async def _reading(world: World, desks: Sequence[DeskRef]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(world.client(desk)) for desk in desks]
        readers = [asyncio.create_task(_read(client)) for client in clients]
        try:
            yield
        finally:
            for reader in readers:
                reader.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*readers)


async def _read(client: EnlaceClient) -> None:
    async for _ in client.stream():
        pass


async def _all_read(gateway: Child, desks: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while (await gateway.ask("streams"))["open"] < desks:  # noqa: ASYNC110 - remote
            await asyncio.sleep(LOOK_SECONDS)

"""One round of each side, again and again, in turn."""

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.delivery import UNANSWERED, deliver, hand_over
from bench.load import Author, Caller, Target
from bench.raw_publish import RawPublisher
from bench.report import ACCEPT, DELIVERY, HELD, HTTPS, RAW, RELAY, STREAM, Row, Sample
from bench.services import Meter
from bench.stage import READ, SENDER, STREAMED, Stage

DRAIN_SECONDS: Final = 120
LOOK_SECONDS: Final = 0.02
SETTLE_SECONDS: Final = 1.5
"""The gateway looks once a second at what became of the stream of the round before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is measured."""

    messages: int
    repeats: int
    clients: Sequence[int]
    transports: Sequence[str]
    ledgers: Sequence[str]

    def messages_of(self, clients: int) -> int:
        """One client alone takes longer for each."""
        return max(self.messages // 4, 10) if clients == 1 else self.messages


@dataclass(slots=True, kw_only=True)
class Samples:
    """The rounds of all sides so far."""

    by_side: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)

    def add(self, side: str, clients: int, sample: Sample) -> None:
        """Keep a round."""
        self.by_side.setdefault((side, clients), []).append(sample)

    def rows(self, *sides: str) -> list[Row]:
        """Summarise, sides in this order."""
        return [
            Row.of(side, clients, samples)
            for side in sides
            for (name, clients), samples in sorted(self.by_side.items())
            if name == side
        ]


async def run_rounds(
    options: Options,
    stage: Stage,
    samples: Samples,
    bare: Target,
    bare_meter: Meter,
    sealed: bytes,
) -> None:
    """Run all sides in turn, the first time only to warm up."""
    for repeat in range(options.repeats + 1):
        say(f"round {repeat} of {options.repeats}" if repeat else "warming up")
        kept = samples if repeat else Samples()
        # Back and forth, so that no side always runs in another's wake.
        for clients in options.clients if repeat % 2 else reversed(options.clients):
            number = options.messages_of(clients) if repeat else max(options.messages // 4, 10)
            kept.add(HTTPS, clients, await _post(stage, bare, bare_meter, clients, number))
            if stage.raw is not None:
                kept.add(RAW, clients, await _raw(stage, stage.raw, sealed, clients, number))
            kept.add(ACCEPT, clients, await _accept(stage, clients, number))
            held, relay = await _accept_held(stage, clients, number)
            kept.add(HELD, clients, held)
            kept.add(RELAY, 0, relay)


async def run_deliveries(options: Options, stage: Stage, samples: Samples) -> None:
    """Fill a desk's queue and let the desk empty it; then look at what a stream costs."""
    author = Author.of(stage.world, SENDER, READ)
    for repeat in range(options.repeats):
        say(f"delivery {repeat + 1} of {options.repeats}")
        await _fill(stage, author, options.messages)
        await asyncio.sleep(SETTLE_SECONDS)
        inbox = stage.world.folder / f"inbox-{repeat}.jsonl"
        done = await deliver(stage.world, READ, inbox, stage.meter, messages=options.messages)
        if done.messages:
            samples.add(DELIVERY, 0, done)
    say("streams")
    streams = []
    for desk in STREAMED[: options.repeats]:
        await _fill(stage, Author.of(stage.world, SENDER, desk), UNANSWERED)
        reader = Caller(world=stage.world, subject=desk)
        streams.append(await hand_over(reader, stage.meter, events=UNANSWERED))
    # The desk that has read everything has nothing to be handed.
    reader = Caller(world=stage.world, subject=READ)
    nothing = await hand_over(reader, stage.meter, events=0)
    for some in streams:
        samples.add(STREAM, 0, _without(some, nothing))


def say(text: str) -> None:
    """Show on standard error how far it is: a full run takes minutes."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


async def _requests(stage: Stage, number: int, author: Author | None = None) -> list[bytes]:
    await stage.caller.log_in()
    write = (author or stage.author).write
    return [stage.caller.request(write()) for _ in range(number)]


async def _post(stage: Stage, target: Target, meter: Meter, clients: int, number: int) -> Sample:
    requests = await _requests(stage, number)
    lines = await target.open(clients)
    if meter.gateway is not None:
        await meter.gateway.ask("collect")
    sample = await _timed(meter, number, lambda: lines.send(requests))
    await lines.close()
    return sample


async def _raw(stage: Stage, raw: RawPublisher, body: bytes, clients: int, number: int) -> Sample:
    gc.collect()
    meter = Meter(rabbitmq=stage.meter.rabbitmq)
    sample = await _timed(meter, number, lambda: raw.send(body, number, clients))
    await raw.clear()
    return sample


async def _accept(stage: Stage, clients: int, number: int) -> Sample:
    """Post with the relay running; its work is in the account to the last message."""
    requests = await _requests(stage, number)
    lines = await stage.target.open(clients)
    await stage.gateway.ask("collect")
    before, start = await stage.meter.read(), time.perf_counter()
    latencies = await lines.send(requests)
    seconds = time.perf_counter() - start
    await _drained(stage)
    usage = (await stage.meter.read()).since(before)
    await lines.close()
    return Sample(messages=number, seconds=seconds, usage=usage, latencies=latencies)


async def _accept_held(stage: Stage, clients: int, number: int) -> tuple[Sample, Sample]:
    """Post with the relay held, then let it publish alone."""
    await stage.gateway.ask("hold")
    held = await _post(stage, stage.target, stage.meter, clients, number)

    async def publish() -> Sequence[float]:
        await stage.gateway.ask("release")
        await _drained(stage)
        return ()

    return held, await _timed(stage.meter, number, publish)


async def _timed(
    meter: Meter, number: int, work: Callable[[], Awaitable[Sequence[float]]]
) -> Sample:
    before, start = await meter.read(), time.perf_counter()
    latencies = await work()
    seconds = time.perf_counter() - start
    usage = (await meter.read()).since(before)
    return Sample(messages=number, seconds=seconds, usage=usage, latencies=latencies)


async def _drained(stage: Stage) -> None:
    """Wait until the relay has published everything."""
    async with asyncio.timeout(DRAIN_SECONDS):
        while (await stage.gateway.ask("unpublished"))["unpublished"]:  # noqa: ASYNC110 - remote
            await asyncio.sleep(LOOK_SECONDS)


async def _fill(stage: Stage, author: Author, number: int) -> None:
    lines = await stage.target.open(16)
    await lines.send(await _requests(stage, number, author))
    await lines.close()
    await _drained(stage)


def _without(some: Sample, nothing: Sample) -> Sample:
    """Take off what the stream costs by itself."""
    usage = some.usage.since(nothing.usage)
    return Sample(messages=some.messages, seconds=some.seconds, usage=usage)

"""One command, one run, all sides in turn.

This process is the load generator and the desk; the gateway, RabbitMQ and PostgreSQL are
processes of their own, so that the operating system keeps their accounts apart.
"""

import argparse
import asyncio
import json
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import structlog
import uvloop

from bench import machine, report
from bench.fan_out import measure_fan_out
from bench.parts import (
    measure_joined,
    measure_pure,
    measure_rewrap,
    measure_ring,
    measure_stored,
    workbench,
)
from bench.queue_counts import measure_queue_counts
from bench.report import ACCEPT, DELIVERY, HELD, HTTPS, RAW, RELAY, STREAM, Result
from bench.rounds import Options, Samples, run_deliveries, run_rounds, say
from bench.services import MissingError, Server, postgresql, rabbitmq
from bench.stage import open_bare, open_stage, postgresql_version, scratch_ledger
from bench.suspension import measure_suspension

CLIENTS: Final = (1, 16, 64)
FEW: Final = 20
"""A run of so many only shows that it runs: the many queues are left out."""
PRESIGNED: Final = 4000
"""Proofs are good for a minute; more in one round could outlive it on a slow machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what came out."""
    given = _parser().parse_args(arguments)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    options = _options(given)
    folder = Path(tempfile.mkdtemp(prefix="enlace-bench-"))
    try:
        # PostgreSQL's own account must be able to pass; what is private in it is closed.
        folder.chmod(0o711)
        facts = machine.describe(folder)
        print(machine.write(facts), end="\n\n", flush=True)
        results = uvloop.run(_measure(options, folder, facts))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json is not None:
        given.json.write_text(json.dumps(report.as_json(facts, results), indent=2) + "\n")
    return 0 if results else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few messages: does it run at all?")
    parser.add_argument("--messages", type=int, help=f"in a round, at most {PRESIGNED}")
    parser.add_argument("--repeats", type=int, help="rounds of each side (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    parser.add_argument("--transport", choices=("rabbitmq", "local", "both"))
    parser.add_argument("--ledger", choices=("sqlite", "postgresql", "both"))
    return parser


def _options(given: argparse.Namespace) -> Options:
    quick = bool(given.quick)
    messages = given.messages or (20 if quick else 1000)
    transport = given.transport or ("local" if quick else "both")
    ledger = given.ledger or ("sqlite" if quick else "both")
    return Options(
        messages=max(10, min(messages, PRESIGNED)),
        repeats=max(1, given.repeats or (1 if quick else 5)),
        clients=CLIENTS,
        transports=("rabbitmq", "local") if transport == "both" else (transport,),
        ledgers=("sqlite", "postgresql") if ledger == "both" else (ledger,),
    )


async def _measure(options: Options, folder: Path, facts: dict[str, str]) -> list[Result]:
    results: list[Result] = []
    servers: dict[str, Server] = {}
    task = asyncio.current_task()
    if task is not None:
        # Whoever stops us stops our servers with us.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with AsyncExitStack() as stack:
        if "rabbitmq" in options.transports:
            try:
                servers["rabbitmq"] = await stack.enter_async_context(rabbitmq(folder / "rabbit"))
            except MissingError as error:
                print(f"skipped: RabbitMQ and the raw side: {error}\n")
        if "postgresql" in options.ledgers:
            try:
                servers["postgresql"] = stack.enter_context(postgresql(folder / "pg"))
                facts["PostgreSQL"] = await postgresql_version(servers["postgresql"].url)
                print(f"PostgreSQL: {facts['PostgreSQL']}\n")
            except MissingError as error:
                print(f"skipped: the ledger in PostgreSQL: {error}\n")
        for transport in options.transports:
            for ledger in options.ledgers:
                if {transport, ledger} - {"local", "sqlite"} <= servers.keys():
                    name = f"{transport}-{ledger}"
                    result = await _combination(options, folder / name, name, servers)
                    results.append(result)
                    print(report.write(result), flush=True)
    return results


async def _combination(
    options: Options, folder: Path, name: str, servers: dict[str, Server]
) -> Result:
    transport, _, ledger = name.partition("-")
    result = Result(transport=transport, ledger=ledger)
    samples, deliveries = Samples(), Samples()
    say(f"transport {transport}, ledger {ledger}")
    async with open_stage(folder, name, servers) as stage:
        if stage.raw is not None and stage.raw.version:
            result.notes.append(f"RabbitMQ {stage.raw.version}")
        bench = await workbench(
            stage.world, stage.author, messages=max(options.messages, 64), repeats=options.repeats
        )
        async with open_bare(stage, folder) as (bare, bare_meter):
            await run_rounds(options, stage, samples, bare, bare_meter, bench.acceptances[0].sealed)
        say("parts")
        result.parts = measure_pure(bench, stage.world)
        result.ring = measure_ring(bench)
        result.rewrap = measure_rewrap(bench, stage.world)
        result.joined = await measure_joined(bench)
        amqp_url = servers["rabbitmq"].url if transport == "rabbitmq" else None
        scratch = await scratch_ledger(name, servers, stage.world)
        result.parts += await measure_stored(bench, scratch, amqp_url)
        await run_deliveries(options, stage, deliveries)
        result.suspension = await measure_suspension(
            folder / "suspension", times=min(options.repeats, 5)
        )
        if ledger == "sqlite":
            say("fan-out")
            result.roads = await measure_fan_out(
                folder / "fan-out",
                messages=min(options.messages, 500),
                repeats=options.repeats,
            )
        if ledger == "sqlite" and options.messages > FEW:
            say("queues")
            result.queue_counts = await measure_queue_counts(
                folder / "queues", servers["rabbitmq"] if transport == "rabbitmq" else None
            )
        result.gateway_peak_kib = (await stage.gateway.ask("usage"))["peak_kib"]
    result.rows = samples.rows(RAW, HTTPS, ACCEPT, HELD, RELAY)
    result.delivery = deliveries.rows(DELIVERY, STREAM)
    report.add_ratios(result)
    return result

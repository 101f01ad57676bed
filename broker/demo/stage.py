"""Set the stage: a private folder, a world in it, a transport, a running gateway."""

import asyncio
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr

from broker.demo.cast import plan_for, read_scenes
from broker.demo.next_steps import make_example, print_next_steps
from broker.demo.progress import Progress
from broker.demo.queues import declare_queues, shared_queues
from broker.demo.scenario import Outcome, Stage, play
from broker.demo.second.act import play_second_act
from broker.demo.second.clock import LOOK_EVERY
from broker.demo.second.house import house_of, members_of, queues_of
from broker.demo.summary import print_checks, print_failures, print_summary
from broker.demo.table import Screen, make_console
from broker.demo.transport import Choice, Chosen, chosen_transport
from broker.demo.words import Words
from broker.errors import ConfigurationError
from broker.sandbox.charters import shipped_charters
from broker.sandbox.world import Plan, World, make_world
from broker.wiring.run import running_gateway
from keys.custody.envelope import INTERACTIVE_DEMO, RECOMMENDED, KdfCost

DEFAULT_PLACE: Final = Path(".demo")
LOG_FILE: Final = "demo.log"
FROM_ONE_ADDRESS: Final = 1024
"""Connections and requests a second: eleven countries behind one address are no attack here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    stay: bool = False
    folder: Path | None = None
    transport: Choice = Choice.AUTO

    @property
    def keeps_folder(self) -> bool:
        """Whether its files are for use afterwards."""
        return self.stay or self.folder is not None

    @property
    def cost(self) -> KdfCost:
        """Of the passphrases: files that are thrown away need not resist for years."""
        return RECOMMENDED if self.keeps_folder else INTERACTIVE_DEMO


async def perform(options: Options, words: Words, environ: Mapping[str, str]) -> bool:
    """Set everything up, play, and take it down; say whether everything held.

    Raises:
        ConfigurationError: Something that was asked for cannot be had; the text says what.
    """
    _end_on_sigterm()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(private_folder(options, words))
        stack.enter_context(_logging_to(folder / LOG_FILE))
        return await _perform_in(stack, folder, options, words, environ)


async def _perform_in(
    stack: AsyncExitStack,
    folder: Path,
    options: Options,
    words: Words,
    environ: Mapping[str, str],
) -> bool:
    started = time.monotonic()
    cases = [Progress(scene=scene) for scene in read_scenes(datetime.now(UTC))]
    plan = plan_for([one.scene for one in cases], shipped_charters(datetime.now(UTC)))
    chosen = await stack.enter_async_context(
        chosen_transport(options.transport, folder, environ, words)
    )
    world = await _make_world(folder, plan, chosen, options, words)
    queues = queues_of(plan)
    if chosen.url is not None and chosen.is_private:
        await declare_queues(chosen.url, queues, words)
    elif chosen.url is not None:
        await stack.enter_async_context(shared_queues(chosen.url, queues, words))
    gateway = await stack.enter_async_context(
        running_gateway(world.settings, minimum=options.cost, escalate_every=LOOK_EVERY)
    )
    words.say("step.gateway", url=world.settings.base_url)
    stage = Stage(world=world, gateway=gateway, amqp_url=chosen.url, cost=options.cost, words=words)
    console = make_console()
    screen = Screen(console=console, words=words, cases=cases)
    outcome = await play(stack, stage, cases, screen, also=members_of(plan))
    print_checks(console, outcome.checks, words)
    print_failures(console, cases)
    words.say("step.second")
    holds = await play_second_act(house_of(stage, plan, outcome, console)) and outcome.holds
    seconds = time.monotonic() - started
    print_summary(console, outcome, words, holds=holds, transport=chosen.name, seconds=seconds)
    if options.stay:
        await _stay(world, outcome, screen)
    else:
        console.print(words.text("next.stay"))
    return holds


async def _make_world(
    folder: Path, plan: Plan, chosen: Chosen, options: Options, words: Words
) -> World:
    words.say("step.world", agencies=len(plan.agencies), desks=len(plan.desks))
    world = await make_world(
        folder / "exchange",
        plan,
        cost=options.cost,
        max_connections_per_address=FROM_ONE_ADDRESS,
        address_requests_per_second=FROM_ONE_ADDRESS,
    )
    if chosen.url is None:
        return world
    settings = world.settings.model_copy(update={"amqp_url": SecretStr(chosen.url)})
    return replace(world, settings=settings)


async def _stay(world: World, outcome: Outcome, screen: Screen) -> None:
    """Stay up until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    example = make_example(
        world, [one.scene for one in outcome.cases], frozenset(outcome.desks.running)
    )
    # Its inbox is the reader's now.
    await outcome.desks.stop([example.desk])
    print_next_steps(screen.console, world, example, screen.words)
    screen.words.say("step.staying")
    await stop.wait()
    screen.words.say("step.draining")


@contextmanager
def private_folder(options: Options, words: Words) -> Iterator[Path]:
    """Make a folder that only its owner can look into, and remove it unless it is to stay.

    Raises:
        ConfigurationError: It cannot be made, or holds something already.
    """
    folder = _make_folder(options.folder)
    words.say("step.folder", folder=folder)
    try:
        yield folder
    finally:
        if options.keeps_folder:
            words.say("step.kept", folder=folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            words.say("step.removed", folder=folder)


def _make_folder(wanted: Path | None) -> Path:
    try:
        if wanted is None:
            DEFAULT_PLACE.mkdir(mode=0o700, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=DEFAULT_PLACE.absolute(), prefix="run-"))
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(wanted.iterdir()):
            raise ConfigurationError(f"--folder {wanted}: expected a new or an empty folder")
        wanted.chmod(0o700)
        return wanted.absolute()
    except OSError as error:
        raise ConfigurationError(f"{wanted or DEFAULT_PLACE}: {error.strerror}") from None


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    """Keep the gateway's and the desks' logs off the screen, in a file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as opened:
        handler = logging.StreamHandler(opened)
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.WriteLoggerFactory(opened),
        )
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            structlog.reset_defaults()


def _end_on_sigterm() -> None:
    """Take everything down on SIGTERM too, as on Ctrl-C."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

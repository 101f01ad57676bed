"""The sending agencies: each signs and posts with its own keys, and asks what became of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from broker.demo.progress import Board, Progress
from broker.desk.client import EnlaceClient
from broker.desk.connection import ClientSettings
from broker.desk.failures import DeskError
from broker.desk.retry import RetryPolicy
from broker.errors import BrokerError
from broker.model.names import AgencyRef
from broker.sandbox.world import World
from schemas.vocabulary import Language

AT_ONCE: Final = 2
"""Postings under way: more, in one process on a small machine, would only measure waiting."""
SETTINGS: Final = ClientSettings(retries=RetryPolicy(deadline=timedelta(seconds=20)))
"""Less patient than in life: whoever watches wants to know."""
ROUND: Final = timedelta(milliseconds=50)
UNHURRIED: Final = timedelta(seconds=1)
"""How often we ask for what does not seem to move."""

Senders = Mapping[AgencyRef, EnlaceClient]


@asynccontextmanager
async def open_senders(
    world: World, agencies: Collection[AgencyRef], *, language: Language = Language.ENGLISH
) -> AsyncIterator[Senders]:
    """Connect the agencies; each gets its token, and reads and verifies the directory.

    Args:
        world: Where they are.
        agencies: Who sends.
        language: In which the gateway explains its refusals to them.
    """
    async with AsyncExitStack() as stack:
        senders = {
            agency: await stack.enter_async_context(
                world.client(agency, settings=SETTINGS, language=language)
            )
            for agency in sorted(agencies)
        }
        for client in senders.values():
            await client.directory()
        yield senders


async def post_all(senders: Senders, cases: Sequence[Progress], board: Board) -> None:
    """Post all cases, replies after all else; a refusal is noted at its case."""
    places = asyncio.Semaphore(AT_ONCE)

    async def post(progress: Progress) -> None:
        async with places:
            await _post(senders[progress.scene.sender], progress)
            board.changed(progress)

    for is_reply in (False, True):
        # Nobody can answer what has not come yet.
        part = [one for one in cases if one.scene.is_reply is is_reply]
        await asyncio.gather(*(post(progress) for progress in part))


async def follow(
    senders: Senders,
    cases: Sequence[Progress],
    board: Board,
    *,
    until: Callable[[Progress], bool],
    deadline: timedelta,
) -> None:
    """Ask what became of the cases, until it is enough for each, or the deadline."""
    asked: dict[str, float] = {}
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            while waiting := [one for one in cases if not until(one)]:
                for progress in waiting:
                    if _is_due(progress, asked):
                        asked[progress.scene.id] = time.monotonic()
                        await _ask(senders[progress.scene.sender], progress)
                        board.changed(progress)
                await asyncio.sleep(ROUND.total_seconds())
    except TimeoutError:
        for progress in cases:
            if not until(progress):
                progress.problem = "timeout"
                board.changed(progress)


async def _post(client: EnlaceClient, progress: Progress) -> None:
    posting = client.sign(progress.scene.body)
    progress.start()
    started = time.perf_counter()
    try:
        progress.accepted = await client.send(posting)
    except (DeskError, BrokerError) as error:
        progress.problem = str(error)
        return
    progress.accept_ms = (time.perf_counter() - started) * 1000


def _is_due(progress: Progress, asked: Mapping[str, float]) -> bool:
    if progress.accepted is None or progress.problem is not None:
        return False
    # Worth asking: it may have been routed, or the last desk has just opened it.
    is_hot = progress.routed < len(progress.scene.desks) or progress.opened == set(
        progress.scene.desks
    )
    since = time.monotonic() - asked.get(progress.scene.id, 0.0)
    return is_hot or since >= UNHURRIED.total_seconds()


async def _ask(client: EnlaceClient, progress: Progress) -> None:
    try:
        progress.status = await client.status(progress.scene.id)
    except (DeskError, BrokerError) as error:
        progress.problem = str(error)

"""The play: post, prove, receive, verify."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from broker.demo.desks import Desks, receiving_desks, wait_until_ready
from broker.demo.evidence import check_evidence, check_inboxes
from broker.demo.progress import Progress
from broker.demo.proofs import (
    Check,
    Ledger,
    ledger_of,
    prove_ledger_unreadable,
    prove_queue_unreadable,
    prove_sealed,
    prove_search,
    prove_signature_counts,
)
from broker.demo.senders import Senders, follow, open_senders, post_all
from broker.demo.table import Screen
from broker.demo.words import Words
from broker.gateway.context import Gateway
from broker.model.names import DeskRef, MessageId
from broker.sandbox.world import World
from keys.custody.envelope import KdfCost
from schemas.vocabulary import Language

HELD: Final = 3
"""Cases that are posted before any desk is there, so that something lies in the queues."""
ROUTED_DEADLINE: Final = timedelta(seconds=30)
FINISHED_DEADLINE: Final = timedelta(seconds=90)
"""For all cases; a free machine takes 2 s."""
NOT_IN_QUEUE: Final = "proof.no-queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the play needs."""

    world: World
    gateway: Gateway
    amqp_url: str | None
    cost: KdfCost
    """Of the gateway's passphrase."""
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it."""

    cases: Sequence[Progress]
    checks: Sequence[Check]
    desks: Desks
    """Still at work."""
    senders: Senders
    """Still connected."""
    followed: dict[MessageId, Progress]
    """The messages that the desks tell of when they open them; more may be added."""

    @property
    def holds(self) -> bool:
        """Whether every case arrived and every check holds."""
        return all(one.is_complete for one in self.cases) and all(
            check.holds for check in self.checks
        )


async def play(
    stack: AsyncExitStack,
    stage: Stage,
    cases: Sequence[Progress],
    screen: Screen,
    *,
    also: Collection[DeskRef] = (),
) -> Outcome:
    """Play all of it; what it opens stays open as long as the stack.

    Args:
        stack: Closes it.
        stage: Where it is played.
        cases: What is sent.
        screen: Where the reader follows.
        also: Desks that receive besides those to which something is sent.

    Raises:
        DeskError, BrokerError: A client or a desk cannot work at all.
    """
    say, ledger = stage.words.say, ledger_of(stage.world)
    scenes = [one.scene for one in cases]
    before = ledger.raw()
    agencies = {scene.sender for scene in scenes}
    say("step.senders", count=len(agencies))
    language = Language(stage.words.language)
    senders = await stack.enter_async_context(
        open_senders(stage.world, agencies, language=language)
    )
    followed = {one.scene.id: one for one in cases}
    with screen.showing():
        held = _hold(cases)
        checks = await _prove(stage, senders, held, ledger=ledger, before=before, screen=screen)
        addressed = {desk for one in cases for desk in one.scene.desks}
        desks = await stack.enter_async_context(
            _desks(stage, addressed | {*also}, followed, screen)
        )
        await wait_until_ready(desks, lambda: _open_streams(stage.gateway))
        say("step.rest", count=len(cases) - len(held))
        await _deliver(senders, cases, desks, screen)
    say("step.verify")
    checks += await check_evidence(stage.world, senders, cases)
    directory = await senders[scenes[0].sender].directory()
    checks += await asyncio.to_thread(
        lambda: [
            check_inboxes(stage.world, directory, cases),
            prove_ledger_unreadable(ledger, scenes, before),
            prove_search(scenes, before),
        ]
    )
    return Outcome(cases=cases, checks=checks, desks=desks, senders=senders, followed=followed)


def _hold(cases: Sequence[Progress]) -> list[Progress]:
    """Choose a few, from the beginning, the middle and the end."""
    free = [one for one in cases if not one.scene.is_reply]
    held = free[:: max(len(free) // HELD, 1)][:HELD]
    for progress in held:
        progress.is_held = True
    return held


async def _prove(
    stage: Stage,
    senders: Senders,
    held: Sequence[Progress],
    *,
    ledger: Ledger,
    before: bytes,
    screen: Screen,
) -> list[Check]:
    say = stage.words.say
    say("step.hold", count=len(held))
    await post_all(senders, held, screen)
    await follow(senders, held, screen, until=_is_routed, deadline=ROUTED_DEADLINE)
    scenes = [one.scene for one in held if one.problem is None]
    if not scenes:
        return []
    say("step.prove")
    checks = [prove_ledger_unreadable(ledger, scenes, before)]
    checks += [await prove_signature_counts(senders[scenes[0].sender], scenes[0])]
    checks += prove_sealed(stage.world, scenes[0], minimum=stage.cost)
    if stage.amqp_url is None:
        return [*checks, Check(key=NOT_IN_QUEUE, holds=True)]
    return [*checks, await prove_queue_unreadable(stage.amqp_url, ledger, scenes, before)]


def _desks(
    stage: Stage,
    receiving: Collection[DeskRef],
    followed: Mapping[MessageId, Progress],
    screen: Screen,
) -> AbstractAsyncContextManager[Desks]:
    in_table = {one.scene.id for one in screen.cases}

    def opened(desk: DeskRef, message_id: MessageId) -> None:
        # After the scenario a reader's own messages come too.
        if message_id in followed:
            followed[message_id].opened.add(desk)
        if message_id in in_table:
            screen.changed(followed[message_id])

    stage.words.say("step.desks", count=len(receiving))
    return receiving_desks(stage.world, receiving, opened)


async def _deliver(
    senders: Senders, cases: Sequence[Progress], desks: Desks, screen: Screen
) -> None:
    def is_finished(progress: Progress) -> bool:
        desks.check()
        return progress.is_finished

    rest = [one for one in cases if not one.is_held]
    await asyncio.gather(
        post_all(senders, rest, screen),
        follow(senders, cases, screen, until=is_finished, deadline=FINISHED_DEADLINE),
    )


def _is_routed(progress: Progress) -> bool:
    return progress.problem is not None or progress.routed == len(progress.scene.desks)


def _open_streams(gateway: Gateway) -> float:
    return gateway.metrics.registry.get_sample_value("enlace_open_streams") or 0.0

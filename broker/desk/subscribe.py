"""Receive, open, store, and only then acknowledge.

What is acknowledged is on this desk's disk. A crash at any moment costs at most that some
messages are handed over again; the inbox knows them, and they are acknowledged and not
stored a second time. A refusal is final, so this desk's own faults are never answered with
one: the subscription stops, and somebody mends them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from broker.desk.client import EnlaceClient
from broker.desk.desk_calls import Refusal
from broker.desk.failures import DeskError, UnreachableError
from broker.desk.leave_compromised import moving_away
from broker.desk.line import message_line, refusal_line
from broker.desk.open import OpenedMessage
from broker.desk.opener import Opener, Unopened
from broker.desk.reading import Reader
from broker.desk.store import Entry, Store
from broker.desk.wire import ContentRef, NotSettled, ReceivedHandOver, Settled
from broker.model.names import HandOverNumber, QueueName
from schemas.loader import SchemaSet

BATCH: Final = 32
"""Messages for one fsync and one acknowledgement; opened in about 50 ms."""
WAITING: Final = 32
"""Received and not yet looked at. With a batch under way, 64 of the largest: 32 MiB."""


log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a subscription has done so far."""

    stored: int = 0
    """New in the inbox."""
    repeated: int = 0
    """Handed over again; acknowledged again, not stored again."""
    refused: int = 0


class Subscription:
    """One desk's standing order: everything that comes, into one inbox.

    Args:
        client: Open, and of a desk's profile.
        inbox: Where messages go; durable when ``append`` returns.
        refused: Where a note goes of each message that was returned; without content.
        schemas: Those that this desk knows.
        reader: Who reads what the inbox shows at once; None where it only keeps.
    """

    def __init__(
        self,
        client: EnlaceClient,
        *,
        inbox: Store,
        refused: Store,
        schemas: SchemaSet,
        reader: Reader | None = None,
    ) -> None:
        self.totals = Totals()
        self._reader = reader
        self._not_shown: dict[ContentRef, DeskError] = {}
        self._client = client
        self._inbox = inbox
        self._refused = refused
        self._opener = Opener(client, schemas, inbox.lines_of)

    async def run(self, queues: Sequence[QueueName] = (), *, idle: timedelta | None = None) -> None:
        """Receive until cancelled, or until nothing has come for so long.

        Args:
            queues: None means all of the desk's.
            idle: None never ends.

        Raises:
            NotReadyError: A message cannot be judged before something here is mended. It was
                not answered; the others of its batch were.
            StoreError: The inbox cannot be written; nothing of the batch was acknowledged.
            ProblemError: The gateway refuses this desk.
            EvidenceError: It signed a receipt that proves something else.
            UnreachableError: Before the first directory came; later the stream waits.
            UseNotNotedError, UnreachableError: In the end, where the use of a message was not
                noted; it was neither shown nor acknowledged, and all others were.
        """
        await self._opener.refresh_directory()
        async with self._arriving(queues) as arrivals, moving_away(self._client):
            while batch := await _next_batch(arrivals, idle):
                await self._take(batch)
        for error in self._not_shown.values():
            raise error

    @asynccontextmanager
    async def _arriving(
        self, queues: Sequence[QueueName]
    ) -> AsyncIterator["asyncio.Queue[ReceivedHandOver | Exception]"]:
        # Bounded: when the disk is slow the stream waits, and the gateway with it.
        arrivals: asyncio.Queue[ReceivedHandOver | Exception] = asyncio.Queue(WAITING)
        reader = asyncio.create_task(self._receive(queues, arrivals))
        try:
            yield arrivals
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def _receive(
        self,
        queues: Sequence[QueueName],
        arrivals: "asyncio.Queue[ReceivedHandOver | Exception]",
    ) -> None:
        last = max(self._inbox.last_hand_over, self._refused.last_hand_over)
        try:
            stream = self._client.stream(queues, last_event_id=HandOverNumber(last))
            async with aclosing(stream) as hand_overs:
                async for hand_over in hand_overs:
                    await arrivals.put(hand_over)
        except Exception as error:  # noqa: BLE001 - raised again where the batches are taken
            await arrivals.put(error)

    async def _take(self, batch: Sequence[ReceivedHandOver]) -> None:
        """Bring one batch from the wire to the disk, and answer it."""
        fresh = {each.ref: each for each in batch if not self._inbox.holds(each.ref)}
        outcome = await self._opener.open(tuple(fresh.values()))
        opened: Sequence[OpenedMessage] = outcome.opened
        unopened = outcome.unopened
        for not_ready in outcome.not_ready:
            log.error("hand-over:not-ready", step=not_ready.step)
        if self._reader is not None:
            not_shown = await self._not_noted(self._reader, opened)
            # Neither kept nor answered: it comes again, to who may read it.
            opened = [each for each in opened if each.hand_over.ref not in not_shown]
            self._not_shown.update(not_shown)
        await asyncio.to_thread(self._store, opened, unopened)
        # A crash here loses nothing: the messages come again, and the inbox knows them.
        stored = [each.hand_over.ref for each in opened]
        repeated = [each.ref for each in batch if each.ref not in fresh]
        await self._acknowledge(list(dict.fromkeys([*stored, *repeated])))
        await self._refuse(unopened)
        self.totals = replace(
            self.totals,
            stored=self.totals.stored + len(stored),
            repeated=self.totals.repeated + len(repeated),
            refused=self.totals.refused + len(unopened),
        )
        for ref in stored:
            self._not_shown.pop(ref, None)
        if outcome.not_ready:
            # Not answered: its lease ends, and it comes again to a desk that was mended.
            raise outcome.not_ready[0]

    async def _not_noted(
        self, reader: Reader, opened: Sequence[OpenedMessage]
    ) -> Mapping[ContentRef, DeskError]:
        """State the use of these; name those that may not be shown, and why."""
        try:
            return await reader.state(self._client, opened)
        except UnreachableError as error:
            log.warning("use:postponed", count=len(opened))
            return {each.hand_over.ref: error for each in opened}

    def _store(self, opened: Sequence[OpenedMessage], unopened: Sequence[Unopened]) -> None:
        """Write what came; on the disk when it returns."""
        now = self._client.timing.clock()
        # A crash before the end of either loses nothing: nothing was answered yet.
        self._inbox.append(
            [_entry(each.hand_over, message_line(each, received_at=now)) for each in opened]
        )
        self._refused.append(
            [
                _entry(
                    each.hand_over,
                    refusal_line(each.hand_over, each.reason, step=each.step, refused_at=now),
                )
                for each in unopened
                if not self._refused.holds(each.hand_over.ref)
            ]
        )

    async def _acknowledge(self, refs: Sequence[ContentRef]) -> None:
        for start in range(0, len(refs), BATCH):
            part = refs[start : start + BATCH]
            try:
                _report(await self._client.acknowledge(part))
            except UnreachableError:
                # They are stored; the gateway hands them over again, and we say so again.
                log.warning("acknowledgement:postponed", count=len(part))

    async def _refuse(self, unopened: Sequence[Unopened]) -> None:
        for each in unopened:
            log.warning("message:refused", reason=each.reason.value, step=each.step)
        try:
            _report(
                await self._client.refuse(
                    [
                        Refusal(ref=each.hand_over.ref, reason=each.reason, rule=each.rule)
                        for each in unopened
                    ]
                )
            )
        except UnreachableError:
            log.warning("refusal:postponed", count=len(unopened))


async def _next_batch(
    arrivals: "asyncio.Queue[ReceivedHandOver | Exception]", idle: timedelta | None
) -> Sequence[ReceivedHandOver]:
    """Wait for one arrival and take along what is there; empty after an idle time."""
    try:
        async with asyncio.timeout(None if idle is None else idle.total_seconds()):
            batch = [await arrivals.get()]
    except TimeoutError:
        return ()
    while len(batch) < BATCH and not arrivals.empty():
        batch.append(arrivals.get_nowait())
    good = [each for each in batch if not isinstance(each, Exception)]
    errors = [each for each in batch if isinstance(each, Exception)]
    if errors:
        # What came with it is still leased to us, and comes again.
        raise errors[0]
    return good


def _entry(hand_over: ReceivedHandOver, line: bytes) -> Entry:
    return Entry(ref=hand_over.ref, hand_over=hand_over.hand_over, line=line)


def _report(results: Sequence[Settled | NotSettled]) -> None:
    for result in results:
        if isinstance(result, NotSettled):
            log.warning("answer:not-settled", code=result.code)
        else:
            log.info("answer:settled", state=result.state.value)

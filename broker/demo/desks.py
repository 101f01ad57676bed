"""The receiving desks: each with its own keys, its own subscription and its own inbox.

They run in this process as tasks, and share nothing but the processor. In life each is a
program of its own, in its own country.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from broker.desk.inbox import INBOX_FILE, REFUSED_FILE, Inbox
from broker.desk.store import Entry
from broker.desk.subscribe import Subscription
from broker.desk.wire import ContentRef
from broker.model.names import DeskRef, HandOverNumber, MessageId
from broker.sandbox.world import World
from schemas.loader import SchemaSet

READY_DEADLINE = timedelta(seconds=30)
READY_PROBE = timedelta(milliseconds=50)

OnOpened = Callable[[DeskRef, MessageId], None]


@dataclass(frozen=True, slots=True)
class WatchedInbox:
    """An inbox that says what was stored; a ``store.Store``."""

    inbox: Inbox
    desk: DeskRef
    on_opened: OnOpened
    loop: asyncio.AbstractEventLoop

    @property
    def last_hand_over(self) -> HandOverNumber:
        """See ``Store.last_hand_over``."""
        return self.inbox.last_hand_over

    def holds(self, ref: ContentRef) -> bool:
        """See ``Store.holds``."""
        return self.inbox.holds(ref)

    def lines_of(self, ids: Collection[MessageId]) -> Sequence[bytes]:
        """See ``Store.lines_of``."""
        return self.inbox.lines_of(ids)

    def append(self, entries: Sequence[Entry]) -> None:
        """See ``Store.append``; called in a thread."""
        self.inbox.append(entries)
        for entry in entries:
            self.loop.call_soon_threadsafe(self.on_opened, self.desk, entry.ref.message_id)


@dataclass(slots=True, kw_only=True)
class Desks:
    """The desks at work."""

    receive: Callable[[DeskRef], Coroutine[Any, Any, None]]
    """What a desk does all day."""
    running: dict[DeskRef, asyncio.Task[None]] = field(default_factory=dict)

    def start(self, desk: DeskRef) -> None:
        """Let a desk receive, until it is stopped."""
        self.running[desk] = asyncio.create_task(self.receive(desk))

    @asynccontextmanager
    async def away(self, desk: DeskRef) -> AsyncIterator[None]:
        """Let a desk leave its inbox to somebody else for as long as the context lasts."""
        await self.stop([desk])
        yield
        self.start(desk)

    def check(self) -> None:
        """Raise what ended a desk, if something did; none ends by itself."""
        for task in self.running.values():
            if task.done():
                task.result()

    async def stop(self, desks: Collection[DeskRef]) -> None:
        """Let these desks go home; whoever holds their keys may take their place."""
        tasks = [self.running.pop(desk) for desk in desks if desk in self.running]
        for task in tasks:
            task.cancel()
        # What ended a desk was raised by ``check`` while it mattered.
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def receiving_desks(
    world: World, desks: Collection[DeskRef], on_opened: OnOpened
) -> AsyncIterator[Desks]:
    """Let these desks receive for as long as the context lasts."""
    schemas = SchemaSet.load()
    working = Desks(receive=lambda desk: _receive(world, desk, on_opened, schemas))
    for desk in sorted(desks):
        working.start(desk)
    try:
        yield working
    finally:
        await working.stop(tuple(working.running))


def inbox_file(world: World, desk: DeskRef) -> Path:
    """Where a desk keeps what it opened."""
    return world.folder_of(desk) / INBOX_FILE


async def wait_until_ready(desks: Desks, open_streams: Callable[[], float]) -> None:
    """Return once every desk listens, or after 30 s: then the rest comes late, or never."""
    try:
        async with asyncio.timeout(READY_DEADLINE.total_seconds()):
            while open_streams() < len(desks.running):
                desks.check()
                await asyncio.sleep(READY_PROBE.total_seconds())
    except TimeoutError:
        return


async def _receive(world: World, desk: DeskRef, on_opened: OnOpened, schemas: SchemaSet) -> None:
    folder, loop = world.folder_of(desk), asyncio.get_running_loop()
    async with world.client(desk) as client:
        with Inbox(folder / INBOX_FILE) as inbox, Inbox(folder / REFUSED_FILE) as refused:
            watched = WatchedInbox(inbox=inbox, desk=desk, on_opened=on_opened, loop=loop)
            await Subscription(client, inbox=watched, refused=refused, schemas=schemas).run()

"""A client that receives so many messages and no more; what it leaves comes to the next one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Self

from broker.desk.client import EnlaceClient
from broker.desk.desk_calls import Refusal
from broker.desk.wire import ContentRef, NotSettled, ReceivedHandOver, Settled
from broker.model.names import HandOverNumber, QueueName


class Counted(EnlaceClient):
    """Lets the first messages through, their repetitions too, and holds back all others."""

    _at_most: int | None = None
    _seen: set[ContentRef]
    _answered: set[ContentRef]
    _changed: asyncio.Event

    @classmethod
    def of(cls, client: EnlaceClient, *, at_most: int | None) -> Self:
        """Make one from a client that is not open yet."""
        counted = cls.of_wallet(client.wallet, timing=client.timing)
        counted.count_to(at_most)
        return counted

    def count_to(self, at_most: int | None) -> None:
        """Begin to count; None lets all through."""
        self._at_most = at_most
        self._seen, self._answered = set(), set()
        self._changed = asyncio.Event()

    async def answered_all(self) -> None:
        """Return once so many messages have been answered."""
        while self._at_most is None or len(self._answered) < self._at_most:
            await self._changed.wait()
            self._changed.clear()

    async def stream(
        self,
        queues: Sequence[QueueName] = (),
        *,
        last_event_id: HandOverNumber | None = None,
    ) -> AsyncGenerator[ReceivedHandOver]:
        """See ``EnlaceClient.stream``."""
        async with aclosing(super().stream(queues, last_event_id=last_event_id)) as hand_overs:
            async for each in hand_overs:
                if self._lets_through(each.ref):
                    yield each

    async def acknowledge(self, refs: Sequence[ContentRef]) -> tuple[Settled | NotSettled, ...]:
        """See ``EnlaceClient.acknowledge``."""
        results = await super().acknowledge(refs)
        self._note(refs)
        return results

    async def refuse(self, refusals: Sequence[Refusal]) -> tuple[Settled | NotSettled, ...]:
        """See ``EnlaceClient.refuse``."""
        results = await super().refuse(refusals)
        self._note([each.ref for each in refusals])
        return results

    def _lets_through(self, ref: ContentRef) -> bool:
        if self._at_most is not None and len(self._seen | {ref}) > self._at_most:
            return False
        self._seen.add(ref)
        return True

    def _note(self, refs: Sequence[ContentRef]) -> None:
        self._answered.update(refs)
        self._changed.set()

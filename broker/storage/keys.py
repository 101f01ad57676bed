"""What does the ledger know of keys? Ties the parts of ``KeyLedger`` to one writer.

``key_counts``: what is sealed to a key; ``affected``: what it ever opened; ``waiting_wraps``
and ``rewrapping``: from one key to the next; ``notices``: who has taken up what, and was told.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from broker.model.events import Notice
from broker.model.names import DeliveryNumber, DeskRef
from broker.ports.keys import (
    AffectedDelivery,
    InFlight,
    NumberedNotice,
    Pickup,
    Rewrap,
    Rewrapped,
    WaitingWrap,
)
from broker.ports.messages import Overtaken
from broker.ports.receipts import SignReceipt
from broker.storage import affected, waiting_wraps
from broker.storage.database import Database
from broker.storage.group_commit import GroupCommit
from broker.storage.key_counts import count_in_flight, read_emptied, read_last_uses
from broker.storage.notices import (
    ADD_NOTICE,
    NOTE_PICKUP,
    list_notices,
    list_pickups,
    was_told,
)
from broker.storage.rewrapping import REWRAP, Rewrapping
from keys.identifiers import KeyId
from schemas.vocabulary import Country


class StoredKeys:
    """The ledger's ``KeyLedger``; the port says what each method promises."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits

    async def in_flight(self, kids: Collection[KeyId] | None = None) -> Sequence[InFlight]:
        """See ``KeyLedger.in_flight``."""
        return await self._database.read(partial(count_in_flight, kids=kids))

    async def last_uses(self, kids: Collection[KeyId]) -> Mapping[KeyId, datetime]:
        """See ``KeyLedger.last_uses``."""
        return await self._database.read(partial(read_last_uses, kids=kids))

    async def emptied(self, kids: Collection[KeyId]) -> Mapping[KeyId, datetime]:
        """See ``KeyLedger.emptied``."""
        return await self._database.read(partial(read_emptied, kids=kids))

    async def affected(
        self,
        kid: KeyId,
        *,
        since: datetime | None = None,
        after: DeliveryNumber | None = None,
        limit: int,
    ) -> Sequence[AffectedDelivery]:
        """See ``KeyLedger.affected``."""
        asked = affected.Question(kid=kid, since=since, after=after, limit=limit)
        return await self._database.read(partial(affected.list_affected, asked=asked))

    async def waiting_wraps(
        self, desk: DeskRef, kid: KeyId, *, after: DeliveryNumber | None = None, limit: int
    ) -> Sequence[WaitingWrap]:
        """See ``KeyLedger.waiting_wraps``."""
        asked = waiting_wraps.Question(desk=desk, kid=kid, after=after, limit=limit)
        return await self._database.read(partial(waiting_wraps.list_waiting_wraps, asked=asked))

    async def rewrap(
        self,
        rewraps: Sequence[Rewrap],
        *,
        now: datetime,
        sign: SignReceipt,
        directory_version: int | None = None,
    ) -> Sequence[Rewrapped | None] | Overtaken:
        """See ``KeyLedger.rewrap``."""
        wanted = Rewrapping(
            rewraps=rewraps, now=now, sign=sign, directory_version=directory_version
        )
        return await self._commits.submit(REWRAP, wanted)

    async def note_pickup(self, party: str, version: int, at: datetime) -> None:
        """See ``KeyLedger.note_pickup``."""
        await self._commits.submit(NOTE_PICKUP, Pickup(party=party, version=version, at=at))

    async def pickups(self) -> Sequence[Pickup]:
        """See ``KeyLedger.pickups``."""
        return await self._database.read(list_pickups)

    async def was_told(self, country: Country, subject: bytes) -> bool:
        """See ``KeyLedger.was_told``."""
        return await self._database.read(partial(was_told, country=country, subject=subject))

    async def add_notice(self, notice: Notice) -> bool:
        """See ``KeyLedger.add_notice``."""
        return await self._commits.submit(ADD_NOTICE, notice)

    async def notices(
        self, country: Country, *, after: int | None = None, limit: int
    ) -> Sequence[NumberedNotice]:
        """See ``KeyLedger.notices``."""
        return await self._database.read(
            partial(list_notices, country=country, after=after or 0, limit=limit)
        )

"""What the ledger's tests share: a database to open, and messages to put into it."""

import os
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from broker.model.answers import DeskAnswer
from broker.model.delivery import HandOver
from broker.model.events import Event, RefusalReason
from broker.model.message import Acceptance, Route
from broker.model.names import (
    AgencyRef,
    ContentHash,
    DeskRef,
    LogPosition,
    MessageId,
    QueueName,
    pair_queue,
)
from broker.storage.connect import connect
from broker.storage.database import Limits, Work
from broker.storage.ledger import Ledger, open_ledger
from broker.storage.migrate import upgrade
from keys import base64url
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country, Kind, Urgency

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
FISCALIA = AgencyRef(country=Country.MEXICO, agency="fiscalia")
SIGNING_KEY = KeyId("MX-fiscalia-1")
DESK_TOKEN = "signed by the desk"
GUATEMALA = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
QUEUES = tuple(
    QueueName(f"MX.{country}.{compartment}") for country in Country for compartment in Compartment
)
"""All that these tests know; a session asks for its desk's own."""
LIMITS = Limits(deadline=timedelta(seconds=30))
"""Patient: the machine that tests may be busy with much else."""


@dataclass(slots=True)
class Signer:
    """Signs receipts that tests can read, and remembers the positions."""

    events: list[tuple[LogPosition, Event]] = field(default_factory=list)

    def __call__(self, event: Event, position: LogPosition) -> str:
        """Write event and place into the token."""
        self.events.append((position, event))
        return f"{position}:{event.kind}:{event.message_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A database that a test may open as often as it likes, as if by several processes."""

    url: str
    dialect: str

    def open(self, limits: Limits = LIMITS) -> AbstractAsyncContextManager[Ledger]:
        """Open the ledger once more."""
        return open_ledger(self.url, limits=limits)

    async def run(self, work: Work[object]) -> object:
        """Look behind the ledger's back."""
        database = connect(self.url, limits=LIMITS)
        try:
            return await database.write(work)
        finally:
            await database.close()

    async def positions(self) -> list[int]:
        """Read the log's positions, in order."""

        def read(connection: Connection) -> list[int]:
            rows = connection.execute(text("SELECT position FROM log ORDER BY position"))
            return list(rows.scalars())

        found = await self.run(read)
        assert isinstance(found, list)
        return found


class Maker:
    """Makes messages, answers and what belongs to them; no two alike unless asked."""

    now = NOW
    sender = FISCALIA
    desk = GUATEMALA

    def __init__(self) -> None:
        self.sign = Signer()
        self._made = 0

    def acceptance(
        self,
        *,
        message_id: str | None = None,
        sender: AgencyRef = FISCALIA,
        body: bytes = b"body",
        desks: tuple[DeskRef, ...] = (GUATEMALA,),
        expires: datetime = NOW + timedelta(days=1),
    ) -> Acceptance:
        """Make what one accepted message adds."""
        self._made += 1
        sealed = f"sealed {self._made}".encode()
        return Acceptance(
            message_id=MessageId(message_id or f"018f0000-0000-7000-8000-{self._made:012x}"),
            sender=sender,
            body_mac=sha256(body).digest(),
            kind=Kind.ROUTE_REPORT,
            version="1.0",
            urgency=Urgency.PRIORITY,
            created=NOW - timedelta(seconds=1),
            expires=expires,
            accepted_at=NOW,
            content_hash=ContentHash(base64url.encode(sha256(sealed).digest())),
            sealed=sealed,
            routes=tuple(
                Route(desk=desk, queue=pair_queue(sender.country, desk), rule="open-pair")
                for desk in desks
            ),
            recipient_keys={desk: KeyId(f"{desk.country}-desk-1") for desk in desks},
            signing_key=SIGNING_KEY,
        )

    def answer(
        self,
        handed: HandOver | Acceptance,
        *,
        desk: DeskRef = GUATEMALA,
        reason: RefusalReason | None = None,
        token: str = DESK_TOKEN,
    ) -> DeskAnswer:
        """Make a desk's word on what it was handed."""
        return DeskAnswer(
            desk=desk,
            message_id=handed.message_id,
            content_hash=handed.content_hash,
            reason=reason,
            answered_at=NOW,
            token=token,
        )

    async def dispatched(self, ledger: Ledger, *acceptances: Acceptance) -> None:
        """Record messages and have all that is unpublished dispatched."""
        for acceptance in acceptances:
            await ledger.messages.record(acceptance, sign=self.sign)
        claimed = await ledger.deliveries.claim_unpublished(
            limit=1000, claimant="maker", now=NOW, until=NOW + timedelta(seconds=1)
        )
        await ledger.deliveries.mark_dispatched([one.number for one in claimed], at=NOW)

    async def handed(
        self, ledger: Ledger, *acceptances: Acceptance, holder: str = "holder"
    ) -> list[HandOver]:
        """Record messages and have them leased for a minute."""
        await self.dispatched(ledger, *acceptances)
        queues = {route.queue for acceptance in acceptances for route in acceptance.routes}
        waiting = await ledger.deliveries.waiting(queues, limit=1000, now=NOW)
        leased = await ledger.deliveries.lease(
            [number for number, _ in waiting],
            queues=QUEUES,
            holder=holder,
            now=NOW,
            until=NOW + timedelta(minutes=1),
        )
        return list(leased)


@dataclass(slots=True)
class Server:
    """A PostgreSQL server, with a migrated database that tests take copies of."""

    url: URL
    template: str = f"enlace_template_{os.getpid()}"
    made: int = 0
    has_template: bool = False

    async def empty(self) -> URL:
        """Make a database without any schema."""
        self.made += 1
        name = f"enlace_test_{os.getpid()}_{self.made}"
        await self._do(f"CREATE DATABASE {name}")
        return self.url.set(database=name)

    async def migrated(self) -> URL:
        """Make a database with our schema."""
        if not self.has_template:
            self.has_template = True
            await self._do(f"CREATE DATABASE {self.template}")
            await upgrade(plain(self.url.set(database=self.template)))
        self.made += 1
        name = f"enlace_test_{os.getpid()}_{self.made}"
        await self._do(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return self.url.set(database=name)

    async def drop(self, url: URL) -> None:
        """Remove a database, whoever is still connected."""
        await self._do(f"DROP DATABASE {url.database} WITH (FORCE)")

    async def _do(self, statement: str) -> None:
        engine = create_async_engine(self.url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()


def plain(url: URL) -> str:
    """Write a URL out, password and all."""
    return url.render_as_string(hide_password=False)

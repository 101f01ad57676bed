"""The ledger as one thing: opened once, closed once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from broker.ports.deliveries import DeliveryLedger
from broker.ports.directory import DirectoryStore
from broker.ports.keys import KeyLedger
from broker.ports.messages import MessageLedger
from broker.ports.proofs import ProofStore
from broker.ports.recalls import RecallLedger
from broker.ports.requests import RequestLedger
from broker.ports.retention import RetentionLedger
from broker.storage.connect import connect
from broker.storage.database import Database, Limits
from broker.storage.deliveries import StoredDeliveries
from broker.storage.directory import StoredDirectory
from broker.storage.group_commit import GroupCommit
from broker.storage.keys import StoredKeys
from broker.storage.messages import StoredMessages
from broker.storage.migrate import check_connection
from broker.storage.proofs import StoredProofs
from broker.storage.recalls import StoredRecalls
from broker.storage.requests import StoredRequests
from broker.storage.retention import StoredRetention


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that the exchange remembers; one writer serves all."""

    messages: MessageLedger
    deliveries: DeliveryLedger
    proofs: ProofStore
    directory: DirectoryStore
    keys: KeyLedger
    recalls: RecallLedger
    retention: RetentionLedger
    requests: RequestLedger


@asynccontextmanager
async def open_ledger(url: str, *, limits: Limits | None = None) -> AsyncIterator[Ledger]:
    """Open the ledger; on leaving, what was submitted is finished first.

    Args:
        url: ``sqlite:///path`` or ``postgresql+asyncpg://user@host/name``.
        limits: How much it takes on; the defaults suit one gateway process.

    Raises:
        ConfigurationError: The URL is of no kind that we know, or the schema is not this
            program's; the text says what to do.
        LedgerUnavailableError: The database does not answer.
    """
    database = connect(url, limits=limits or Limits())
    try:
        await database.read(check_connection)
        async with serve(database) as ledger:
            yield ledger
    finally:
        await database.close()


@asynccontextmanager
async def serve(database: Database) -> AsyncIterator[Ledger]:
    """Put the ledger on a database that is open, and has the right schema."""
    commits = GroupCommit(database.write, database.limits)
    try:
        yield Ledger(
            messages=StoredMessages(database, commits),
            deliveries=StoredDeliveries(database, commits),
            proofs=StoredProofs(commits),
            directory=StoredDirectory(database, commits),
            keys=StoredKeys(database, commits),
            recalls=StoredRecalls(database, commits),
            retention=StoredRetention(database, commits),
            requests=StoredRequests(database, commits),
        )
    finally:
        await commits.close()

"""What have the administrators set up?"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeAlias

from sqlalchemy import Connection, DateTime, Table, and_, func, insert, select, update

from broker.directory import AgencyRecord, ClientRecord, DirectoryRecord
from broker.model.names import DeskRef
from broker.storage import directory_rows as rows
from broker.storage.database import Database
from broker.storage.group_commit import GroupCommit, Sort, one_by_one
from broker.storage.tables import agencies, clients, countries, desks, heads, statements
from broker.storage.transaction import Transaction
from schemas.vocabulary import Country

VERSION = select(heads.c.directory)
DOCUMENTS = select(statements.c.token, statements.c.recorded_at).order_by(statements.c.number)
NOW = select(func.current_timestamp(type_=DateTime(timezone=True)))
VERSIONS = select(statements.c.token, statements.c.version).where(statements.c.version.is_not(None))
LAST_STATEMENT = select(func.coalesce(func.max(statements.c.number), 0))
Values: TypeAlias = Mapping[str, str | None]
Change: TypeAlias = Callable[[Transaction], bool]
"""Changes a table and says so, or finds that nothing has to change."""


def change(transaction: Transaction, wanted: Change) -> None:
    """Make a change and, if it was one, a new version of the directory."""
    if wanted(transaction):
        # A crash before the commit loses the change and its version; the administrator, who
        # has no answer, repeats the command.
        transaction.head.next_directory()


CHANGE = Sort(apply=one_by_one(change))


class StoredDirectory:
    """The ledger's ``DirectoryStore``; the port says what each method promises."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits

    async def version(self) -> int:
        """See ``DirectoryStore.version``."""
        return await self._database.read(_version)

    async def load(self) -> DirectoryRecord:
        """See ``DirectoryStore.load``."""
        return await self._database.read(_load)

    async def add_country(self, country: Country) -> None:
        """See ``DirectoryStore.add_country``."""
        await self._submit(_put(countries, {"country": country.value}))

    async def put_agency(self, record: AgencyRecord) -> None:
        """See ``DirectoryStore.put_agency``."""
        await self._submit(_put(agencies, rows.agency_values(record)))

    async def put_client(self, record: ClientRecord) -> None:
        """See ``DirectoryStore.put_client``."""
        await self._submit(_put(clients, rows.client_values(record)))

    async def add_desk(self, desk: DeskRef) -> None:
        """See ``DirectoryStore.add_desk``."""
        await self._submit(_put(desks, rows.desk_values(desk)))

    async def add_statements(self, tokens: Sequence[str], *, at: datetime) -> None:
        """See ``DirectoryStore.add_statements``."""
        await self._submit(_add_statements(tokens, at))

    async def versions(self) -> Mapping[str, int]:
        """See ``DirectoryStore.versions``."""
        return await self._database.read(_versions)

    async def now(self) -> datetime:
        """See ``DirectoryStore.now``."""
        return await self._database.read(_now)

    async def _submit(self, wanted: Change) -> None:
        await self._commits.submit(CHANGE, wanted)


def _put(table: Table, values: Values) -> Change:
    key = {column.name: values[column.name] for column in table.primary_key}
    there = and_(*(table.c[name] == value for name, value in key.items()))

    def put(transaction: Transaction) -> bool:
        connection = transaction.connection
        found = connection.execute(select(table).where(there)).mappings().one_or_none()
        if found is None:
            connection.execute(insert(table), dict(values))
            return True
        if dict(found) == dict(values):
            return False
        connection.execute(update(table).where(there), dict(values))
        return True

    return put


def _add_statements(tokens: Sequence[str], at: datetime) -> Change:
    digests = {sha256(token.encode()).digest(): token for token in tokens}

    def add(transaction: Transaction) -> bool:
        connection = transaction.connection
        known = select(statements.c.digest).where(statements.c.digest.in_(digests))
        there = {bytes(digest) for digest in connection.execute(known).scalars()}
        last = connection.execute(LAST_STATEMENT).scalar_one()
        version = transaction.head.directory + 1
        new = [(digest, token) for digest, token in digests.items() if digest not in there]
        rows = [
            {
                "number": number,
                "digest": digest,
                "token": token,
                "recorded_at": at,
                "version": version,
            }
            for number, (digest, token) in enumerate(new, start=last + 1)
        ]
        if rows:
            connection.execute(insert(statements), rows)
        return bool(rows)

    return add


def _version(connection: Connection) -> int:
    version: int = connection.execute(VERSION).scalar_one()
    return version


def _versions(connection: Connection) -> Mapping[str, int]:
    return {row.token: row.version for row in connection.execute(VERSIONS)}


def _now(connection: Connection) -> datetime:
    moment: datetime = connection.execute(NOW).scalar_one()
    # SQLite tells it in UTC, and does not say so.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _load(connection: Connection) -> DirectoryRecord:
    documents = connection.execute(DOCUMENTS).all()
    return DirectoryRecord(
        version=_version(connection),
        countries=frozenset(
            Country(country) for country in connection.execute(select(countries)).scalars()
        ),
        agencies=rows.read_agencies(connection),
        clients=rows.read_clients(connection),
        desks=rows.read_desks(connection),
        statements=tuple(row.token for row in documents),
        recorded=tuple(row.recorded_at for row in documents),
    )

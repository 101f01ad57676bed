"""SQLite: one thread that writes, a few that read.

A whole transaction is one call in one thread, through the standard library's driver. aiosqlite
would send every statement to a thread and back, some 50 µs each; a group has six.
"""

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteOperationalError
from time import monotonic, sleep

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from broker.errors import ConfigurationError
from broker.storage.database import Database, Limits, Result, Work

PRIVATE = stat.S_IRUSR | stat.S_IWUSR
"""0600: sealed messages, but also who writes to whom. SQLite gives its -wal and -shm the same."""

RETRY_SECONDS = 0.01


class SqliteDatabase(Database):
    """A file, for one machine; several processes may share it."""

    def __init__(self, url: URL, limits: Limits, *, foreign_keys: bool = True) -> None:
        super().__init__(limits)
        path = _private_file(url)
        pragmas = {
            "foreign_keys": "ON" if foreign_keys else "OFF",
            "journal_mode": "WAL",
            # What is destroyed is overwritten with zeros, not only forgotten (SG-08).
            "secure_delete": "ON",
            # Every commit is flushed to disk: a receipt survives a power cut.
            "synchronous": "FULL",
            # 16 MB instead of 4: the pages that every group touches are copied back less often.
            "wal_autocheckpoint": "4000",
        }
        self._writer = _engine(path, limits.deadline, pragmas, "BEGIN IMMEDIATE", connections=1)
        self._reader = _engine(
            path, limits.deadline, {"query_only": "ON"}, "BEGIN", connections=limits.readers
        )
        self._write_thread = ThreadPoolExecutor(1, "ledger-write")
        self._read_threads = ThreadPoolExecutor(limits.readers, "ledger-read")

    async def _write(self, work: Work[Result]) -> Result:
        # When the deadline ends the wait, the thread goes on and may still commit.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._write_thread, partial(_commit, self._writer, work))

    async def _read(self, work: Work[Result]) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._read_threads, partial(_look, self._reader, work))

    async def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for engine, threads in (
            (self._reader, self._read_threads),
            (self._writer, self._write_thread),
        ):
            threads.submit(engine.dispose)
            await loop.run_in_executor(None, threads.shutdown)


def _commit(engine: Engine, work: Work[Result]) -> Result:
    with engine.begin() as connection:
        # A crash before the commit loses the whole group; nobody was answered yet. A crash
        # after it loses only the answers: who asks again is told what was recorded.
        return work(connection)


def _look(engine: Engine, work: Work[Result]) -> Result:
    with engine.connect() as connection:
        return work(connection)


def _private_file(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.query:
        raise ConfigurationError("the ledger's URL must name a file: sqlite:///path")
    path = Path(url.database)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    except FileExistsError:
        # Made before, perhaps by other hands. It is not opened here: closing a file gives up
        # every lock that this process holds on it, SQLite's among them.
        path.chmod(PRIVATE)
    return path


def _set(connection: SqliteConnection, pragma: str, *, wait: timedelta) -> None:
    # SQLite does not wait for others when it turns a file to WAL, which happens once in the
    # file's life; so we do.
    end = monotonic() + wait.total_seconds()
    while True:
        try:
            connection.execute(pragma).close()
        except SqliteOperationalError:
            if monotonic() > end:
                raise
            sleep(RETRY_SECONDS)
        else:
            return


def _engine(
    path: Path, wait: timedelta, pragmas: dict[str, str], begin: str, *, connections: int
) -> Engine:
    seconds = wait.total_seconds()
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=seconds,
        # ``timeout`` is SQLite's busy handler: how long another process may hold the file. Each
        # connection is used by one thread at a time, but not always by the same.
        connect_args={"timeout": seconds, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: SqliteConnection, _record: object) -> None:
        for name, value in pragmas.items():
            _set(connection, f"PRAGMA {name}={value}", wait=wait)

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: a transaction that reads first and then
        # finds another writer would fail instead of waiting.
        connection.exec_driver_sql(begin)

    return engine

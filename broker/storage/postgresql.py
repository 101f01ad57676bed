"""PostgreSQL: one connection that writes, a pool that reads, over asyncpg."""

from functools import partial

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from broker.storage.database import Database, Limits, Result, Work

STATEMENT_CACHE = 512
"""Prepared statements a connection keeps. A group's lists come in powers of two, and its
INSERTs in every length up to the size of a group."""


class PostgresqlDatabase(Database):
    """A server, for many machines; any number of gateways share it."""

    def __init__(self, url: URL, limits: Limits) -> None:
        super().__init__(limits)
        seconds = limits.deadline.total_seconds()
        milliseconds = str(int(1000 * seconds))
        connect = partial(
            create_async_engine,
            url,
            hide_parameters=True,
            max_overflow=0,
            pool_timeout=seconds,
            connect_args={
                "timeout": seconds,
                "command_timeout": seconds,
                "prepared_statement_cache_size": STATEMENT_CACHE,
                "server_settings": {
                    "application_name": "enlace",
                    # Whoever runs the server may have relaxed it; a receipt must survive.
                    "synchronous_commit": "on",
                    "lock_timeout": milliseconds,
                    # A gateway that vanished must not hold the ledger's lock for ever.
                    "idle_in_transaction_session_timeout": milliseconds,
                },
            },
        )
        # One ping for a group is cheap, and spares its writers a failure after a restart.
        self._writer = connect(pool_size=1, pool_pre_ping=True, isolation_level="READ COMMITTED")
        self._reader = connect(pool_size=limits.readers, isolation_level="REPEATABLE READ")

    async def _write(self, work: Work[Result]) -> Result:
        async with self._writer.begin() as connection:
            # A crash before the commit loses the whole group; nobody was answered yet. A crash
            # after it loses only the answers: who asks again is told what was recorded.
            return await connection.run_sync(work)

    async def _read(self, work: Work[Result]) -> Result:
        async with self._reader.connect() as connection:
            await connection.execution_options(postgresql_readonly=True)
            return await connection.run_sync(work)

    async def _close(self) -> None:
        await _dispose(self._reader)
        await _dispose(self._writer)


async def _dispose(engine: AsyncEngine) -> None:
    await engine.dispose()

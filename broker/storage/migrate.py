"""Is the database's schema the one that this program knows?"""

from collections.abc import Sequence
from datetime import timedelta

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from broker.errors import ConfigurationError
from broker.storage.connect import connect
from broker.storage.database import Limits

SCRIPTS = "broker.storage:migrations"
UPGRADE_LIMITS = Limits(deadline=timedelta(minutes=30))
"""A large table may take its time; nobody is served meanwhile."""
UPGRADE_LOCK = 0x656E6C616365
"""``enlace`` in ASCII: the advisory lock under which one process upgrades."""


async def upgrade(url: str) -> None:
    """Bring the schema to this program's; repeating it changes nothing.

    All in one transaction: a crash leaves the schema as it was. Two processes may try at once.

    Raises:
        ConfigurationError: The schema is newer than this program.
        LedgerUnavailableError: The database does not answer.
    """
    database = connect(url, limits=UPGRADE_LIMITS, foreign_keys=False)
    try:
        await database.write(upgrade_connection)
    finally:
        await database.close()


async def check(url: str) -> None:
    """Return if the schema is this program's.

    Raises:
        ConfigurationError: It is older or newer; the text says what to do.
        LedgerUnavailableError: The database does not answer.
    """
    database = connect(url, limits=Limits())
    try:
        await database.read(check_connection)
    finally:
        await database.close()


def upgrade_connection(connection: Connection) -> None:
    """Upgrade within a transaction that somebody else commits."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK)))
    _refuse_newer(_found(connection))
    command.upgrade(_config(connection), "head")


def check_connection(connection: Connection) -> None:
    """Compare within a transaction that somebody else opened."""
    found = _found(connection)
    _refuse_newer(found)
    if tuple(found) != tuple(_scripts().get_heads()):
        raise ConfigurationError(
            "the ledger's schema is older than this program: run `enlace db upgrade`"
        )


def _refuse_newer(found: Sequence[str]) -> None:
    ours = {script.revision for script in _scripts().walk_revisions()}
    if not ours.issuperset(found):
        raise ConfigurationError(
            "the ledger's schema is newer than this program: "
            "start the newer program, or restore the backup made before its upgrade"
        )


def _found(connection: Connection) -> Sequence[str]:
    return MigrationContext.configure(connection).get_current_heads()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())

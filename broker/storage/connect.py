"""Which database does this URL name?"""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from broker.errors import ConfigurationError
from broker.storage.database import Database, Limits, translated
from broker.storage.postgresql import PostgresqlDatabase
from broker.storage.sqlite import SqliteDatabase

SQLITE = "sqlite"
POSTGRESQL = "postgresql+asyncpg"


def connect(url: str, *, limits: Limits, foreign_keys: bool = True) -> Database:
    """Make ready for a database; PostgreSQL is first called when it is first used.

    Args:
        url: ``sqlite:///path`` or ``postgresql+asyncpg://user@host/name``.
        limits: How much it takes on.
        foreign_keys: Off only while SQLite rebuilds tables, which it does by dropping them.

    Raises:
        ConfigurationError: The URL is of no kind that we know. It is not repeated: it may
            hold a password.
        LedgerUnavailableError: The file cannot be opened.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("the ledger's URL cannot be read") from error
    with translated():
        if parsed.drivername == SQLITE:
            return SqliteDatabase(parsed, limits, foreign_keys=foreign_keys)
        if parsed.drivername == POSTGRESQL:
            return _postgresql(parsed, limits)
    raise ConfigurationError("the ledger's URL must begin with sqlite:// or postgresql+asyncpg://")


def _postgresql(url: URL, limits: Limits) -> Database:
    try:
        return PostgresqlDatabase(url, limits)
    except ModuleNotFoundError as error:
        raise ConfigurationError("PostgreSQL needs a driver: install enlace[postgresql]") from error

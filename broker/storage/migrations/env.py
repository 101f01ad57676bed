"""Runs under Alembic, on the connection that ``broker.storage.migrate`` hands over."""

from alembic import context
from sqlalchemy import Connection

from broker.storage.tables import metadata


def run(connection: Connection) -> None:
    """Run the steps that are missing; whoever opened the transaction commits it."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite cannot alter a table: it is copied, dropped and renamed.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
    if connection.dialect.name == "sqlite":
        _check_foreign_keys(connection)


def _check_foreign_keys(connection: Connection) -> None:
    # They are off while tables are rebuilt, so they are looked at afterwards.
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise RuntimeError("a migration left rows that point nowhere")


run(context.config.attributes["connection"])

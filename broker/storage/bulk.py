"""How do many rows get into a table for the price of the driver?

SQLAlchemy prepares every row of an ``executemany`` by name, some 5 µs each. Here the statement
is compiled once, and a row is a tuple in the table's own order.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sqlalchemy import Connection, Dialect, Table, insert

Values: TypeAlias = tuple[object, ...]
Prepare: TypeAlias = Callable[[object], object]


class BulkInsert:
    """Inserts rows of one table, given as tuples of the columns named."""

    def __init__(self, table: Table, *columns: str) -> None:
        self._table = table
        self._columns = columns
        self._compiled: dict[str, tuple[str, Sequence[tuple[int, Prepare]]]] = {}

    def execute(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Insert rows; none is nothing to do."""
        if not rows:
            return
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect)
        sql, prepares = self._compiled[dialect.name]
        prepared = []
        for row in rows:
            values = list(row)
            for place, prepare in prepares:
                values[place] = prepare(values[place])
            prepared.append(tuple(values))
        connection.exec_driver_sql(sql, prepared)

    def _compile(self, dialect: Dialect) -> tuple[str, Sequence[tuple[int, Prepare]]]:
        statement = insert(self._table).compile(dialect=dialect, column_keys=list(self._columns))
        if statement.positiontup != list(self._columns):
            raise RuntimeError("the columns must stand in the table's own order")
        types = [self._table.c[name].type.dialect_impl(dialect) for name in self._columns]
        found = [(place, one.bind_processor(dialect)) for place, one in enumerate(types)]
        return str(statement), [(place, one) for place, one in found if one is not None]

"""What does a write hold while it runs: the connection, and perhaps the ledger's lock?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection, select, update

from broker.storage.tables import heads

Item = TypeVar("Item")

READ_HEAD = select(
    heads.c.position, heads.c.delivery, heads.c.hand_over, heads.c.directory
).with_for_update()
WRITE_HEAD = update(heads)


@dataclass(slots=True, kw_only=True)
class Head:
    """The last number given of each sort; owned by the one transaction that holds the lock."""

    position: int
    delivery: int
    hand_over: int
    directory: int

    def next_position(self) -> int:
        """Draw a place in the log."""
        self.position += 1
        return self.position

    def next_delivery(self) -> int:
        """Draw a number for one recipient's copy."""
        self.delivery += 1
        return self.delivery

    def next_hand_over(self) -> int:
        """Draw a number for one handing to a desk."""
        self.hand_over += 1
        return self.hand_over

    def next_directory(self) -> int:
        """Draw a version of the directory."""
        self.directory += 1
        return self.directory


class Transaction:
    """A transaction under way.

    In PostgreSQL the row lock on the head makes exclusive transactions of all processes queue
    up, and READ COMMITTED lets each see what the one before it committed. In SQLite every
    writer is alone anyway. So an exclusive write may read, decide and write without more ado.
    """

    def __init__(self, connection: Connection, *, exclusive: bool) -> None:
        self.connection = connection
        self._head = _lock(connection) if exclusive else None
        self._found = replace(self._head) if self._head is not None else None

    @property
    def head(self) -> Head:
        """The counters; only an exclusive write may draw numbers."""
        if self._head is None:
            raise RuntimeError("this write does not hold the ledger's lock")
        return self._head

    def finish(self) -> None:
        """Write the counters back, if any number was drawn; the last thing before the commit."""
        head = self._head
        if head is not None and head != self._found:
            self.connection.execute(
                WRITE_HEAD,
                {
                    "position": head.position,
                    "delivery": head.delivery,
                    "hand_over": head.hand_over,
                    "directory": head.directory,
                },
            )


def _lock(connection: Connection) -> Head:
    row = connection.execute(READ_HEAD).one()
    return Head(
        position=row.position,
        delivery=row.delivery,
        hand_over=row.hand_over,
        directory=row.directory,
    )


def padded(values: Iterable[Item]) -> Sequence[Item]:
    """Repeat the last value up to a power of two: a few prepared statements serve all lists."""
    items = list(values)
    if not items:
        return items
    size = 1 << (len(items) - 1).bit_length()
    return items + items[-1:] * (size - len(items))

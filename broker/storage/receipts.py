"""How does an event get its place in the log, and its receipt?"""

from sqlalchemy import Row

from broker.model.events import Event, EventKind, Receipt
from broker.model.names import LogPosition
from broker.ports.receipts import SignReceipt
from broker.storage.bulk import BulkInsert, Values
from broker.storage.tables import log
from broker.storage.transaction import Transaction

LOG = BulkInsert(log, "position", "event", "at", "message", "delivery", "token")
RECEIPT_COLUMNS = (log.c.event, log.c.position, log.c.at, log.c.token)


def draw(transaction: Transaction, event: Event, sign: SignReceipt) -> Receipt:
    """Give an event the next place in the log and have it signed there.

    If signing fails the transaction fails, and the place goes to the next event.
    """
    position = LogPosition(transaction.head.next_position())
    return Receipt(event=event.kind, position=position, at=event.at, token=sign(event, position))


def log_row(receipt: Receipt, *, message: int, delivery: int | None) -> Values:
    """Say which message, and which copy of it, a receipt is about."""
    return receipt.position, receipt.event.value, receipt.at, message, delivery, receipt.token


def read_receipt(row: Row[*tuple[object, ...]]) -> Receipt:
    """Read a receipt back from a row that has the ``RECEIPT_COLUMNS``."""
    return Receipt(
        event=EventKind(row.event),
        position=LogPosition(row.position),
        at=row.at,
        token=row.token,
    )

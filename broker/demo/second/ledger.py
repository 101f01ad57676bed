"""What the ledger holds of a channel message, read from its file as a thief would."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from broker.demo.proofs import READ_ONLY, Ledger
from broker.model.names import MessageId

FORMS = "SELECT sealed FROM messages WHERE message_id = ?"
ROADS = (
    "SELECT queue FROM deliveries JOIN messages ON message = messages.number"
    " WHERE message_id = ? ORDER BY queue"
)
RECORDED = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM deliveries)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One message, as it lies there."""

    forms: tuple[bytes, ...]
    """Its sealed form; one, however many its recipients are."""
    queues: tuple[str, ...]
    """One for each recipient."""

    @property
    def entries(self) -> tuple[str, ...]:
        """The key of each recipient's entry."""
        return tuple(
            entry["header"]["kid"]
            for form in self.forms
            for entry in json.loads(form)["recipients"]
        )


def sealed_of(ledger: Ledger, message_id: MessageId) -> Sealed:
    """Look for a message."""
    with closing(sqlite3.connect(READ_ONLY.format(ledger.file), uri=True)) as connection:
        return Sealed(
            forms=tuple(form for (form,) in connection.execute(FORMS, (message_id,))),
            queues=tuple(queue for (queue,) in connection.execute(ROADS, (message_id,))),
        )


def recorded(ledger: Ledger) -> tuple[int, int]:
    """How many messages and copies are recorded?"""
    with closing(sqlite3.connect(READ_ONLY.format(ledger.file), uri=True)) as connection:
        [(messages, deliveries)] = connection.execute(RECORDED)
    return messages, deliveries

"""Who signs what the ledger records?"""

from collections.abc import Callable

from broker.model.events import Event
from broker.model.names import LogPosition

SignReceipt = Callable[[Event, LogPosition], str]
"""Signs an event at its place in the log; called inside the ledger's transaction."""

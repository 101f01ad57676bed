"""What has been spent: values that count once."""

from datetime import datetime
from typing import Protocol


class ProofStore(Protocol):
    """Remembers single-use values, across all gateway processes."""

    async def spend(self, value: bytes, *, until: datetime, now: datetime) -> bool:
        """Spend a value once: True the first time, False ever after until ``until``.

        Exactly one of any number of concurrent callers gets True, or none if the ledger's
        answer to it was lost. ``value`` is a SHA-256.
        """

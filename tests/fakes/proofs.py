"""The store of spent values, in memory: keeps the contract of ``ports.proofs.ProofStore``."""

from datetime import datetime


class InMemoryProofs:
    """Forgets a value at its ``until``, not before."""

    def __init__(self) -> None:
        self.spent: dict[bytes, datetime] = {}

    async def spend(self, value: bytes, *, until: datetime, now: datetime) -> bool:
        """Spend a value once; see the port."""
        if (known_until := self.spent.get(value)) is not None and now < known_until:
            return False
        self.spent[value] = until
        return True

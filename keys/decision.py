"""An act, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from keys.act import Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An act, who else agreed with it, and from when on it counts."""

    act: Act
    approved_by: Act | None = None
    consents: tuple[Act, ...] = ()
    """Of a charter: one of each country that has consented."""
    effective_at: datetime | None = None
    """None: somebody has yet to agree."""
    cancelled_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        """Does it count at this moment?"""
        return (
            self.cancelled_at is None and self.effective_at is not None and self.effective_at <= now
        )

    def is_pending(self, now: datetime) -> bool:
        """Does it wait for somebody, or for its time?"""
        return self.cancelled_at is None and not self.in_force(now)

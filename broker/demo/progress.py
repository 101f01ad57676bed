"""How far has each case come, and how long did it take?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from broker.demo.cast import Scene
from broker.desk.agency_calls import Accepted
from broker.model.events import DeliveryState
from broker.model.names import DeskRef
from broker.model.status import MessageStatus, RecipientStatus


@dataclass(slots=True, kw_only=True)
class Progress:
    """One case on its way."""

    scene: Scene
    is_held: bool = False
    """Posted before the desks are there, for the proofs: its time says nothing."""
    posted_at: datetime | None = None
    accepted: Accepted | None = None
    accept_ms: float | None = None
    opened: set[DeskRef] = field(default_factory=set)
    """Desks that have it in their inbox, opened and verified."""
    status: MessageStatus | None = None
    """What the sender was told last."""
    problem: str | None = None
    """Why it goes no further."""

    @property
    def recipients(self) -> Sequence[RecipientStatus]:
        """What is known of each recipient."""
        return self.status.recipients if self.status else ()

    @property
    def routed(self) -> int:
        """How many copies the transport has taken over."""
        return sum(one.state is not DeliveryState.ACCEPTED for one in self.recipients)

    @property
    def acknowledged(self) -> int:
        """How many desks have signed."""
        return sum(one.state is DeliveryState.ACKNOWLEDGED for one in self.recipients)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to it."""
        if self.problem is not None:
            return True
        return bool(self.recipients) and all(one.state.is_final for one in self.recipients)

    @property
    def is_complete(self) -> bool:
        """Whether every recipient has opened, stored and signed."""
        wanted = set(self.scene.desks)
        signed = {one.desk for one in self.recipients if one.state is DeliveryState.ACKNOWLEDGED}
        return self.problem is None and self.opened == wanted == signed

    @property
    def failure(self) -> str | None:
        """Why it did not reach everybody, as far as its sender was told."""
        if self.problem is not None or self.is_complete:
            return self.problem
        lost = [one for one in self.recipients if one.state is not DeliveryState.ACKNOWLEDGED]
        return ", ".join(f"{one.desk}: {one.reason or one.state}" for one in lost) or "?"

    @property
    def total_ms(self) -> float | None:
        """From the posting to the last desk's recorded signature."""
        if self.posted_at is None or not self.is_finished or not self.recipients:
            return None
        last = max(one.changed_at for one in self.recipients)
        return (last - self.posted_at).total_seconds() * 1000

    def start(self) -> None:
        """Note that it is posted now."""
        self.posted_at = datetime.now(UTC)


class Board(Protocol):
    """Where the reader follows."""

    def changed(self, progress: Progress) -> None:
        """Show what is new of one case."""

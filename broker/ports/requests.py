"""What the ledger knows of requests that wait for an answer; each docstring is a contract.

A clock runs for each recipient of a request, from its acceptance (SG-13). It is opened and
closed by ``MessageLedger.record``, in the transaction of the request and of the reply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from broker.model.events import Notice
from broker.model.names import (
    AgencyRef,
    DeliveryNumber,
    DeskRef,
    LogPosition,
    MessageId,
    QueueName,
)
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Kind, Urgency

EXPIRED = "expired"
"""How a clock ends when nobody read the request in its time."""
RECALLED = "recalled"
"""How a clock ends when the originator took the request back."""
RETURNED = "returned"
"""How a clock ends when the desk returned the request unanswered, with a signed reason."""


class RequestState(StrEnum):
    """Where a request stands with one recipient; exactly one of them."""

    OPEN = "open"
    """Not answered, and not yet due."""
    OVERDUE = "overdue"
    """Not answered, and past its time."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One recipient's copy of a request, and its clock; nothing of what it says."""

    delivery: DeliveryNumber
    message_id: MessageId
    kind: Kind
    origin: AgencyRef
    desk: DeskRef
    road: QueueName
    channel: ChannelName | None
    urgency: Urgency
    asked_at: datetime
    due: datetime
    closed_at: datetime | None
    outcome: str | None
    """Of the reply that closed it, or how it ended without one; while it is open, of the last
    reply."""
    ground: str | None
    """Of a refusal."""
    escalated_at: datetime | None

    def state(self, now: datetime) -> RequestState:
        """Where does it stand at this moment?"""
        if self.closed_at is not None:
            return RequestState.CLOSED
        return RequestState.OVERDUE if self.due <= now else RequestState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFrom:
    """The requests that an agency may follow."""

    agency: AgencyRef
    """All of its own."""
    compartments: frozenset[Compartment]
    """Where it may also see what other agencies of its country have asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQuestion:
    """Which requests, and which page of them."""

    whose: SentFrom | DeskRef
    """What was sent from there, or received by this desk."""
    state: RequestState | None
    """None: whatever its state."""
    now: datetime
    after: DeliveryNumber
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadRequests:
    """How many requests of one road are not answered."""

    road: QueueName
    channel: ChannelName | None
    open: int
    overdue: int
    first_due: datetime
    """The earliest of all these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvenedRequest:
    """A request of a channel that some of its members have not answered; nothing of what it says.

    One for all recipients, whose copies are due at one moment.
    """

    number: LogPosition
    """Of the message."""
    message_id: MessageId
    kind: Kind
    origin: AgencyRef
    channel: ChannelName
    compartment: Compartment
    urgency: Urgency
    asked_at: datetime
    due: datetime
    desks: tuple[DeskRef, ...]
    """Who has not answered; at least one."""
    escalated_at: datetime | None
    """When the first of them was escalated."""

    def state(self, now: datetime) -> RequestState:
        """Is it overdue at this moment?"""
        return RequestState.OVERDUE if self.due <= now else RequestState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvenedQuestion:
    """Which channels, and which page of their requests."""

    channels: frozenset[ChannelName]
    only_overdue: bool
    now: datetime
    after: LogPosition
    limit: int


class RequestLedger(Protocol):
    """Who has asked whom, until when, and what came of it."""

    async def requests(self, asked: RequestQuestion) -> Sequence[Request]:
        """List requests, sorted by delivery, from behind ``after``."""

    async def to_escalate(
        self, *, now: datetime, after: Request | None = None, limit: int
    ) -> Sequence[Request]:
        """List what is overdue and was not escalated yet, the longest overdue first.

        From behind ``after``, escalated in between or not.

        Costs the same however much was asked and answered.
        """

    async def late(self, delivery: DeliveryNumber, *, now: datetime) -> int:
        """Count the recipients of the same message who have not answered and should have."""

    async def escalate(
        self, delivery: DeliveryNumber, notices: Sequence[Notice], *, at: datetime
    ) -> bool:
        """Note that an overdue request was escalated, and write its notices, or do nothing.

        One transaction: both or neither. True for exactly one caller of all processes; False
        also if the request was answered in between. None of its notices is written then.
        """

    async def convened(self, asked: ConvenedQuestion) -> Sequence[ConvenedRequest]:
        """List what is not answered in these channels, sorted by message, from behind ``after``."""

    async def waiting_by_road(self, *, now: datetime) -> Sequence[RoadRequests]:
        """Count what is not answered, by road; sorted, roads without any are left out."""

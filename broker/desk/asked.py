"""``/v1/requests`` as the gateway writes it, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from broker.desk.values import (
    agency_ref,
    desk_ref,
    listed,
    moment,
    optional_text,
    read,
    text,
    whole,
)
from broker.model.names import AgencyRef, DeskRef, MessageId, Pair, QueueName, channel_queue
from broker.ports.requests import RequestState
from keys.charter import ChannelName
from schemas.vocabulary import Kind, Urgency

Listed = TypeVar("Listed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRequest:
    """A request, and whether this recipient has answered it; nothing of what it says."""

    id: MessageId
    kind: Kind
    origin: AgencyRef
    desk: DeskRef
    channel: ChannelName | None
    urgency: Urgency
    asked_at: datetime
    due: datetime
    state: RequestState
    closed_at: datetime | None
    outcome: str | None
    ground: str | None
    escalated_at: datetime | None

    @property
    def road(self) -> QueueName:
        """The queue over which it came."""
        if self.channel is not None:
            return channel_queue(self.channel, self.desk.country)
        return Pair(origin=self.origin.country, desk=self.desk).queue


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvenedAsked:
    """A request in a channel that the own country convenes, and how many have not answered it."""

    id: MessageId
    kind: Kind
    origin: AgencyRef
    channel: ChannelName
    urgency: Urgency
    asked_at: datetime
    due: datetime
    state: RequestState
    waiting: int
    """Recipients who have not answered."""
    desks: tuple[DeskRef, ...]
    """Those of them that may be named: fewer where the charter hides recipients."""
    escalated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPage(Generic[Listed]):
    """The next few, the oldest first."""

    requests: tuple[Listed, ...]
    cursor: int | None
    """Where the next page begins; None behind the last."""


def read_convened(body: bytes) -> AskedPage[ConvenedAsked]:
    """Read the answer to ``GET /v1/requests/convened``.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    return read(
        body,
        lambda members: AskedPage(
            requests=tuple(_convened(each) for each in listed(members["requests"])),
            cursor=_cursor(members["cursor"]),
        ),
    )


def read_asked(body: bytes) -> AskedPage[AskedRequest]:
    """Read the answer to ``GET /v1/requests``.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    return read(
        body,
        lambda members: AskedPage(
            requests=tuple(_request(each) for each in listed(members["requests"])),
            cursor=_cursor(members["cursor"]),
        ),
    )


def _request(members: Mapping[str, Any]) -> AskedRequest:
    channel = optional_text(members["channel"])
    return AskedRequest(
        id=MessageId(text(members["id"])),
        kind=Kind(members["kind"]),
        origin=agency_ref(members["origin"]),
        desk=desk_ref(members["desk"]),
        channel=None if channel is None else ChannelName(channel),
        urgency=Urgency(members["urgency"]),
        asked_at=moment(members["asked_at"]),
        due=moment(members["due"]),
        state=RequestState(members["state"]),
        closed_at=_optional_moment(members["closed_at"]),
        outcome=optional_text(members["outcome"]),
        ground=optional_text(members["ground"]),
        escalated_at=_optional_moment(members["escalated_at"]),
    )


def _convened(members: Mapping[str, Any]) -> ConvenedAsked:
    return ConvenedAsked(
        id=MessageId(text(members["id"])),
        kind=Kind(members["kind"]),
        origin=agency_ref(members["origin"]),
        channel=ChannelName(text(members["channel"])),
        urgency=Urgency(members["urgency"]),
        asked_at=moment(members["asked_at"]),
        due=moment(members["due"]),
        state=RequestState(members["state"]),
        waiting=whole(members["waiting"]),
        desks=tuple(desk_ref(each) for each in listed(members["desks"])),
        escalated_at=_optional_moment(members["escalated_at"]),
    )


def _cursor(value: object) -> int | None:
    return None if value is None else whole(value)


def _optional_moment(value: object) -> datetime | None:
    return None if value is None else moment(value)

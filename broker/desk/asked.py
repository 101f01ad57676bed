"""``/v1/requests`` as the gateway writes it, read strictly."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker.desk.failures import AnswerError
from broker.model import AgencyRef, DeskRef, MessageId, Pair, QueueName, channel_queue
from broker.request_ports import RequestState
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, Kind, Urgency


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
class AskedPage:
    """The next few, the oldest first."""

    requests: tuple[AskedRequest, ...]
    cursor: int | None
    """Where the next page begins; None behind the last."""


def read_asked(body: bytes) -> AskedPage:
    """Read the answer to ``GET /v1/requests``.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    try:
        members = json.loads(body)
        return AskedPage(
            requests=tuple(_request(each) for each in _list(members["requests"])),
            cursor=_cursor(members["cursor"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AnswerError("the list of requests cannot be read") from None


def _request(members: Mapping[str, Any]) -> AskedRequest:
    origin, desk = members["origin"], members["desk"]
    channel = _optional(members["channel"])
    return AskedRequest(
        id=MessageId(_text(members["id"])),
        kind=Kind(members["kind"]),
        origin=AgencyRef(country=Country(origin["country"]), agency=_text(origin["agency"])),
        desk=DeskRef(
            country=Country(desk["country"]), compartment=Compartment(desk["compartment"])
        ),
        channel=None if channel is None else ChannelName(channel),
        urgency=Urgency(members["urgency"]),
        asked_at=_moment(members["asked_at"]),
        due=_moment(members["due"]),
        state=RequestState(members["state"]),
        closed_at=_optional_moment(members["closed_at"]),
        outcome=_optional(members["outcome"]),
        ground=_optional(members["ground"]),
        escalated_at=_optional_moment(members["escalated_at"]),
    )


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _cursor(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _optional_moment(value: object) -> datetime | None:
    return None if value is None else _moment(value)

"""The gateway's answers, read into types. Members that we do not know are skipped.

Reading is strict in what is used and generous in the rest: a newer gateway may say more, and
a desk in another country is not updated on the same day.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from broker.desk.failures import AnswerError
from broker.desk.values import (
    agency_ref,
    boolean,
    desk_ref,
    listed,
    moment,
    optional_text,
    read,
    text,
    whole,
)
from broker.directory import AgencyRecord, DirectoryRecord
from broker.model.delivery import QueueDepth
from broker.model.events import DeliveryState
from broker.model.names import AgencyRef, ContentHash, DeskRef, HandOverNumber, MessageId, QueueName
from schemas.vocabulary import AgencyFunction, Country, Urgency

T = TypeVar("T")

LAST_HAND_OVER: Final = HandOverNumber(10**15 - 1)
"""The highest that a gateway takes as ``Last-Event-ID``: 15 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRef:
    """One sealed message, by what a desk signs for."""

    message_id: MessageId
    content_hash: ContentHash


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedHandOver:
    """A hand-over as it came: what it announces, and nothing of it believed yet."""

    hand_over: HandOverNumber
    queue: QueueName
    origin: AgencyRef
    message_id: MessageId
    content_hash: ContentHash
    urgency: Urgency
    attempt: int
    """1 at the first hand-over."""
    lease_until: datetime
    receipt: str = field(repr=False)
    sealed: bytes = field(repr=False)
    """JWE General JSON."""

    @property
    def ref(self) -> ContentRef:
        """What an answer to it names."""
        return ContentRef(message_id=self.message_id, content_hash=self.content_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A desk that a message goes to, and the rule that allows it."""

    desk: DeskRef
    rule: str
    sealed: bool
    """False where it gets no copy, for want of a current key (SG-07)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The answer to a posted message, or to a dry run; not verified yet."""

    id: MessageId
    receipt: str | None
    """None after a dry run."""
    recipients: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The gateway recorded our answer; its receipt proves it."""

    message_id: MessageId
    state: DeliveryState
    """Of the answer that settled it, which an earlier one may have been."""
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSettled:
    """The gateway took no notice of our answer."""

    code: str
    """One of ``broker.errors.Code``: ``delivery-unknown``, for one."""


def read_posted(body: bytes) -> Posted:
    """Read the answer to ``POST /v1/messages``."""
    return read(
        body,
        lambda members: Posted(
            id=MessageId(text(members["id"])),
            receipt=optional_text(members.get("receipt")),
            recipients=tuple(
                Recipient(
                    desk=desk_ref(each), rule=text(each["rule"]), sealed=boolean(each["sealed"])
                )
                for each in members["recipients"]
            ),
        ),
    )


def read_queues(body: bytes) -> tuple[QueueDepth, ...]:
    """Read the answer to ``GET /v1/queues``."""
    return read(
        body,
        lambda members: tuple(
            QueueDepth(
                queue=QueueName(text(each["queue"])),
                waiting=whole(each["waiting"]),
                leased=whole(each["leased"]),
                oldest_accepted_at=None
                if each.get("oldest_accepted_at") is None
                else moment(each["oldest_accepted_at"]),
            )
            for each in members["queues"]
        ),
    )


def read_hand_overs(body: bytes) -> tuple[ReceivedHandOver, ...]:
    """Read the answer to a long poll."""
    return read(body, lambda members: tuple(_hand_over(each) for each in members["messages"]))


def read_hand_over(data: bytes) -> ReceivedHandOver:
    """Read the data of a ``message`` event."""
    return read(data, _hand_over)


def results(
    body: bytes, one: Callable[[Mapping[str, Any]], T], *, expected: int
) -> tuple[T | NotSettled, ...]:
    """Read what became of what was handed in: one entry for each, in order.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    found = read(
        body,
        lambda members: tuple(
            NotSettled(code=text(each["error"]["code"])) if "error" in each else one(each)
            for each in listed(members["results"])
        ),
    )
    if len(found) != expected:
        raise AnswerError("the gateway answered for another number of entries than were sent")
    return found


def read_results(body: bytes, expected: int) -> tuple[Settled | NotSettled, ...]:
    """Read the answer to acknowledgements or refusals: one result for each, in order."""
    return results(body, _settled, expected=expected)


def read_noted_uses(body: bytes, expected: int) -> tuple[datetime | NotSettled, ...]:
    """Read the answer to statements of use: since when each is noted, in order."""
    return results(body, lambda members: moment(members["at"]), expected=expected)


def read_notices(body: bytes) -> tuple[tuple[tuple[int, str], ...], int | None]:
    """Read a page of notices, number and compact JWS of each, and where to go on."""

    def page(members: Mapping[str, Any]) -> tuple[tuple[tuple[int, str], ...], int | None]:
        found = tuple((whole(each["number"]), text(each["notice"])) for each in members["notices"])
        # A gateway that says nothing of it lists on until nothing comes.
        cursor = members.get("cursor", found[-1][0] if found else None)
        return found, None if cursor is None else whole(cursor)

    return read(body, page)


def read_directory(body: bytes) -> DirectoryRecord:
    """Read the directory; its statements are verified by ``Directory.verify``."""
    return read(
        body,
        lambda members: DirectoryRecord(
            version=whole(members["version"]),
            countries=frozenset(Country(each) for each in members["countries"]),
            agencies=tuple(_agency_record(each) for each in members["agencies"]),
            desks=frozenset(desk_ref(each) for each in members["desks"]),
            statements=tuple(text(each) for each in members["statements"]),
            recorded=tuple(
                None if each is None else moment(each) for each in members.get("recorded", ())
            ),
        ),
    )


def _hand_over(members: Mapping[str, Any]) -> ReceivedHandOver:
    return ReceivedHandOver(
        hand_over=_hand_over_number(members["hand_over"]),
        queue=QueueName(text(members["queue"])),
        origin=agency_ref(members["origin"]),
        message_id=MessageId(text(members["id"])),
        content_hash=ContentHash(text(members["content_hash"])),
        urgency=Urgency(members["urgency"]),
        attempt=whole(members["attempt"]),
        lease_until=moment(members["lease_until"]),
        receipt=text(members["receipt"]),
        # Written anew: the JWE's members are texts, and its reader checks their spelling.
        sealed=json.dumps(members["sealed"], separators=(",", ":")).encode("ascii"),
    )


def _hand_over_number(value: object) -> HandOverNumber:
    number = HandOverNumber(whole(value))
    # With one that no gateway takes back, the stream would never be made again.
    if not 1 <= number <= LAST_HAND_OVER:
        raise ValueError
    return number


def _settled(members: Mapping[str, Any]) -> Settled:
    return Settled(
        message_id=MessageId(text(members["id"])),
        state=DeliveryState(members["state"]),
        receipt=text(members["receipt"]),
    )


def _agency_record(members: Mapping[str, Any]) -> AgencyRecord:
    return AgencyRecord(
        ref=agency_ref(members),
        function=AgencyFunction(members["function"]),
        name=text(members["name"]),
    )

"""The gateway's answers, read into types. Members that we do not know are skipped.

Reading is strict in what is used and generous in the rest: a newer gateway may say more, and
a desk in another country is not updated on the same day.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from broker.desk.failures import AnswerError
from broker.directory import AgencyRecord, DirectoryRecord
from broker.model import (
    AgencyRef,
    ContentHash,
    DeliveryState,
    DeskRef,
    HandOverNumber,
    MessageId,
    MessageStatus,
    OrderStatus,
    Pair,
    QueueDepth,
    QueueName,
    RecipientStatus,
    RefusalReason,
    StatedUse,
)
from schemas.vocabulary import (
    AgencyFunction,
    Compartment,
    Country,
    Disposition,
    KeptReason,
    Kind,
    Urgency,
)

T = TypeVar("T")


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
    return _read(
        body,
        lambda members: Posted(
            id=MessageId(_text(members["id"])),
            receipt=_optional(members.get("receipt")),
            recipients=tuple(
                Recipient(
                    desk=_desk(each), rule=_text(each["rule"]), sealed=_boolean(each["sealed"])
                )
                for each in members["recipients"]
            ),
        ),
    )


def read_status(body: bytes) -> MessageStatus:
    """Read the answer to ``GET /v1/messages/{id}``."""
    return _read(
        body,
        lambda members: MessageStatus(
            id=MessageId(_text(members["id"])),
            kind=Kind(members["kind"]),
            accepted_at=_moment(members["accepted_at"]),
            expires=_moment(members["expires"]),
            content_hash=ContentHash(_text(members["content_hash"])),
            receipt=_text(members["receipt"]),
            recipients=tuple(_recipient_status(each) for each in members["recipients"]),
        ),
    )


def read_queues(body: bytes) -> tuple[QueueDepth, ...]:
    """Read the answer to ``GET /v1/queues``."""
    return _read(
        body,
        lambda members: tuple(
            QueueDepth(
                queue=QueueName(_text(each["queue"])),
                waiting=_whole(each["waiting"]),
                leased=_whole(each["leased"]),
                oldest_accepted_at=None
                if each.get("oldest_accepted_at") is None
                else _moment(each["oldest_accepted_at"]),
            )
            for each in members["queues"]
        ),
    )


def read_hand_overs(body: bytes) -> tuple[ReceivedHandOver, ...]:
    """Read the answer to a long poll."""
    return _read(body, lambda members: tuple(_hand_over(each) for each in members["messages"]))


def read_hand_over(data: bytes) -> ReceivedHandOver:
    """Read the data of a ``message`` event."""
    return _read(data, _hand_over)


def read_results(body: bytes, expected: int) -> tuple[Settled | NotSettled, ...]:
    """Read the answer to acknowledgements or refusals: one result for each, in order."""
    results = _read(body, lambda members: tuple(_result(each) for each in members["results"]))
    if len(results) != expected:
        raise AnswerError("the gateway answered another number of entries than were sent")
    return results


def read_noted_uses(body: bytes, expected: int) -> tuple[datetime | NotSettled, ...]:
    """Read the answer to statements of use: since when each is noted, in order."""
    results = _read(
        body,
        lambda members: tuple(
            NotSettled(code=_text(each["error"]["code"]))
            if "error" in each
            else _moment(each["at"])
            for each in members["results"]
        ),
    )
    if len(results) != expected:
        raise AnswerError("the gateway answered another number of entries than were sent")
    return results


def read_notices(body: bytes) -> tuple[tuple[int, str], ...]:
    """Read a page of notices: number and compact JWS of each."""
    return _read(
        body,
        lambda members: tuple(
            (_whole(each["number"]), _text(each["notice"])) for each in members["notices"]
        ),
    )


def read_directory(body: bytes) -> DirectoryRecord:
    """Read the directory; its statements are verified by ``Directory.verify``."""
    return _read(
        body,
        lambda members: DirectoryRecord(
            version=_whole(members["version"]),
            countries=frozenset(Country(each) for each in members["countries"]),
            agencies=tuple(_agency_record(each) for each in members["agencies"]),
            desks=frozenset(_desk(each) for each in members["desks"]),
            statements=tuple(_text(each) for each in members["statements"]),
            recorded=tuple(
                None if each is None else _moment(each) for each in members.get("recorded", ())
            ),
        ),
    )


def _read(body: bytes, make: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        # An array has no members to read: a ``TypeError`` too.
        return make(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # The values stay out of the text: they may be a message's.
        raise AnswerError("the gateway's answer is not what the protocol says") from None


def _hand_over(members: Mapping[str, Any]) -> ReceivedHandOver:
    return ReceivedHandOver(
        hand_over=HandOverNumber(_whole(members["hand_over"])),
        queue=QueueName(_text(members["queue"])),
        origin=_agency(members["origin"]),
        message_id=MessageId(_text(members["id"])),
        content_hash=ContentHash(_text(members["content_hash"])),
        urgency=Urgency(members["urgency"]),
        attempt=_whole(members["attempt"]),
        lease_until=_moment(members["lease_until"]),
        receipt=_text(members["receipt"]),
        # Written anew: the JWE's members are texts, and its reader checks their spelling.
        sealed=json.dumps(members["sealed"], separators=(",", ":")).encode("ascii"),
    )


def _recipient_status(members: Mapping[str, Any]) -> RecipientStatus:
    reason = members.get("reason")
    return RecipientStatus(
        desk=_desk(members),
        state=DeliveryState(members["state"]),
        changed_at=_moment(members["changed_at"]),
        attempts=_whole(members["attempts"]),
        reason=None if reason is None else RefusalReason(reason),
        desk_evidence=_optional(members.get("desk_evidence")),
        receipt=_optional(members.get("receipt")),
        order=None if members.get("order") is None else read_order_status(members["order"]),
        # An older gateway does not ask for statements of use.
        uses=tuple(_stated_use(each) for each in members.get("uses", ())),
    )


def read_order_status(members: Mapping[str, Any]) -> OrderStatus:
    """Read what a desk did about a recall; the caller says what a wrong form means."""
    done, why, until = members["disposition"], members["because"], members["until"]
    answered_at = members["answered_at"]
    return OrderStatus(
        answered_at=None if answered_at is None else _moment(answered_at),
        disposition=None if done is None else Disposition(done),
        because=None if why is None else KeptReason(why),
        until=None if until is None else date.fromisoformat(until),
        desk_evidence=_optional(members["desk_evidence"]),
        receipt=_optional(members["receipt"]),
    )


def _stated_use(members: Mapping[str, Any]) -> StatedUse:
    return StatedUse(
        at=_moment(members["at"]),
        reader=_text(members["reader"]),
        purpose=_text(members["purpose"]),
        times=_whole(members["times"]),
        token=_text(members["token"]),
    )


def _result(members: Mapping[str, Any]) -> Settled | NotSettled:
    if "error" in members:
        return NotSettled(code=_text(members["error"]["code"]))
    return Settled(
        message_id=MessageId(_text(members["id"])),
        state=DeliveryState(members["state"]),
        receipt=_text(members["receipt"]),
    )


def _agency_record(members: Mapping[str, Any]) -> AgencyRecord:
    return AgencyRecord(
        ref=_agency(members),
        function=AgencyFunction(members["function"]),
        name=_text(members["name"]),
    )


def _agency(members: Mapping[str, Any]) -> AgencyRef:
    return AgencyRef(country=Country(members["country"]), agency=_text(members["agency"]))


def _desk(members: Mapping[str, Any]) -> DeskRef:
    return DeskRef(
        country=Country(members["country"]), compartment=Compartment(members["compartment"])
    )


def _pair(members: Mapping[str, Any]) -> Pair:
    desk = DeskRef(country=Country(members["to"]), compartment=Compartment(members["compartment"]))
    return Pair(origin=Country(members["from"]), desk=desk)


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment

"""``/v1/wraps`` as the gateway writes it, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from broker.desk.values import key_id, listed, read, text, whole
from broker.desk.wire import ContentRef, NotSettled, results
from broker.errors import UnsealError
from broker.model.names import ContentHash, DeliveryNumber, MessageId
from broker.sealing.wire import Recipient, read_recipient
from keys.errors import KeyFormatError
from keys.identifiers import KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEntry:
    """What is needed to take one delivery to the next key."""

    number: DeliveryNumber
    ref: ContentRef
    protected: str
    recipient: Recipient | None
    """None: it is of a form that this program does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPage:
    """The next few, the oldest first."""

    entries: tuple[WaitingEntry, ...]
    total: int | None
    """All that wait; only on the first page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The gateway replaced the entry; its receipt proves it."""

    message_id: MessageId
    kid: KeyId
    receipt: str


def read_waiting(body: bytes) -> WaitingPage:
    """Read the answer to ``GET /v1/wraps``.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    return read(
        body,
        lambda members: WaitingPage(
            entries=tuple(_entry(each) for each in listed(members["wraps"])),
            total=None if members["waiting"] is None else whole(members["waiting"]),
        ),
    )


def read_moved(body: bytes, *, expected: int) -> tuple[Moved | NotSettled, ...]:
    """Read the answer to ``POST /v1/wraps``.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    return results(body, _moved, expected=expected)


def _entry(members: Mapping[str, Any]) -> WaitingEntry:
    try:
        recipient = read_recipient(members["recipient"])
    except (UnsealError, KeyFormatError):
        recipient = None
    return WaitingEntry(
        number=DeliveryNumber(whole(members["number"])),
        ref=ContentRef(
            message_id=MessageId(text(members["id"])),
            content_hash=ContentHash(text(members["content_hash"])),
        ),
        protected=text(members["protected"]),
        recipient=recipient,
    )


def _moved(members: Mapping[str, Any]) -> Moved:
    return Moved(
        message_id=MessageId(text(members["id"])),
        kid=key_id(members["key"]),
        receipt=text(members["receipt"]),
    )

"""Recalls and rectifications as the gateway lists them, and a desk's answers to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from broker.admission.dispose import DISPOSITION_TYP
from broker.desk.receipts import ReceiptCheck
from broker.desk.status import read_order_status
from broker.desk.values import (
    agency_ref,
    desk_ref,
    listed,
    moment,
    read,
    text,
    whole,
)
from broker.desk.wire import NotSettled, results
from broker.errors import Code, EvidenceError
from broker.model.events import DeliveryState, EventKind
from broker.model.names import ContentHash, DeliveryNumber, MessageId
from broker.ports.recalls import Order
from keys import jws
from keys import strict_json as canonical
from keys.key import SigningKey
from keys.strict_json import JsonObject
from schemas.vocabulary import Disposition, KeptReason, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a desk says to one order."""

    order: Order
    disposition: Disposition
    because: KeptReason | None = None
    """Of what is kept."""
    until: date | None = None
    """Of what is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The gateway recorded the answer; its receipt proves it."""

    recall: MessageId
    disposition: Disposition
    receipt: str


def sign_disposition(answer: Answer, key: SigningKey, *, now: datetime) -> str:
    """Sign what the desk did with a message that was recalled or rectified."""
    order = answer.order
    payload: JsonObject = {
        "mid": order.id,
        "org": str(order.origin),
        "of": order.subject,
        "hash": order.content_hash,
        "desk": str(order.desk),
        "disposition": answer.disposition.value,
        "iat": int(now.timestamp()),
    }
    if answer.because is not None:
        payload["because"] = answer.because.value
    if answer.until is not None:
        payload["until"] = answer.until.isoformat()
    return jws.sign_compact(canonical.write(payload), key, typ=DISPOSITION_TYP)


def read_orders(body: bytes) -> tuple[Order, ...]:
    """Read the answer to ``GET /v1/recalls``.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    return read(body, lambda members: tuple(_order(each) for each in listed(members["recalls"])))


def read_answered(body: bytes, *, expected: int) -> tuple[Answered | NotSettled, ...]:
    """Read the answer to ``POST /v1/dispositions``.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    return results(body, _answered, expected=expected)


def check_answered(receipts: ReceiptCheck, answer: Answer, result: Answered) -> None:
    """Prove that the gateway recorded this answer, of this desk.

    Raises:
        EvidenceError: The receipt says something else.
    """
    content, order = receipts.verify(result.receipt), answer.order
    # What its desk never had, the gateway itself has answered; to say so again is no lie.
    is_own = content.event is EventKind.DISPOSED and content.disposition is answer.disposition
    if (
        not (is_own or content.event is EventKind.RECALLED)
        or result.disposition is not answer.disposition
        or (result.recall, content.message_id) != (order.id, order.id)
        or (content.origin, content.content_hash) != (order.origin, order.content_hash)
        or content.recipients.keys() != {order.desk}
    ):
        raise EvidenceError(Code.EVIDENCE_INVALID)


def _order(members: Mapping[str, Any]) -> Order:
    return Order(
        number=DeliveryNumber(whole(members["number"])),
        kind=Kind(members["kind"]),
        id=MessageId(text(members["id"])),
        origin=agency_ref(members["origin"]),
        subject=MessageId(text(members["of"])),
        desk=desk_ref(members["recipient"]),
        content_hash=ContentHash(text(members["content_hash"])),
        accepted_at=moment(members["accepted_at"]),
        state=DeliveryState(members["delivery"]),
        status=read_order_status(members["order"]),
    )


def _answered(members: Mapping[str, Any]) -> Answered:
    return Answered(
        recall=MessageId(text(members["id"])),
        disposition=Disposition(members["disposition"]),
        receipt=text(members["receipt"]),
    )

"""How far a message has come, as the gateway tells its sender."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from broker.desk.values import desk_ref, moment, optional_text, read, text, whole
from broker.model.answers import StatedUse
from broker.model.events import DeliveryState, RefusalReason
from broker.model.names import ContentHash, MessageId
from broker.model.status import Finding, MessageStatus, OrderStatus, RecipientStatus
from schemas.vocabulary import Disposition, KeptReason, Kind


def read_status(body: bytes) -> MessageStatus:
    """Read the answer to ``GET /v1/messages/{id}``."""
    return read(
        body,
        lambda members: MessageStatus(
            id=MessageId(text(members["id"])),
            kind=Kind(members["kind"]),
            accepted_at=moment(members["accepted_at"]),
            expires=moment(members["expires"]),
            content_hash=ContentHash(text(members["content_hash"])),
            receipt=text(members["receipt"]),
            recipients=tuple(_recipient_status(each) for each in members["recipients"]),
        ),
    )


def _recipient_status(members: Mapping[str, Any]) -> RecipientStatus:
    reason = members.get("reason")
    return RecipientStatus(
        desk=desk_ref(members),
        state=DeliveryState(members["state"]),
        changed_at=moment(members["changed_at"]),
        attempts=whole(members["attempts"]),
        reason=None if reason is None else RefusalReason(reason),
        # An older gateway knows neither rule nor finding, nor statements of use.
        rule=optional_text(members.get("rule")),
        desk_evidence=optional_text(members.get("desk_evidence")),
        receipt=optional_text(members.get("receipt")),
        finding=None if members.get("finding") is None else _finding(members["finding"]),
        order=None if members.get("order") is None else read_order_status(members["order"]),
        uses=tuple(_stated_use(each) for each in members.get("uses", ())),
    )


def read_order_status(members: Mapping[str, Any]) -> OrderStatus:
    """Read what a desk did about a recall; the caller says what a wrong form means."""
    done, why, until = members["disposition"], members["because"], members["until"]
    answered_at = members["answered_at"]
    return OrderStatus(
        answered_at=None if answered_at is None else moment(answered_at),
        disposition=None if done is None else Disposition(done),
        because=None if why is None else KeptReason(why),
        until=None if until is None else date.fromisoformat(until),
        desk_evidence=optional_text(members["desk_evidence"]),
        receipt=optional_text(members["receipt"]),
    )


def _finding(members: Mapping[str, Any]) -> Finding:
    return Finding(
        reason=RefusalReason(members["reason"]),
        rule=optional_text(members.get("rule")),
        at=moment(members["at"]),
        desk_evidence=text(members["desk_evidence"]),
        receipt=text(members["receipt"]),
    )


def _stated_use(members: Mapping[str, Any]) -> StatedUse:
    return StatedUse(
        at=moment(members["at"]),
        reader=text(members["reader"]),
        purpose=text(members["purpose"]),
        times=whole(members["times"]),
        token=text(members["token"]),
    )

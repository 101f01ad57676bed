"""One line of the inbox: a message as people read it, and as a court can check it.

``message`` is for programs that read; ``body`` holds the exact bytes that were signed, and is
all that a verification looks at. So the line proves itself, for as long as the keys are known.
"""

import json
from datetime import datetime
from typing import Any

import orjson

from broker.desk.open import OpenedMessage
from broker.desk.wire import ReceivedHandOver
from broker.model.events import RefusalReason
from keys import base64url


def message_line(opened: OpenedMessage, *, received_at: datetime) -> bytes:
    """Write an opened message as one line."""
    message = opened.message
    return orjson.dumps(
        {
            **_names(opened.hand_over),
            "received_at": _utc(received_at),
            "accepted_at": _utc(opened.accepted_at),
            "receipt": opened.hand_over.receipt,
            "signature": message.signature,
            "signed_with": opened.signed_with,
            "second_signed_with": opened.second_signed_with,
            "message": json.loads(message.body),
            "body": base64url.encode(message.body),
        }
    )


def refusal_line(
    hand_over: ReceivedHandOver, reason: RefusalReason, *, step: str, refused_at: datetime
) -> bytes:
    """Write that a message was returned, and why; nothing of what it says."""
    return orjson.dumps(
        {
            **_names(hand_over),
            "refused_at": _utc(refused_at),
            "reason": reason.value,
            "step": step,
            "receipt": hand_over.receipt,
        }
    )


def _names(hand_over: ReceivedHandOver) -> dict[str, Any]:
    origin = hand_over.origin
    return {
        "id": hand_over.message_id,
        "hand_over": hand_over.hand_over,
        "queue": hand_over.queue,
        "origin": {"country": origin.country.value, "agency": origin.agency},
        "content_hash": hand_over.content_hash,
    }


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

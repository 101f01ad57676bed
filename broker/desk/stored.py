"""Does a stored line prove its message still? Asked offline, and years later."""

import json
from typing import Any

import orjson

from broker.desk.failures import OpeningError
from broker.desk.prove import ProvenMessage, prove_message
from broker.desk.trust import Trust
from broker.model.events import RefusalReason
from broker.model.message import Posting
from broker.model.names import AgencyRef, ContentHash, MessageId
from keys import base64url
from keys.errors import KeyFormatError
from schemas.vocabulary import Country


def verify_line(line: bytes, trust: Trust) -> ProvenMessage:
    """Prove again, offline, who wrote a stored message and when the gateway took it.

    The content hash is taken from the receipt: the sealed form is not kept.

    Args:
        line: As :func:`broker.desk.line.message_line` wrote it.
        trust: The directory may be an old one, with the keys of that time.

    Raises:
        OpeningError: The line is damaged or changed, or proves nothing.
    """
    try:
        members: dict[str, Any] = orjson.loads(line)
        body = base64url.decode(members["body"])
        origin = AgencyRef(
            country=Country(members["origin"]["country"]), agency=members["origin"]["agency"]
        )
        posting = Posting(body=body, signature=members["signature"])
        receipt = members["receipt"]
        named = (MessageId(members["id"]), ContentHash(members["content_hash"]))
        shown = members["message"]
    except (ValueError, KeyError, TypeError, AttributeError, KeyFormatError):
        raise OpeningError(RefusalReason.CONTENT_NOT_VALID, step="line") from None
    proven = prove_message(posting, receipt, origin, trust)
    if (proven.message.id, proven.receipt.content_hash) != named or shown != json.loads(body):
        raise OpeningError(RefusalReason.CONTENT_NOT_VALID, step="line")
    return proven

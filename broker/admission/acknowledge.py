"""What does this desk say of a delivery? Its signed word, kept as evidence."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from broker.errors import Code, RefusedError
from broker.model.answers import DeskAnswer
from broker.model.events import RefusalReason
from broker.model.names import ContentHash, DeskRef, MessageId
from keys import jws, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.errors import KeysError
from keys.identifiers import KeyId
from keys.key import VerificationKey
from keys.strict_json import JsonObject

ACKNOWLEDGEMENT_TYP: Final = "enlace-ack+jws"
REFUSAL_TYP: Final = "enlace-refusal+jws"
MEMBERS: Final = frozenset({"mid", "hash", "desk", "iat"})
MAX_CHARS: Final = 2048
"""A usual one takes 450."""
AHEAD: Final = timedelta(seconds=60)
ALGORITHMS: Final = frozenset({SignatureAlgorithm.ED25519, SignatureAlgorithm.ES256})
MESSAGE_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII
)
CONTENT_HASH: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

FindDeskKey: TypeAlias = Callable[[KeyId], tuple[VerificationKey, DeskRef] | None]
"""Gives a desk-signature key, with the desk that its country's statement names."""


def verify_answer(
    token: str, *, desk: DeskRef, find_key: FindDeskKey, now: datetime, refusal: bool
) -> DeskAnswer:
    """Read a desk's answer, which the calling desk itself must have signed, for itself.

    Args:
        token: A compact JWS.
        desk: Who is calling, proven by token and proof.
        find_key: Asked once, with a well-formed key id.
        now: ``iat`` may be 60 s ahead of it.
        refusal: Whether a refusal is expected; one is not taken for the other.

    Raises:
        RefusedError: ``ACKNOWLEDGEMENT_INVALID``, whatever is wrong.

    Source:
        docs/protocol.md, "Subscribing".
    """

    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[1] != desk or found[0].algorithm not in ALGORITHMS:
            return None
        return found[0]

    typ = REFUSAL_TYP if refusal else ACKNOWLEDGEMENT_TYP
    try:
        verified = jws.verify_compact(token, typ=typ, find_key=find_own, max_bytes=MAX_CHARS)
        payload = strict_json.parse_object(verified.payload)
    except KeysError:
        raise RefusedError(Code.ACKNOWLEDGEMENT_INVALID) from None
    if payload.keys() != (MEMBERS | {"reason"} if refusal else MEMBERS):
        raise RefusedError(Code.ACKNOWLEDGEMENT_INVALID)
    if payload["desk"] != str(desk):
        raise RefusedError(Code.ACKNOWLEDGEMENT_INVALID)
    return DeskAnswer(
        desk=desk,
        message_id=MessageId(_matching(payload["mid"], MESSAGE_ID)),
        content_hash=ContentHash(_matching(payload["hash"], CONTENT_HASH)),
        reason=_reason(payload),
        answered_at=_answered_at(payload, now),
        token=token,
    )


def _matching(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise RefusedError(Code.ACKNOWLEDGEMENT_INVALID)
    return value


def _reason(payload: JsonObject) -> RefusalReason | None:
    if "reason" not in payload:
        return None
    reason = next((each for each in RefusalReason if each.value == payload["reason"]), None)
    if reason is None:
        raise RefusedError(Code.ACKNOWLEDGEMENT_INVALID)
    return reason


def _answered_at(payload: JsonObject, now: datetime) -> datetime:
    iat = payload["iat"]
    # Not checked: how old it is. A desk may sign, lose its line for a week, and send then;
    # that the answer is of this delivery, its content hash says.
    if (
        not isinstance(iat, int)
        or isinstance(iat, bool)
        or not 0 <= iat <= (now + AHEAD).timestamp()
    ):
        raise RefusedError(Code.ACKNOWLEDGEMENT_INVALID)
    return datetime.fromtimestamp(iat, UTC)

"""Does this desk want its entry of a message replaced? Its signed word, kept as evidence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from broker.admission.acknowledge import ALGORITHMS, CONTENT_HASH, MESSAGE_ID, FindDeskKey
from broker.errors import Code, RefusedError
from broker.model.names import ContentHash, DeskRef, Json, MessageId
from keys import jws, strict_json
from keys.errors import KeysError
from keys.identifiers import KeyId, parse_kid
from keys.key import VerificationKey

REWRAP_TYP: Final = "enlace-rewrap+jws"
MEMBERS: Final = frozenset({"mid", "hash", "desk", "iat", "old", "recipient"})
MAX_CHARS: Final = 6144
"""One with an entry for the largest key takes 4200."""
AHEAD: Final = timedelta(seconds=60)
MAX_AGE: Final = timedelta(hours=1)
"""It is signed to be sent at once: an old one would bring back a key that has been left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrapWish:
    """What a desk has signed; its new entry is not read yet."""

    desk: DeskRef
    message_id: MessageId
    content_hash: ContentHash
    old: KeyId
    recipient: Mapping[str, Json] = field(repr=False)
    token: str = field(repr=False)


def verify_rewrap(token: str, *, desk: DeskRef, find_key: FindDeskKey, now: datetime) -> RewrapWish:
    """Read a desk's wish, which the calling desk itself must have signed, for itself.

    Args:
        token: A compact JWS.
        desk: Who is calling, proven by token and proof.
        find_key: Asked once, with a well-formed key id.
        now: ``iat`` may be 60 s ahead of it, and an hour behind.

    Raises:
        RefusedError: ``REWRAP_INVALID``, whatever is wrong.

    Source:
        docs/protocol.md, "Re-wrap".
    """

    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[1] != desk or found[0].algorithm not in ALGORITHMS:
            return None
        return found[0]

    try:
        verified = jws.verify_compact(token, typ=REWRAP_TYP, find_key=find_own, max_bytes=MAX_CHARS)
        payload = strict_json.parse_object(verified.payload)
        if payload.keys() != MEMBERS or payload["desk"] != str(desk):
            raise RefusedError(Code.REWRAP_INVALID)
        _check_time(payload["iat"], now)
        return RewrapWish(
            desk=desk,
            message_id=MessageId(_matching(payload["mid"], MESSAGE_ID)),
            content_hash=ContentHash(_matching(payload["hash"], CONTENT_HASH)),
            old=parse_kid(payload["old"]),
            recipient=_object(payload["recipient"]),
            token=token,
        )
    except KeysError:
        raise RefusedError(Code.REWRAP_INVALID) from None


def _matching(value: Json, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise RefusedError(Code.REWRAP_INVALID)
    return value


def _object(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise RefusedError(Code.REWRAP_INVALID)
    return value


def _check_time(iat: Json, now: datetime) -> None:
    if (
        not isinstance(iat, int)
        or isinstance(iat, bool)
        or not (now - MAX_AGE).timestamp() <= iat <= (now + AHEAD).timestamp()
    ):
        raise RefusedError(Code.REWRAP_INVALID)

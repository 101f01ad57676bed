"""Who reads a message, and for what? The signed word of the desk that holds it (SG-06)."""

import re
from collections.abc import Container
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.admission.acknowledge import ALGORITHMS, CONTENT_HASH, MESSAGE_ID, FindDeskKey
from broker.errors import Code, RefusedError
from broker.model.answers import UseStatement
from broker.model.names import ContentHash, DeskRef, Json, MessageId
from keys import jws, strict_json
from keys.errors import KeysError
from keys.identifiers import KeyId
from keys.key import VerificationKey

USE_TYP: Final = "enlace-use+jws"
MEMBERS: Final = frozenset({"mid", "hash", "desk", "reader", "purpose", "iat"})
MAX_CHARS: Final = 2048
"""A usual one takes 500."""
MAX_READER_CHARS: Final = 64
AHEAD: Final = timedelta(seconds=60)
MAX_AGE: Final = timedelta(hours=1)
"""Reading follows at once: who reads again later says so again."""


def verify_use(
    token: str,
    *,
    desk: DeskRef,
    find_key: FindDeskKey,
    purposes: Container[str],
    now: datetime,
) -> UseStatement:
    """Read a desk's statement, which the calling desk itself must have signed, for itself.

    Args:
        token: A compact JWS.
        desk: Who is calling, proven by token and proof.
        find_key: Asked once, with a well-formed key id.
        purposes: The codes of the list ``purpose``.
        now: ``iat`` may be 60 s ahead of it, and an hour behind.

    Raises:
        RefusedError: ``USE_INVALID``, whatever is wrong.

    Source:
        docs/protocol.md, "Statement of use".
    """

    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[1] != desk or found[0].algorithm not in ALGORITHMS:
            return None
        return found[0]

    try:
        verified = jws.verify_compact(token, typ=USE_TYP, find_key=find_own, max_bytes=MAX_CHARS)
        payload = strict_json.parse_object(verified.payload)
    except KeysError:
        raise RefusedError(Code.USE_INVALID) from None
    if payload.keys() != MEMBERS or payload["desk"] != str(desk):
        raise RefusedError(Code.USE_INVALID)
    reader, purpose = payload["reader"], payload["purpose"]
    if not isinstance(reader, str) or not is_reader(reader):
        raise RefusedError(Code.USE_INVALID)
    if not isinstance(purpose, str) or purpose not in purposes:
        raise RefusedError(Code.USE_INVALID)
    return UseStatement(
        desk=desk,
        message_id=MessageId(_matching(payload["mid"], MESSAGE_ID)),
        content_hash=ContentHash(_matching(payload["hash"], CONTENT_HASH)),
        reader=reader,
        purpose=purpose,
        stated_at=_stated_at(payload["iat"], now),
        token=token,
    )


def is_reader(text: str) -> bool:
    """Is this a role, as far as its form tells? One line of 1 to 64 characters, no address."""
    return (
        1 <= len(text) <= MAX_READER_CHARS
        and text.isprintable()
        and text == text.strip()
        and "@" not in text
    )


def _matching(value: Json, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise RefusedError(Code.USE_INVALID)
    return value


def _stated_at(iat: Json, now: datetime) -> datetime:
    if (
        not isinstance(iat, int)
        or isinstance(iat, bool)
        or not (now - MAX_AGE).timestamp() <= iat <= (now + AHEAD).timestamp()
    ):
        raise RefusedError(Code.USE_INVALID)
    return datetime.fromtimestamp(iat, UTC)

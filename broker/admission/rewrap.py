"""Does this desk want its entry of a message replaced? Its signed word, kept as evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from broker.admission.desk_word import FindDeskKey, Form, read_desk_word
from broker.errors import Code, RefusedError
from broker.model.names import ContentHash, DeskRef, Json, MessageId
from keys.errors import KeysError
from keys.identifiers import KeyId, parse_kid

REWRAP_TYP: Final = "enlace-rewrap+jws"
REWRAP: Final = Form(
    typ=REWRAP_TYP,
    members=frozenset({"mid", "hash", "desk", "iat", "old", "recipient"}),
    # One with an entry for the largest key takes 4200.
    max_chars=6144,
    # It is signed to be sent at once: an old one would bring back a key that has been left.
    max_age=timedelta(hours=1),
    code=Code.REWRAP_INVALID,
)


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
    word = read_desk_word(token, REWRAP, desk=desk, find_key=find_key, now=now)
    recipient = word.payload["recipient"]
    if not isinstance(recipient, dict):
        raise RefusedError(Code.REWRAP_INVALID)
    try:
        old = parse_kid(word.payload["old"])
    except KeysError:
        raise RefusedError(Code.REWRAP_INVALID) from None
    return RewrapWish(
        desk=desk,
        message_id=word.message_id,
        content_hash=word.content_hash,
        old=old,
        recipient=recipient,
        token=token,
    )

"""Who reads a message, and for what? The signed word of the desk that holds it (SG-06)."""

from collections.abc import Container
from datetime import datetime, timedelta
from typing import Final

from broker.admission.desk_word import FindDeskKey, Form, read_desk_word
from broker.errors import Code, RefusedError
from broker.model.answers import UseStatement
from broker.model.names import DeskRef

USE_TYP: Final = "enlace-use+jws"
MAX_READER_CHARS: Final = 64
USE: Final = Form(
    typ=USE_TYP,
    members=frozenset({"mid", "hash", "desk", "reader", "purpose", "iat"}),
    # A usual one takes 500.
    max_chars=2048,
    # Reading follows at once: who reads again later says so again.
    max_age=timedelta(hours=1),
    code=Code.USE_INVALID,
)


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
    word = read_desk_word(token, USE, desk=desk, find_key=find_key, now=now)
    reader, purpose = word.text("reader"), word.text("purpose")
    if not is_reader(reader) or purpose not in purposes:
        raise RefusedError(Code.USE_INVALID)
    return UseStatement(
        desk=desk,
        message_id=word.message_id,
        content_hash=word.content_hash,
        reader=reader,
        purpose=purpose,
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

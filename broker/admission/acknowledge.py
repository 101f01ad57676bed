"""What does this desk say of a delivery? Its signed word, kept as evidence."""

from datetime import datetime
from typing import Final

from broker.admission.desk_word import DeskWord, FindDeskKey, Form, read_desk_word
from broker.admission.rules.table import AT_THE_DESK, OF_WHAT_LIES_THERE
from broker.errors import Code, RefusedError
from broker.model.answers import DeskAnswer
from broker.model.events import RefusalReason
from broker.model.names import DeskRef
from keys import jws, strict_json
from keys.errors import KeysError

ACKNOWLEDGEMENT_TYP: Final = "enlace-ack+jws"
REFUSAL_TYP: Final = "enlace-refusal+jws"
MEMBERS: Final = frozenset({"mid", "hash", "desk", "iat"})
RULE: Final = "rule"
RULE_NAMES: Final = frozenset(rule.name for rule in (*AT_THE_DESK, *OF_WHAT_LIES_THERE))
"""A name of our own choosing, so that nothing else of a content is told in its place."""
MAX_CHARS: Final = 2048
"""A usual one takes 450."""
# Not checked: how old it is. A desk may sign, lose its line for a week, and send then; that the
# answer is of this delivery, its content hash says.
ACKNOWLEDGEMENT: Final = Form(
    typ=ACKNOWLEDGEMENT_TYP,
    members=MEMBERS,
    max_chars=MAX_CHARS,
    code=Code.ACKNOWLEDGEMENT_INVALID,
)
REFUSAL: Final = Form(
    typ=REFUSAL_TYP,
    members=MEMBERS | {"reason"},
    # Desks from before it was told leave it out.
    optional=frozenset({RULE}),
    max_chars=MAX_CHARS,
    code=Code.ACKNOWLEDGEMENT_INVALID,
)


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
    form = REFUSAL if refusal else ACKNOWLEDGEMENT
    word = read_desk_word(token, form, desk=desk, find_key=find_key, now=now)
    reason = _reason(word) if refusal else None
    _require_rule_of_ours(word, reason)
    return DeskAnswer(
        desk=desk,
        message_id=word.message_id,
        content_hash=word.content_hash,
        reason=reason,
        answered_at=word.signed_at,
        token=token,
    )


def _reason(word: DeskWord) -> RefusalReason:
    try:
        return RefusalReason(word.text("reason"))
    except ValueError:
        raise RefusedError(word.code) from None


def _require_rule_of_ours(word: DeskWord, reason: RefusalReason | None) -> None:
    # Of the other reasons none is a safeguard's: what a rule beside them said would be something
    # else. What it names stays in the token (``rule_in``).
    if RULE in word.payload and (
        word.text(RULE) not in RULE_NAMES or reason is not RefusalReason.CONTENT_NOT_VALID
    ):
        raise RefusedError(word.code)


def rule_in(token: str) -> str | None:
    """Read which safeguard a refusal names that was verified when it came."""
    try:
        rule = strict_json.parse_object(jws.unverified_payload(token)).get(RULE)
    except KeysError:
        return None
    return rule if isinstance(rule, str) else None

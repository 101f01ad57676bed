"""Did the calling desk sign this, for itself? What all its signed words have in common.

Answers, re-wraps, dispositions and statements of use have a ``typ``, members and limits of their
own, so none passes for another. Whatever is wrong with one, its sender gets one code.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from broker.errors import Code, RefusedError
from broker.model.names import ContentHash, DeskRef, MessageId
from keys import jws, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.errors import KeysError
from keys.identifiers import KeyId
from keys.key import VerificationKey
from keys.strict_json import JsonObject

AHEAD: Final = timedelta(seconds=60)
"""How far a desk's clock may be ahead of ours."""
ALGORITHMS: Final = frozenset({SignatureAlgorithm.ED25519, SignatureAlgorithm.ES256})
MESSAGE_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII
)
CONTENT_HASH: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

FindDeskKey: TypeAlias = Callable[[KeyId], tuple[VerificationKey, DeskRef] | None]
"""Gives a desk-signature key, with the desk that its country's statement names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one sort of word is written."""

    typ: str
    members: frozenset[str]
    """All of them must be there; ``desk`` and ``iat`` among them."""
    optional: frozenset[str] = frozenset()
    max_chars: int
    max_age: timedelta | None = None
    """None: it may be told later, after a week without a line."""
    code: Code
    """The refusal, whatever is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskWord:
    """A payload that the calling desk has signed; what its members say is read by name."""

    payload: JsonObject
    signed_at: datetime
    code: Code

    @property
    def message_id(self) -> MessageId:
        """The message that it is about."""
        return MessageId(self.matching("mid", MESSAGE_ID))

    @property
    def content_hash(self) -> ContentHash:
        """The content that it is about."""
        return ContentHash(self.matching("hash", CONTENT_HASH))

    def text(self, name: str) -> str:
        """Read a member that is a text.

        Raises:
            RefusedError: It is none.
        """
        value = self.payload[name]
        if not isinstance(value, str):
            raise RefusedError(self.code)
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        """Read a member that is a text of this form.

        Raises:
            RefusedError: It is of another.
        """
        text = self.text(name)
        if pattern.fullmatch(text) is None:
            raise RefusedError(self.code)
        return text


def read_desk_word(
    token: str, form: Form, *, desk: DeskRef, find_key: FindDeskKey, now: datetime
) -> DeskWord:
    """Read what the calling desk itself has signed, for itself.

    Args:
        token: A compact JWS.
        form: Which sort of word is expected.
        desk: Who is calling, proven by token and proof.
        find_key: Asked once, with a well-formed key id.
        now: ``iat`` may be 60 s ahead of it.

    Raises:
        RefusedError: Of the form's code, whatever is wrong.
    """

    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[1] != desk or found[0].algorithm not in ALGORITHMS:
            return None
        return found[0]

    try:
        verified = jws.verify_compact(
            token, typ=form.typ, find_key=find_own, max_bytes=form.max_chars
        )
        payload = strict_json.parse_object(verified.payload)
    except KeysError:
        raise RefusedError(form.code) from None
    if payload.keys() - form.optional != form.members or payload["desk"] != str(desk):
        raise RefusedError(form.code)
    return DeskWord(payload=payload, signed_at=_signed_at(payload, form, now), code=form.code)


def _signed_at(payload: JsonObject, form: Form, now: datetime) -> datetime:
    iat = payload["iat"]
    oldest = 0.0 if form.max_age is None else (now - form.max_age).timestamp()
    # True is an int to Python.
    if (
        not isinstance(iat, int)
        or isinstance(iat, bool)
        or not oldest <= iat <= (now + AHEAD).timestamp()
    ):
        raise RefusedError(form.code)
    return datetime.fromtimestamp(iat, UTC)

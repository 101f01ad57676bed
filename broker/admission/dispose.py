"""What did this desk do with a message that was recalled? Its signed word, kept as evidence."""

import re
from datetime import date, datetime, timedelta
from typing import Final

from broker.admission.desk_word import MESSAGE_ID, DeskWord, FindDeskKey, Form, read_desk_word
from broker.errors import Code, RefusedError
from broker.model.answers import DeskDisposition
from broker.model.names import AgencyRef, DeskRef, MessageId
from schemas.vocabulary import Country, Disposition, KeptReason

DISPOSITION_TYP: Final = "enlace-disposition+jws"
OF_KEPT: Final = frozenset({"because", "until"})
# Not checked: how old it is, as for an acknowledgement. What it is about, the hash says.
DISPOSITION: Final = Form(
    typ=DISPOSITION_TYP,
    members=frozenset({"mid", "org", "of", "hash", "desk", "disposition", "iat"}),
    optional=OF_KEPT,
    # A usual one takes 650.
    max_chars=2048,
    code=Code.DISPOSITION_INVALID,
)
LONGEST_KEPT: Final = timedelta(days=5 * 366)
"""No message lives longer, so nobody may keep it longer without a new decision (SG-08)."""
AGENCY: Final = re.compile(r"([A-Z]{2})/([a-z0-9-]{1,32})", re.ASCII)
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def verify_disposition(
    token: str, *, desk: DeskRef, find_key: FindDeskKey, now: datetime
) -> DeskDisposition:
    """Read a desk's answer to a recall, which the calling desk must have signed, for itself.

    Args:
        token: A compact JWS.
        desk: Who is calling, proven by token and proof.
        find_key: Asked once, with a well-formed key id.
        now: ``iat`` may be 60 s ahead of it.

    Raises:
        RefusedError: ``DISPOSITION_INVALID``, whatever is wrong.

    Source:
        docs/protocol.md, "Recall and rectification".
    """
    word = read_desk_word(token, DISPOSITION, desk=desk, find_key=find_key, now=now)
    try:
        return _read(word, token, desk)
    except (ValueError, KeyError):
        # One answer for whatever is wrong; it says nothing of what was sent.
        raise RefusedError(Code.DISPOSITION_INVALID) from None


def _read(word: DeskWord, token: str, desk: DeskRef) -> DeskDisposition:
    disposition = Disposition(word.text("disposition"))
    because, until = _kept(word, disposition)
    return DeskDisposition(
        desk=desk,
        recall=word.message_id,
        origin=_agency(word),
        content_hash=word.content_hash,
        subject=MessageId(word.matching("of", MESSAGE_ID)),
        disposition=disposition,
        because=because,
        until=until,
        answered_at=word.signed_at,
        token=token,
    )


def _kept(word: DeskWord, disposition: Disposition) -> tuple[KeptReason | None, date | None]:
    if disposition is not Disposition.KEPT:
        if OF_KEPT & word.payload.keys():
            raise RefusedError(Code.DISPOSITION_INVALID)
        return None, None
    # What is kept says why: there is no keeping without a reason.
    because = KeptReason(word.text("because"))
    if "until" not in word.payload:
        return because, None
    until = date.fromisoformat(word.matching("until", DAY))
    if not word.signed_at.date() <= until <= (word.signed_at + LONGEST_KEPT).date():
        raise RefusedError(Code.DISPOSITION_INVALID)
    return because, until


def _agency(word: DeskWord) -> AgencyRef:
    country, _, agency = word.matching("org", AGENCY).partition("/")
    return AgencyRef(country=Country(country), agency=agency)

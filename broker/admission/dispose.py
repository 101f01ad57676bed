"""What did this desk do with a message that was recalled? Its signed word, kept as evidence."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from broker.admission.acknowledge import ALGORITHMS, CONTENT_HASH, MESSAGE_ID, FindDeskKey
from broker.errors import Code, RefusedError
from broker.model.answers import DeskDisposition
from broker.model.names import AgencyRef, ContentHash, DeskRef, MessageId
from keys import jws, strict_json
from keys.errors import KeysError
from keys.identifiers import KeyId
from keys.key import VerificationKey
from keys.strict_json import JsonObject, JsonValue
from schemas.vocabulary import Country, Disposition, KeptReason

DISPOSITION_TYP: Final = "enlace-disposition+jws"
MEMBERS: Final = frozenset({"mid", "org", "of", "hash", "desk", "disposition", "iat"})
OF_KEPT: Final = frozenset({"because", "until"})
MAX_CHARS: Final = 2048
"""A usual one takes 650."""
AHEAD: Final = timedelta(seconds=60)
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

    def find_own(kid: KeyId) -> VerificationKey | None:
        found = find_key(kid)
        if found is None or found[1] != desk or found[0].algorithm not in ALGORITHMS:
            return None
        return found[0]

    try:
        verified = jws.verify_compact(
            token, typ=DISPOSITION_TYP, find_key=find_own, max_bytes=MAX_CHARS
        )
        return _read(strict_json.parse_object(verified.payload), token, desk, now)
    except (KeysError, ValueError, KeyError):
        # One answer for whatever is wrong; it says nothing of what was sent.
        raise RefusedError(Code.DISPOSITION_INVALID) from None


def _read(payload: JsonObject, token: str, desk: DeskRef, now: datetime) -> DeskDisposition:
    if payload.keys() - OF_KEPT != MEMBERS or payload["desk"] != str(desk):
        raise RefusedError(Code.DISPOSITION_INVALID)
    answered_at = _answered_at(payload["iat"], now)
    disposition = Disposition(_text(payload["disposition"]))
    because, until = _kept(payload, disposition, answered_at)
    return DeskDisposition(
        desk=desk,
        recall=MessageId(_matching(payload["mid"], MESSAGE_ID)),
        origin=_agency(payload["org"]),
        content_hash=ContentHash(_matching(payload["hash"], CONTENT_HASH)),
        subject=MessageId(_matching(payload["of"], MESSAGE_ID)),
        disposition=disposition,
        because=because,
        until=until,
        answered_at=answered_at,
        token=token,
    )


def _kept(
    payload: Mapping[str, JsonValue], disposition: Disposition, answered_at: datetime
) -> tuple[KeptReason | None, date | None]:
    if disposition is not Disposition.KEPT:
        if OF_KEPT & payload.keys():
            raise RefusedError(Code.DISPOSITION_INVALID)
        return None, None
    # What is kept says why: there is no keeping without a reason.
    because = KeptReason(_text(payload["because"]))
    if "until" not in payload:
        return because, None
    until = date.fromisoformat(_matching(payload["until"], DAY))
    if not answered_at.date() <= until <= (answered_at + LONGEST_KEPT).date():
        raise RefusedError(Code.DISPOSITION_INVALID)
    return because, until


def _agency(value: JsonValue) -> AgencyRef:
    found = AGENCY.fullmatch(_text(value))
    if found is None:
        raise RefusedError(Code.DISPOSITION_INVALID)
    return AgencyRef(country=Country(found[1]), agency=found[2])


def _matching(value: JsonValue, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(text := _text(value)) is None:
        raise RefusedError(Code.DISPOSITION_INVALID)
    return text


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise RefusedError(Code.DISPOSITION_INVALID)
    return value


def _answered_at(iat: JsonValue, now: datetime) -> datetime:
    # Not checked: how old it is, as for an acknowledgement. What it is about, the hash says.
    if (
        not isinstance(iat, int)
        or isinstance(iat, bool)
        or not 0 <= iat <= (now + AHEAD).timestamp()
    ):
        raise RefusedError(Code.DISPOSITION_INVALID)
    return datetime.fromtimestamp(iat, UTC)

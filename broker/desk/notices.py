"""What was this country told about keys? Proved before it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from broker.errors import Code, EvidenceError
from keys import jws, strict_json
from keys.errors import KeysError
from keys.identifiers import KeyId, parse_kid
from keys.key import VerificationKey

NOTICE_TYP = "enlace-notice+jws"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """A notice that the exchange signed."""

    number: int
    event: str
    kid: KeyId
    since: datetime
    at: datetime
    deliveries: tuple[tuple[str, str, str], ...]
    """Message id, origin and desk of each that is concerned."""


def read_notice(number: int, token: str, *, keys: Mapping[KeyId, VerificationKey]) -> Noticed:
    """Read a notice and prove it.

    Raises:
        EvidenceError: Not signed by a receipt key of the exchange, or no notice.
    """
    try:
        verified = jws.verify_compact(token, typ=NOTICE_TYP, find_key=keys.get, max_bytes=64 * 1024)
        members: Mapping[str, Any] = strict_json.parse_object(verified.payload)
        return Noticed(
            number=number,
            event=str(members["event"]),
            kid=parse_kid(members["kid"]),
            since=datetime.fromtimestamp(int(members["since"]), UTC),
            at=datetime.fromtimestamp(int(members["at"]), UTC),
            deliveries=tuple(
                (str(each["mid"]), str(each["org"]), str(each["desk"]))
                for each in members["deliveries"]
            ),
        )
    except (KeysError, KeyError, TypeError, ValueError):
        raise EvidenceError(Code.EVIDENCE_INVALID) from None

"""What was this country told, of keys, requests and messages? Proved before it is believed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from broker.errors import Code, EvidenceError
from broker.model.events import RefusalReason
from keys import jws, strict_json
from keys.errors import KeysError
from keys.identifiers import KeyId, parse_kid
from keys.key import VerificationKey

NOTICE_TYP: Final = "enlace-notice+jws"
MAX_NOTICE_CHARS: Final = 64 * 1024
"""Of one that names many deliveries."""
COMPROMISED: Final = "key-compromised"
OVERDUE: Final = "request-overdue"
UNREAD: Final = "message-expired-unread"
REFUSED: Final = "content-refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """A notice that the exchange signed."""

    number: int
    event: str
    at: datetime
    deliveries: tuple[tuple[str, str, str | None], ...]
    """Message id, origin and desk of each that is concerned; no desk where it is hidden."""
    reason: RefusalReason | None = None
    """Of ``content-refused``: what the desk said, under its own signature."""
    kid: KeyId | None = None
    since: datetime | None = None
    """Of ``key-compromised``: the key, and since when it is not to be trusted."""
    channel: str | None = None
    due: datetime | None = None
    """Of ``request-overdue``: until when an answer was due, and over which channel."""
    late: int | None = None
    """How many desks have not answered, where they are hidden (SG-12)."""


Members: TypeAlias = Mapping[str, Any]


def read_notice(
    number: int,
    token: str,
    *,
    keys: Mapping[KeyId, VerificationKey],
    counts: Callable[[KeyId, datetime], bool],
) -> Noticed:
    """Read a notice and prove it.

    Args:
        number: Where it stands among this country's.
        token: Compact JWS.
        keys: The receipt keys of the exchange.
        counts: Did this one count at that moment? ``Directory.receipt_counts``.

    Raises:
        EvidenceError: Not signed by a receipt key of the exchange that counted then, or no
            notice of an event that this program knows.
    """
    try:
        verified = jws.verify_compact(
            token, typ=NOTICE_TYP, find_key=keys.get, max_bytes=MAX_NOTICE_CHARS
        )
        members: Members = strict_json.parse_object(verified.payload)
        noticed = READERS[members["event"]](number, members)
    except (KeysError, KeyError, TypeError, ValueError, OverflowError, OSError):
        raise EvidenceError(Code.EVIDENCE_INVALID) from None
    if not counts(verified.kid, noticed.at):
        raise EvidenceError(Code.EVIDENCE_INVALID)
    return noticed


def _compromised(number: int, members: Members) -> Noticed:
    return Noticed(
        number=number,
        event=COMPROMISED,
        at=moment_of(members["at"]),
        kid=parse_kid(members["kid"]),
        since=moment_of(members["since"]),
        deliveries=tuple(_delivery(each) for each in members["deliveries"]),
    )


def _overdue(number: int, members: Members) -> Noticed:
    channel = members.get("channel")
    late = None if "desk" in members else _whole(members["late"])
    return Noticed(
        number=number,
        event=OVERDUE,
        at=moment_of(members["at"]),
        deliveries=(_delivery(members) if late is None else _hidden(members),),
        late=late,
        channel=None if channel is None else str(channel),
        due=moment_of(members["due"]),
    )


def _unread(number: int, members: Members) -> Noticed:
    return Noticed(
        number=number,
        event=UNREAD,
        at=moment_of(members["at"]),
        deliveries=tuple(_delivery(each) for each in members["deliveries"]),
    )


def _refused(number: int, members: Members) -> Noticed:
    return Noticed(
        number=number,
        event=REFUSED,
        at=moment_of(members["at"]),
        deliveries=(_delivery(members),),
        reason=RefusalReason(members["reason"]),
    )


READERS: Final[Mapping[str, Callable[[int, Members], Noticed]]] = MappingProxyType(
    {COMPROMISED: _compromised, OVERDUE: _overdue, UNREAD: _unread, REFUSED: _refused}
)
"""Each event has members of its own; one that nobody knows is no notice."""


def _delivery(members: Members) -> tuple[str, str, str]:
    return str(members["mid"]), str(members["org"]), str(members["desk"])


def _hidden(members: Members) -> tuple[str, str, None]:
    return str(members["mid"]), str(members["org"]), None


def moment_of(seconds: object) -> datetime:
    """Read the time of a notice."""
    return datetime.fromtimestamp(_whole(seconds), UTC)


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError
    return number

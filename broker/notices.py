"""Tell a country what it must know of its messages: a signed notice, once.

Of keys that are compromised, of what ran out unread, of what a desk found under a seal. A notice
names the messages that are concerned, and nothing of what they say. It is signed with the
gateway's receipt key, so a country can show what it was told, and when.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from broker.model.events import Event, Notice
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef
from broker.ports.keys import AffectedDelivery, KeyLedger
from keys import base64url, strict_json
from keys.act_kind import ActKind
from keys.decision import Decision
from keys.decisions import Decisions
from keys.identifiers import KeyId
from keys.strict_json import JsonObject, JsonValue
from schemas.vocabulary import Compartment, Country

NOTICE_TYP: Final = "enlace-notice+jws"
COMPROMISED: Final = "key-compromised"
UNREAD: Final = "message-expired-unread"
REFUSED: Final = "content-refused"
PAGE: Final = 200
"""Deliveries in one notice at most: 12 KiB."""

SETTLED: Final = timedelta(minutes=2)
"""So long after one gateway has read the act all have, and what they let through is recorded."""

SignNotice = Callable[[bytes], str]
"""Signs a payload as :data:`NOTICE_TYP`, with the receipt key of the moment."""


@dataclass(slots=True, kw_only=True)
class Notices:
    """Writes what is to be told; the countries fetch it."""

    ledger: KeyLedger
    sign: SignNotice
    issuer: str
    _next: dict[tuple[str, KeyId], datetime | None] = field(default_factory=dict)
    """When this process tells of a compromise again; None when it has told all."""

    async def tell(self, decisions: Decisions, now: datetime) -> int:
        """Write a notice for every compromise that was not told yet; say how many are new.

        Of each twice, at once and when nothing is sealed to the key any more. A crash in between
        leaves some countries untold until the next round: each notice has a subject of its own
        and is written once.
        """
        told = 0
        for decision in decisions.by_id.values():
            if decision.act.kind is ActKind.COMPROMISE and decision.in_force(now):
                for kid in decision.act.keys:
                    compromise = (decision.act.id, kid)
                    due = self._next.get(compromise, now)
                    if due is None or now < due:
                        continue
                    told += await self._tell_of(decision, kid, now)
                    # From when this process saw it: what an act says of its time may be long ago.
                    is_first = compromise not in self._next
                    self._next[compromise] = now + SETTLED if is_first else None
        return told

    async def _tell_of(self, decision: Decision, kid: KeyId, now: datetime) -> int:
        told, after = 0, None
        while page := await self._page(decision, kid, after):
            for group, deliveries in _by_reader(page).items():
                told += await self._write(decision, kid, group[0], deliveries, now)
            after = page[-1].number
        return told

    async def _page(
        self, decision: Decision, kid: KeyId, after: DeliveryNumber | None
    ) -> Sequence[AffectedDelivery]:
        return await self.ledger.affected(kid, since=decision.act.since, after=after, limit=PAGE)

    async def _write(
        self,
        decision: Decision,
        kid: KeyId,
        country: Country,
        deliveries: Sequence[AffectedDelivery],
        now: datetime,
    ) -> bool:
        # All numbers: a list that has grown since is told again, whole.
        numbers = " ".join(str(each.number) for each in deliveries)
        subject = hashlib.sha256(
            f"{decision.act.id}\0{kid}\0{country}\0{numbers}".encode()
        ).digest()
        if await self.ledger.was_told(country, subject):
            return False
        payload: JsonObject = {
            "iss": self.issuer,
            "event": COMPROMISED,
            "country": country.value,
            "kid": kid,
            "since": _seconds(decision.act.since or decision.act.at),
            "at": _seconds(now),
            "deliveries": [
                {"mid": each.message_id, "org": str(each.origin), "desk": str(each.desk)}
                for each in deliveries
            ],
        }
        notice = Notice(
            country=country,
            at=now,
            kid=kid,
            event=COMPROMISED,
            subject=subject,
            token=self.sign(strict_json.write(payload)),
        )
        return await self.ledger.add_notice(notice)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadNotices:
    """Tells a country that a message of its own ran out before its desk had acknowledged it."""

    sign: SignNotice
    issuer: str

    def __call__(self, expired: Sequence[Event]) -> Sequence[Notice]:
        """Write a notice for each country, and who may read it; a ``TellUnread`` (SG-08)."""
        found: dict[tuple[Country, AgencyRef | None], list[Event]] = {}
        for event in expired:
            # One copy runs out at a time, so an event names one desk.
            for desk in event.recipients:
                found.setdefault(_reader(event.sender, desk), []).append(event)
        return [self._notice(country, events) for (country, _), events in found.items()]

    def _notice(self, country: Country, events: Sequence[Event]) -> Notice:
        deliveries: list[JsonValue] = [
            {"mid": each.message_id, "org": str(each.sender), "desk": str(desk)}
            for each in events
            for desk in each.recipients
        ]
        at = events[0].at
        payload: JsonObject = {
            "iss": self.issuer,
            "event": UNREAD,
            "country": country.value,
            "at": _seconds(at),
            "deliveries": deliveries,
        }
        # A delivery expires once, so no two notices are of the same ones.
        subject = hashlib.sha256(
            strict_json.write({"event": UNREAD, "deliveries": deliveries})
        ).digest()
        token = self.sign(strict_json.write(payload))
        return Notice(country=country, at=at, event=UNREAD, subject=subject, token=token)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingNotices:
    """Tells the country that wrote a message, and the desk's, what the desk found under the seal.

    Nobody else is told: who else has the message holds its content against the same digest.
    """

    sign: SignNotice
    issuer: str

    def __call__(self, event: Event) -> Sequence[Notice]:
        """Write the notices of one refusal; a ``TellFinding``."""
        return [
            self._notice(country, event, desk)
            for desk in event.recipients
            for country in sorted({event.sender.country, desk.country})
        ]

    def _notice(self, country: Country, event: Event, desk: DeskRef) -> Notice:
        # Not the safeguard that was broken: its name alone could say whom the message protects.
        payload: JsonObject = {
            "iss": self.issuer,
            "event": REFUSED,
            "country": country.value,
            "at": _seconds(event.at),
            "mid": event.message_id,
            "org": str(event.sender),
            "desk": str(desk),
            "reason": event.reason,
        }
        about = "\0".join((REFUSED, event.message_id, str(event.sender), str(desk)))
        return Notice(
            country=country,
            at=event.at,
            event=REFUSED,
            subject=hashlib.sha256(about.encode()).digest(),
            token=self.sign(strict_json.write(payload)),
        )


def deliveries_in(token: str) -> Sequence[tuple[str, str]]:
    """Name the origin and compartment of each delivery in a notice that this exchange signed."""
    payload = strict_json.parse_object(base64url.decode(token.split(".")[1]))
    listed = payload.get("deliveries", [payload])
    return [
        (str(each["org"]), _compartment(each))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]


def refused_in(token: str) -> tuple[str, str]:
    """Name the origin and the desk in a notice of a refused content that this exchange signed."""
    payload = strict_json.parse_object(base64url.decode(token.split(".")[1]))
    return str(payload["org"]), str(payload["desk"])


def _compartment(delivery: JsonObject) -> str:
    # Where no desk may be named its compartment is.
    return str(delivery.get("compartment") or str(delivery["desk"]).rpartition(".")[2])


def _by_reader(
    page: Iterable[AffectedDelivery],
) -> Mapping[tuple[Country, AgencyRef | None], Sequence[AffectedDelivery]]:
    found: dict[tuple[Country, AgencyRef | None], list[AffectedDelivery]] = {}
    for each in page:
        found.setdefault(_reader(each.origin, each.desk), []).append(each)
    return found


def _reader(origin: AgencyRef, desk: DeskRef) -> tuple[Country, AgencyRef | None]:
    """Say what may stand in one notice: whoever may read one line of it reads them all.

    What went to ``protection`` is told by its own agency: police of the same country learn of
    their own messages there, and not of others'.
    """
    return origin.country, origin if desk.compartment is Compartment.PROTECTION else None


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())

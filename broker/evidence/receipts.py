"""Receipts: the gateway's signed word on what happened to a message.

A receipt names the content by its hash, never by what it says. Whoever holds one needs
nothing else than the gateway's receipt key to prove it, so it outlives the exchange.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.errors import Code, EvidenceError
from broker.model.events import Event, EventKind, RefusalReason
from broker.model.names import NO_KEY, AgencyRef, ContentHash, DeskRef, LogPosition, MessageId
from keys import jws, strict_json
from keys.errors import KeysError
from keys.identifiers import KeyId, parse_kid
from keys.key import SigningKey
from keys.strict_json import JsonObject, JsonValue
from schemas.vocabulary import Compartment, Country, Disposition

RECEIPT_TYP: Final = "enlace-receipt+jws"
MEMBERS: Final = frozenset({"iss", "event", "mid", "org", "hash", "at", "pos", "rcp"})
OPTIONAL: Final = frozenset({"reason", "rules", "facts", "disposition"})
BEFORE_RULES: Final = "open-pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptContent:
    """What a verified receipt proves."""

    issuer: str
    event: EventKind
    message_id: MessageId
    origin: AgencyRef
    content_hash: ContentHash
    at: datetime
    position: LogPosition
    recipients: Mapping[DeskRef, KeyId]
    """The desks concerned, each with the key that its copy was sealed to, or ``NO_KEY``."""
    rules: Mapping[DeskRef, str]
    """Of an acceptance, the rule that allowed each (SG-12)."""
    facts_digest: str | None
    """What the origin said of a content that the gateway could not see."""
    reason: RefusalReason | None
    disposition: Disposition | None
    """Of ``DISPOSED``: what the desk did (SG-07)."""
    signed_with: KeyId
    """The receipt key; whether it counted at that moment, the directory says."""

    @property
    def not_sealed(self) -> frozenset[DeskRef]:
        """The desks that got no copy, for want of a current key (SG-07)."""
        return frozenset(desk for desk, kid in self.recipients.items() if kid == NO_KEY)


class ReceiptIssuer:
    """Signs receipts for one gateway; a ``ports.receipts.SignReceipt``."""

    __slots__ = ("_issuer", "_key")

    def __init__(self, key: SigningKey, *, issuer: str) -> None:
        self._key = key
        self._issuer = issuer

    def __call__(self, event: Event, position: LogPosition) -> str:
        """Sign an event at its place in the log.

        Returns:
            A compact JWS, about 500 characters for one recipient.

        Source:
            docs/protocol.md, "Receipts".
        """
        payload: JsonObject = {
            "iss": self._issuer,
            "event": event.kind.value,
            "mid": event.message_id,
            "org": str(event.sender),
            "hash": event.content_hash,
            "at": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "pos": position,
            "rcp": {str(desk): kid for desk, kid in event.recipients.items()},
        }
        if event.rules:
            payload["rules"] = {str(desk): rule for desk, rule in event.rules.items()}
        if event.facts_digest is not None:
            payload["facts"] = event.facts_digest
        if event.reason is not None:
            payload["reason"] = event.reason.value
        if event.disposition is not None:
            payload["disposition"] = event.disposition.value
        return jws.sign_compact(strict_json.write(payload), self._key, typ=RECEIPT_TYP)


def verify_receipt(token: str, *, find_key: jws.FindKey) -> ReceiptContent:
    """Read a receipt and prove it.

    Args:
        token: Compact JWS.
        find_key: Looks only among the receipt keys that the exchange's pinned root states.

    Raises:
        EvidenceError: Not signed by such a key, or not a receipt.
    """
    try:
        verified = jws.verify_compact(token, typ=RECEIPT_TYP, find_key=find_key)
        members = strict_json.parse_object(verified.payload)
        if members.keys() - OPTIONAL != MEMBERS:
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return _content(members, verified.kid)
    except (KeysError, ValueError, KeyError):
        # One answer for whatever is wrong; the reader cannot mend a receipt.
        raise EvidenceError(Code.EVIDENCE_INVALID) from None


def read_recipients(token: str) -> tuple[Mapping[DeskRef, str], frozenset[DeskRef]]:
    """Read whom a receipt of ours names, each with the rule that allowed it (SG-12).

    Nothing is verified: for whoever wrote it, and sends it along. In those of before rules were
    named, every recipient's pair was open.

    Returns:
        Each with its rule, and which of them got no copy (SG-07).

    Raises:
        EvidenceError: It is no receipt.
    """
    try:
        members = strict_json.parse_object(jws.unverified_payload(token))
        content = _content(members, parse_kid(jws.read_header(token).kid))
    except (KeysError, ValueError, KeyError):
        raise EvidenceError(Code.EVIDENCE_INVALID) from None
    rules = {desk: content.rules.get(desk, BEFORE_RULES) for desk in content.recipients}
    return rules, content.not_sealed


def _content(members: JsonObject, signed_with: KeyId) -> ReceiptContent:
    recipients, rules = members["rcp"], members.get("rules", {})
    position = members["pos"]
    if (
        not isinstance(recipients, dict)
        or not isinstance(rules, dict)
        or not isinstance(position, int)
    ):
        raise EvidenceError(Code.EVIDENCE_INVALID)
    reason, facts = members.get("reason"), members.get("facts")
    disposition = members.get("disposition")
    return ReceiptContent(
        issuer=_text(members["iss"]),
        event=EventKind(_text(members["event"])),
        message_id=MessageId(_text(members["mid"])),
        origin=parse_agency(_text(members["org"])),
        content_hash=ContentHash(_text(members["hash"])),
        at=_moment(members["at"]),
        position=LogPosition(position),
        recipients={
            parse_desk(desk): NO_KEY if kid == NO_KEY else parse_kid(kid)
            for desk, kid in recipients.items()
        },
        rules={parse_desk(desk): _text(rule) for desk, rule in rules.items()},
        facts_digest=None if facts is None else _text(facts),
        reason=None if reason is None else RefusalReason(_text(reason)),
        disposition=None if disposition is None else Disposition(_text(disposition)),
        signed_with=signed_with,
    )


def parse_agency(text: str) -> AgencyRef:
    """Read ``MX/fiscalia``.

    Raises:
        ValueError: It is not of that form.
    """
    country, _, agency = text.partition("/")
    if not agency:
        raise ValueError("not an agency")
    return AgencyRef(country=Country(country), agency=agency)


def parse_desk(text: str) -> DeskRef:
    """Read ``GT.intelligence``.

    Raises:
        ValueError: It is not of that form.
    """
    country, _, compartment = text.partition(".")
    return DeskRef(country=Country(country), compartment=Compartment(compartment))


def _moment(value: JsonValue) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        # Nobody could say whether a key counted then.
        raise EvidenceError(Code.EVIDENCE_INVALID)
    return at


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    raise EvidenceError(Code.EVIDENCE_INVALID)

"""Two countries and an exchange in memory: who holds which key, and who vouches for it.

Mexico's ``fiscalia`` writes, Guatemala's desk for intelligence reads. Everything is really
signed and sealed; only the keys are drawn from a counter, so that each run is the same.
"""

import copy
import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from broker.desk import sign
from broker.desk.held_keys import HeldKeys
from broker.desk.pins import Pins
from broker.desk.profile import Profile
from broker.desk.timing import Timing
from broker.desk.trust import Trust
from broker.desk.wire import ReceivedHandOver, read_hand_over
from broker.directory import AgencyRecord, Directory, DirectoryRecord
from broker.evidence.receipts import ReceiptIssuer
from broker.model.events import Event, EventKind
from broker.model.names import AgencyRef, ContentHash, DeskRef, LogPosition, MessageId, Pair
from broker.sealing.content import SignedContent
from broker.sealing.route import SealRoute
from broker.sealing.seal import seal
from keys import act, root
from keys.act import ActTerms
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.errors import StatementError
from keys.holder import Holder
from keys.identifiers import Exchange, KeyId, Owner
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.root import Root, RootHolder, RootTerms
from keys.statement import StatedKey, StatementTerms, issue
from keys.statement import read as read_statement
from schemas import examples
from schemas.loader import SchemaSet
from schemas.vocabulary import AgencyFunction, Compartment, Country, Kind, Urgency

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ISSUER = "https://enlace.test"
SERIALS = itertools.count(1)
"""Rise with every statement that is made, as they must."""
FISCALIA = AgencyRef(country=Country.MEXICO, agency="fiscalia")
POLICIA = AgencyRef(country=Country.MEXICO, agency="policia")
DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
PAIR = Pair(origin=Country.MEXICO, desk=DESK)


class FakeClock:
    """Stands still until somebody sleeps or moves it; remembers how long each sleep was."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.pass_time(timedelta(seconds=seconds))

    def pass_time(self, span: timedelta) -> None:
        """Move the clock."""
        self.now += span

    @property
    def timing(self) -> Timing:
        """No chance: the longest wait is always drawn."""
        return Timing(
            clock=self,
            monotonic=lambda: self().timestamp(),
            sleep=self.sleep,
            uniform=lambda _, high: high,
        )


def drawn(label: str) -> Callable[[int], bytes]:
    """Draw bytes that depend on the label only."""
    return lambda size: hashlib.shake_256(label.encode()).digest(size)


@cache
def signing_key(kid: str) -> SigningKey:
    """Make the signing key of that name, the same in every test."""
    return SigningKey.generate(SignatureAlgorithm.ED25519, KeyId(kid), drawn(kid))


@cache
def decryption_key(kid: str) -> DecryptionKey:
    """Make the decryption key of that name."""
    return DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId(kid), drawn(kid))


@cache
def schemas() -> SchemaSet:
    """Compile the schemas once."""
    return SchemaSet.load()


@cache
def example() -> dict[str, Any]:
    """Take the first published example of a route report."""
    return next(examples.accepted(Kind.ROUTE_REPORT)).message


@cache
def root_of(owner: Owner) -> Root:
    """Make the root of an owner: three holders, of whom two must sign."""
    names = ("uno", "dos", "tres")
    terms = RootTerms(
        owner=owner,
        version=1,
        threshold=2,
        holders=tuple(
            RootHolder(name=name, key=signing_key(f"{owner}-root-{name}").public) for name in names
        ),
        first_serial=1,
        issued=NOW - timedelta(days=400),
        expires=NOW + timedelta(days=400),
    )
    return root.verify_first(root.sign(terms, root_keys(owner)))


def root_keys(owner: Owner, names: str = "uno dos") -> list[SigningKey]:
    """Give the keys of some who hold, or would like to hold, an owner's root."""
    return [signing_key(f"{owner}-root-{name}") for name in names.split()]


def statement(
    holder: Holder,
    use: KeyUse,
    key: StatedKey,
    *,
    signed_by: str = "uno dos",
    not_before: datetime = NOW - timedelta(days=30),
    not_after: datetime = NOW + timedelta(days=300),
) -> str:
    """State a key."""
    terms = StatementTerms(
        holder=holder,
        use=use,
        key=key,
        not_before=not_before,
        not_after=not_after,
        serial=next(SERIALS),
        issued=not_before,
    )
    return issue(terms, signers=root_keys(holder.owner, signed_by))


def agency_statement(agency: AgencyRef, kid: str, **terms: Any) -> str:
    """State an agency's message-signature key."""
    holder = Holder.agency(agency.country, agency.agency)
    return statement(holder, KeyUse.MESSAGE_SIGNATURE, signing_key(kid).public, **terms)


def standard_statements() -> tuple[str, ...]:
    """State the keys of fiscalia and policia, and of the desk."""
    desk = Holder.desk(DESK.country, DESK.compartment)
    return (
        agency_statement(FISCALIA, "MX-fiscalia-1"),
        agency_statement(POLICIA, "MX-policia-1"),
        statement(desk, KeyUse.DESK_ENCRYPTION, decryption_key("GT-int-enc-1").public),
        statement(desk, KeyUse.DESK_SIGNATURE, signing_key("GT-int-sig-1").public),
    )


@cache
def decided() -> tuple[str, ...]:
    """State the exchange's keys and the administrators'; they open the pair and the desk's key."""
    stated = [service_statement("receipts", KeyUse.RECEIPT_SIGNATURE, "GW-receipt-1")]
    stated += [service_statement("tokens", KeyUse.TOKEN_SIGNATURE, "GW-token-1")]
    for name in ("ana", "luis"):
        key = signing_key(f"GT-admin-{name}").public
        stated += [statement(administrator(name), KeyUse.ADMINISTRATION, key)]
    activated = agreed(ActKind.ACTIVATE, keys=(KeyId("GT-int-enc-1"),))
    return (*stated, *activated, *agreed(ActKind.OPEN, pairs=(PAIR.queue,)))


def service_statement(service: str, use: KeyUse, kid: str, **terms: Any) -> str:
    """State a key of the exchange itself."""
    return statement(Holder.service(service), use, signing_key(kid).public, **terms)


def administrator(name: str) -> Holder:
    """Name an administrator of Guatemala."""
    return Holder.administrator(Country.GUATEMALA, name)


def agreed(kind: ActKind, **what: Any) -> tuple[str, str]:
    """Let Ana propose and Luis approve, so long ago that the time-lock is over."""
    at = NOW - timedelta(days=20)
    proposal = acted(ActTerms(kind=kind, by=administrator("ana"), at=at, **what))
    approval = ActTerms(
        kind=ActKind.APPROVE, by=administrator("luis"), at=at, of=act.act_id(proposal)
    )
    return proposal, acted(approval)


def acted(terms: ActTerms) -> str:
    """Sign an act as whoever it says."""
    return act.sign(terms, signing_key(f"GT-admin-{terms.by.name}"))


def record(*statements: str, version: int = 1) -> DirectoryRecord:
    """Write the rows of the directory; what the exchange and administrators said stands first."""
    return DirectoryRecord(
        version=version,
        countries=frozenset({Country.MEXICO, Country.GUATEMALA}),
        agencies=tuple(
            AgencyRecord(ref=ref, function=AgencyFunction.PROSECUTION, name=ref.agency)
            for ref in (FISCALIA, POLICIA)
        ),
        desks=frozenset({DESK}),
        statements=in_order((*decided(), *(statements or standard_statements()))),
    )


def in_order(documents: tuple[str, ...]) -> tuple[str, ...]:
    """Put statements as they came, by their serials, in front of acts and all else."""

    def place(token: str) -> tuple[bool, int]:
        try:
            return False, read_statement(token).serial
        except StatementError:
            return True, 0

    return tuple(sorted(documents, key=place))


def pins() -> Pins:
    """Pin the roots of both countries and of the exchange."""
    owners: tuple[Owner, ...] = (Country.MEXICO, Country.GUATEMALA, Exchange.GATEWAY)
    return Pins(roots={owner: root_of(owner) for owner in owners})


def verified(rows: DirectoryRecord) -> tuple[Directory, tuple[str, ...]]:
    """Hold rows against the pinned roots."""
    return Directory.verify(rows, roots=pins().roots, now=NOW)


def trust(*statements: str, **changes: Any) -> Trust:
    """Hold messages against the standard world."""
    directory, rejected = verified(record(*statements))
    # Where a test states no desk's key, the act that let it receive is about nothing.
    assert set(rejected) <= {
        "a key is activated that nobody has stated",
        "the act that is answered is not known",
    }
    whole = Trust(
        directory=directory,
        receipt_keys=directory.receipt_keys,
        issuer=ISSUER,
        schemas=schemas(),
    )
    return replace(whole, **changes)


def agency_profile(gateway: str) -> Profile:
    """Fiscalia's system."""
    return Profile(
        gateway=gateway,
        issuer=ISSUER,
        client_id="mx-fiscalia",
        subject=FISCALIA,
        authentication_key=KeyId("MX-client-1"),
        signature_key=KeyId("MX-fiscalia-1"),
    )


def desk_profile(gateway: str) -> Profile:
    """The desk's system."""
    return Profile(
        gateway=gateway,
        issuer=ISSUER,
        client_id="gt-intelligence",
        subject=DESK,
        authentication_key=KeyId("GT-client-1"),
        signature_key=KeyId("GT-int-sig-1"),
    )


def held_keys(profile: Profile) -> HeldKeys:
    """Give the keys that a profile names."""
    desk_key = decryption_key("GT-int-enc-1")
    return HeldKeys(
        authentication=signing_key(profile.authentication_key),
        signature=signing_key(profile.signature_key),
        decryption={desk_key.kid: desk_key} if isinstance(profile.subject, DeskRef) else {},
    )


def message_id(number: int = 1) -> MessageId:
    """Name a message."""
    return MessageId(f"0193574e-0000-7000-8000-{number:012x}")


def document(number: int = 1, **members: Any) -> dict[str, Any]:
    """Write a valid message from fiscalia to the desk; ``members`` replace its own."""
    message = copy.deepcopy(example())
    for name in ("review_by", "reply_by", "in_reply_to", "lineage"):
        message.pop(name, None)
    return {
        **message,
        "id": message_id(number),
        "from": {"country": "MX", "agency": "fiscalia"},
        "to": {"countries": ["GT"], "compartment": "intelligence"},
        "created": "2026-11-23T11:59:00Z",
        "expires": "2027-11-23T11:59:00Z",
        "review_by": "2027-05-23T11:59:00Z",
        "urgency": "routine",
        **members,
    }


@dataclass(kw_only=True)
class HandOverParts:
    """Everything that goes into one hand-over; a test replaces the part that it bends."""

    number: int = 1
    hand_over: int = 1
    origin: AgencyRef = FISCALIA
    signer: str = "MX-fiscalia-1"
    second_signer: str | None = None
    second_body: bytes | None = None
    signed_org: AgencyRef = FISCALIA
    signed_at: datetime = NOW
    members: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    signed_body: bytes | None = None
    route: dict[str, Any] = field(default_factory=dict)
    sealed_to: str = "GT-int-enc-1"
    accepted_at: datetime = NOW
    receipt_signer: str = "GW-receipt-1"
    receipt_issuer: str = ISSUER
    event: dict[str, Any] = field(default_factory=dict)
    announced: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Sign, seal, and hand over."""
        message = document(self.number, **self.members)
        body = self.body if self.body is not None else sign.message_bytes(message)
        posting = sign.sign_message(
            self.signed_body or sign.message_bytes(message),
            signing_key(self.signer),
            agency=self.signed_org,
            now=self.signed_at,
        )
        signature = posting.signature
        if self.second_signer is not None:
            second = sign.sign_message(
                self.second_body or posting.body,
                signing_key(self.second_signer),
                agency=self.signed_org,
                now=self.signed_at,
            )
            signature = f"{signature},{second.signature}"
        route = SealRoute(
            **{
                "message_id": message_id(self.number),
                "origin": Country.MEXICO,
                "agency": "fiscalia",
                "countries": (Country.GUATEMALA,),
                "compartment": Compartment.INTELLIGENCE,
                "kind": Kind.ROUTE_REPORT,
                "version": message["version"],
                "created": message["created"],
                "urgency": Urgency.ROUTINE,
                "expires": message["expires"],
                **self.route,
            }
        )
        recipient = decryption_key(self.sealed_to).public
        content = SignedContent(body=body, signature=signature)
        sealed = seal(content, route, (recipient,), drawn(f"seal-{self.number}-{body!r}"))
        event = Event(
            **{
                "kind": EventKind.ACCEPTED,
                "at": self.accepted_at,
                "message_id": message_id(self.number),
                "sender": self.origin,
                "content_hash": ContentHash(sealed.content_hash),
                "recipients": {DESK: recipient.kid},
                **self.event,
            }
        )
        issuer = ReceiptIssuer(signing_key(self.receipt_signer), issuer=self.receipt_issuer)
        return {
            "hand_over": self.hand_over,
            "queue": PAIR.queue,
            "origin": {"country": self.origin.country.value, "agency": self.origin.agency},
            "id": message_id(self.number),
            "content_hash": sealed.content_hash,
            "urgency": "routine",
            "attempt": 1,
            "lease_until": "2026-11-23T12:01:00Z",
            "receipt": issuer(event, LogPosition(self.number)),
            "sealed": orjson.loads(sealed.jwe),
            **self.announced,
        }

    def received(self) -> ReceivedHandOver:
        """Read it as a desk does."""
        return read_hand_over(orjson.dumps(self.to_json()))


def hand_over(number: int = 1, **parts: Any) -> ReceivedHandOver:
    """Make one hand-over."""
    return HandOverParts(number=number, hand_over=number, **parts).received()


def counter() -> Callable[[], int]:
    """Count from 1."""
    return itertools.count(1).__next__

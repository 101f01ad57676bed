"""A directory that says what a test says, and messages made of facts alone.

A real directory holds what signatures prove, and three hundred pairs of them take seconds. What
the rules ask of it is little: who an agency is, which desk is there, which road is open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from broker.admission.authorise import authorise
from broker.admission.circumstances import Circumstances
from broker.admission.policy import STANDARD_POLICY, Policy
from broker.directory import AgencyRecord, Directory, DirectoryRecord
from broker.errors import PermissionDeniedError
from broker.model.facts import Facts, KnownMessage
from broker.model.message import Address, Message, RoutedMessage
from broker.model.names import AgencyRef, DeskRef, MessageId, Pair
from keys.algorithms import EncryptionAlgorithm
from keys.channel import Channel, Term
from keys.charter import ChannelName, Charter, Sealing
from keys.identifiers import KeyId
from keys.key import DecryptionKey, EncryptionKey
from keys.strict_json import JsonObject
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind, Urgency

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
POLICE, PROSECUTION, MIGRATION, FINANCE, REFUGEES, CHILDREN, CIVIL = AgencyFunction
INTELLIGENCE, JUDICIAL, PROTECTION = Compartment
GT, HN, MX, SV, US = (
    Country.GUATEMALA,
    Country.HONDURAS,
    Country.MEXICO,
    Country.EL_SALVADOR,
    Country.UNITED_STATES,
)
H0, H1, H2, H3 = HandlingCode
CHANNEL: Final = ChannelName("hlsg-test")


def agency(country: Country, function: AgencyFunction) -> AgencyRef:
    """Name the agency of this function, as every country of a region has one."""
    return AgencyRef(country=country, agency=function.value.replace("_", "-"))


def desk(country: Country, compartment: Compartment = INTELLIGENCE) -> DeskRef:
    """Name a country's desk."""
    return DeskRef(country=country, compartment=compartment)


SHELTER: Final = agency(MX, REFUGEES)
ME: Final = agency(MX, PROSECUTION)
PARTNER: Final = agency(GT, PROSECUTION)
EVERY_AGENCY: Final = {
    agency(country, function): function for country in Country for function in AgencyFunction
}


@cache
def key_of(desk: DeskRef) -> DecryptionKey:
    """Make the key of a desk."""
    kid = KeyId(f"{desk.country.value}-desk-{desk.compartment.value}-1")
    return DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, kid)


class Region(Directory):
    """All eleven countries with all desks, every road open, and the agencies that are given."""

    __slots__ = ("charters", "decided")

    def __init__(
        self,
        agencies: Mapping[AgencyRef, AgencyFunction] = EVERY_AGENCY,
        *,
        charters: Iterable[Charter] = (),
        decided: tuple[JsonObject, ...] = (),
    ) -> None:
        # Deliberately not the base's: there is nothing signed here.
        self.record = DirectoryRecord(
            version=1,
            countries=frozenset(Country),
            agencies=tuple(
                AgencyRecord(ref=ref, function=function, name=ref.agency)
                for ref, function in agencies.items()
            ),
        )
        self._agencies = {each.ref: each for each in self.record.agencies}
        self.charters = {each.channel: each for each in charters}
        self.decided = decided

    def agency(self, ref: AgencyRef) -> AgencyRecord | None:
        """Find an agency."""
        return self._agencies.get(ref)

    def has_desk(self, desk: DeskRef) -> bool:
        """Every country has every desk."""
        return desk.country in self.record.countries

    def is_open(self, pair: Pair) -> bool:
        """Every road is open but that to oneself."""
        return pair.origin is not pair.desk.country

    def encryption_key(self, desk: DeskRef, now: datetime) -> EncryptionKey:  # noqa: ARG002
        """Every desk has one key."""
        return key_of(desk).public

    def channel(self, name: ChannelName) -> Channel | None:
        """Every charter counts since yesterday."""
        charter = self.charters.get(name)
        if charter is None:
            return None
        return Channel(name=name, terms=(Term(charter=charter, since=NOW - timedelta(days=1)),))

    @property
    def safeguards(self) -> tuple[JsonObject, ...]:
        """What the test says was decided."""
        return self.decided


def charter(
    members: Mapping[Country, tuple[str, ...]],
    compartment: Compartment,
    kinds: Iterable[Kind] = Kind,
) -> Charter:
    """A charter that lets everything through but what the rules stop."""
    return Charter(
        channel=CHANNEL,
        version=1,
        title="Test",
        purpose="Test",
        legal_basis="Test",
        compartment=compartment,
        kinds=frozenset(kinds),
        ceiling=HandlingCode.H3,
        sealing=Sealing.GATEWAY,
        shows_recipients=True,
        review=NOW + timedelta(days=100),
        conveners=frozenset({min(members)}),
        members=members,
    )


FACTS: Final = Facts(
    handling=HandlingCode.H0, purpose="victim_protection", review_by=NOW + timedelta(days=30)
)
MESSAGE: Final = Message(
    body=b"{}",
    signature="",
    id=MessageId("01950260-5c00-7a00-8a00-00000000ffff"),
    kind=Kind.GENERAL_REPORT,
    version="1.0",
    sender=ME,
    to=Address(countries=(Country.GUATEMALA,), compartment=INTELLIGENCE, channel=None),
    created=NOW,
    created_text=NOW.isoformat(),
    expires=NOW + timedelta(days=30),
    expires_text=(NOW + timedelta(days=30)).isoformat(),
    urgency=Urgency.PRIORITY,
    handling=HandlingCode.H0,
    facts=FACTS,
)


def message(
    *,
    sender: AgencyRef = ME,
    to: tuple[Country, ...] = (Country.GUATEMALA,),
    compartment: Compartment = INTELLIGENCE,
    channel: ChannelName | None = None,
    own_copy: bool = False,
    kind: Kind = Kind.GENERAL_REPORT,
    handling: HandlingCode = HandlingCode.H0,
    urgency: Urgency = Urgency.PRIORITY,
    second: bool = False,
    **facts: Any,
) -> Message:
    """A message that every rule lets pass, but for what the test says."""
    address = (
        Address(countries=to, compartment=compartment, channel=None)
        if channel is None
        else Address(countries=(), compartment=None, channel=channel, own_copy=own_copy)
    )
    return replace(
        MESSAGE,
        sender=sender,
        to=address,
        kind=kind,
        handling=handling,
        urgency=urgency,
        second_signed_with="MX-fgr-2" if second else None,
        facts=replace(FACTS, handling=handling, **facts),
    )


def known(
    number: int,
    sender: AgencyRef,
    *desks: DeskRef,
    handling: HandlingCode = HandlingCode.H0,
    compartment: Compartment = INTELLIGENCE,
    roots: Iterable[MessageId] = (),
    **more: Any,
) -> KnownMessage:
    """What the exchange knows of an earlier message."""
    message_id = message_id_of(number)
    return KnownMessage(
        **{
            "id": message_id,
            "sender": sender,
            "kind": Kind.GENERAL_REPORT,
            "handling": handling,
            "compartment": compartment,
            "channel": None,
            "purpose": "investigation",
            "evaluation": None,
            "roots": frozenset(roots) or frozenset({message_id}),
            "desks": frozenset(desks),
            "held_by": frozenset(desks),
            **more,
        }
    )


def message_id_of(number: int) -> MessageId:
    """Name an earlier message."""
    return MessageId(f"01950260-5c00-7a00-8a00-{number:012d}")


def around(
    *messages: KnownMessage,
    directory: Directory | None = None,
    policy: Policy = STANDARD_POLICY,
    now: datetime = NOW,
) -> Circumstances:
    """The circumstances in which these earlier messages are known."""
    by_id: dict[MessageId, list[KnownMessage]] = {}
    for each in messages:
        by_id.setdefault(each.id, []).append(each)
    return Circumstances(directory=directory or REGION, policy=policy, now=now, known=by_id)


REGION: Final = Region()


def denied(sent: Message, circumstances: Circumstances | None = None) -> tuple[str, str, str]:
    """Code, rule and pointer of the refusal; three empty texts where there is none."""
    try:
        authorise(sent, circumstances or around())
    except PermissionDeniedError as error:
        [problem] = error.problems
        return error.code.value, error.rule or "", problem.pointer
    return ALLOWED


ALLOWED: Final = ("", "", "")


def allowed(sent: Message, circumstances: Circumstances | None = None) -> RoutedMessage:
    """Route it; the test fails if a rule denies it."""
    return authorise(sent, circumstances or around())

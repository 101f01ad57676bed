"""Taking back: only by who wrote the message, and to whoever had it (SG-07)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from broker.admission.authorise import Circumstances, authorise
from broker.admission.policy import EMPTY_POLICY
from broker.admission.recall import TAKING_BACK, hides_recipients, keys_to_seal_to
from broker.directory import Directory, DirectoryRecord
from broker.errors import Code, KeyUnavailableError, PermissionDeniedError
from broker.model.facts import Facts, KnownMessage
from broker.model.message import Address, Message, Route
from broker.model.names import AgencyRef, DeskRef, MessageId
from keys.channel import Channel, Term
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency
from tests.admission.region import charter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FGR = AgencyRef(country=Country.MEXICO, agency="fgr")
PGN = AgencyRef(country=Country.GUATEMALA, agency="pgn")
SUBJECT = MessageId("018f0000-0000-7000-8000-000000000001")
RECALL = MessageId("018f0000-0000-7000-8000-000000000002")
OTHER = MessageId("018f0000-0000-7000-8000-000000000003")
GT = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
HN = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
MX = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
HLSG = ChannelName("hlsg-mx-gt")
TO_BOTH = Address(
    countries=(Country.HONDURAS, Country.GUATEMALA),
    compartment=Compartment.INTELLIGENCE,
    channel=None,
)
TO_CHANNEL = Address(countries=(), compartment=None, channel=HLSG)
SENT = KnownMessage(
    id=SUBJECT,
    sender=FGR,
    kind=Kind.ROUTE_REPORT,
    handling=HandlingCode.H1,
    compartment=Compartment.INTELLIGENCE,
    channel=None,
    purpose="investigation",
    evaluation=None,
    roots=frozenset({SUBJECT}),
    desks=frozenset({GT, HN}),
)
SENT_TO_CHANNEL = replace(SENT, channel=HLSG, desks=frozenset({GT}))
KINDS = (Kind.RECALL, Kind.RECTIFICATION)


def recall(
    *,
    kind: Kind = Kind.RECALL,
    sender: AgencyRef = FGR,
    to: Address = TO_BOTH,
    concerns: MessageId | None = SUBJECT,
    replaced_by: MessageId | None = None,
) -> Message:
    """Make a recall as it comes out of validation."""
    return Message(
        body=b"",
        signature="",
        id=RECALL,
        kind=kind,
        version="1.0",
        sender=sender,
        to=to,
        created=NOW,
        created_text="",
        expires=NOW,
        expires_text="",
        urgency=Urgency.IMMEDIATE,
        handling=HandlingCode.H3,
        facts=Facts(
            handling=HandlingCode.H3,
            purpose="investigation",
            review_by=NOW,
            concerns=concerns,
            replaced_by=replaced_by,
        ),
    )


def admit(message: Message, *known: KnownMessage) -> tuple[Route, ...]:
    """Admit it where nothing is open any more: no pair, no channel, no policy."""
    directory, _ = Directory.verify(DirectoryRecord(version=1), roots={}, now=NOW)
    circumstances = Circumstances(
        directory=directory, policy=EMPTY_POLICY, now=NOW, known={SUBJECT: known}
    )
    return authorise(message, circumstances).deliveries


@pytest.mark.parametrize("kind", KINDS)
def test_recall_reaches_every_desk_when_all_is_closed(kind: Kind) -> None:
    """Neither pair nor policy keeps it from who holds the message, by the road it went."""
    routes = admit(recall(kind=kind), SENT)

    assert routes == (
        Route(desk=GT, queue="MX.GT.intelligence", rule="SG-07"),
        Route(desk=HN, queue="MX.HN.intelligence", rule="SG-07"),
    )


@pytest.mark.parametrize("own_copy", [False, True])
def test_recall_reaches_who_received_it_when_the_channel_is_gone(*, own_copy: bool) -> None:
    """Members that left and channels that are closed are reached all the same."""
    desks = frozenset({GT, MX} if own_copy else {GT})

    routes = admit(
        recall(to=replace(TO_CHANNEL, own_copy=own_copy)), replace(SENT_TO_CHANNEL, desks=desks)
    )

    assert {route.desk: route.queue for route in routes} == {
        desk: f"hlsg-mx-gt.{desk.country}" for desk in desks
    }


def test_recall_finds_its_own_when_another_agency_used_the_same_id() -> None:
    """An id is unique for its agency only."""
    routes = admit(recall(), replace(SENT, sender=PGN, desks=frozenset({MX})), SENT)

    assert {route.desk for route in routes} == {GT, HN}


@pytest.mark.parametrize(
    ("message", "known", "pointer"),
    [
        pytest.param(recall(), [], "/body/of", id="unknown"),
        pytest.param(recall(concerns=None), [SENT], "/body/of", id="of nothing"),
        pytest.param(recall(), [replace(SENT, sender=PGN)], "/body/of", id="of another agency"),
        pytest.param(
            recall(sender=AgencyRef(country=Country.MEXICO, agency="inm")),
            [SENT],
            "/body/of",
            id="of another agency of the same country",
        ),
        pytest.param(
            recall(), [replace(SENT, kind=Kind.RECALL)], "/body/of", id="a recall of a recall"
        ),
        pytest.param(
            recall(kind=Kind.RECTIFICATION),
            [replace(SENT, kind=Kind.RECTIFICATION)],
            "/body/of",
            id="a rectification of a rectification",
        ),
        pytest.param(
            recall(to=replace(TO_BOTH, countries=(Country.GUATEMALA,))),
            [SENT],
            "/to",
            id="to some of them",
        ),
        pytest.param(
            recall(to=replace(TO_BOTH, countries=(*TO_BOTH.countries, Country.PANAMA))),
            [SENT],
            "/to",
            id="to one more",
        ),
        pytest.param(
            recall(to=replace(TO_BOTH, compartment=Compartment.JUDICIAL)),
            [SENT],
            "/to",
            id="to another compartment",
        ),
        pytest.param(recall(to=TO_CHANNEL), [SENT], "/to", id="to a channel instead"),
        pytest.param(
            recall(to=TO_BOTH), [SENT_TO_CHANNEL], "/to", id="to pairs instead of the channel"
        ),
        pytest.param(
            recall(to=replace(TO_CHANNEL, channel=ChannelName("trinational"))),
            [SENT_TO_CHANNEL],
            "/to",
            id="to another channel",
        ),
        pytest.param(
            recall(to=replace(TO_CHANNEL, own_copy=True)),
            [SENT_TO_CHANNEL],
            "/to",
            id="with an own copy that never was",
        ),
        pytest.param(
            recall(kind=Kind.RECTIFICATION, replaced_by=SUBJECT),
            [SENT],
            "/body/replaced_by",
            id="replaced by itself",
        ),
        pytest.param(
            recall(kind=Kind.RECTIFICATION, replaced_by=RECALL),
            [SENT],
            "/body/replaced_by",
            id="replaced by the rectification",
        ),
    ],
)
def test_recall_is_denied(message: Message, known: list[KnownMessage], pointer: str) -> None:
    """What is not the sender's own looks like what is not there."""
    with pytest.raises(PermissionDeniedError) as denied:
        admit(message, *known)

    assert (denied.value.code, denied.value.rule) == (Code.RECALL_DENIED, "SG-07")
    assert [each.pointer for each in denied.value.problems] == [pointer]


def test_rectification_may_be_replaced_by_another_message() -> None:
    """The corrected message stands by itself."""
    assert admit(recall(kind=Kind.RECTIFICATION, replaced_by=OTHER), SENT)


def keys_of(**current: str) -> Directory:
    """Make a directory in which only these countries' desks have a current key."""

    def encryption_key(desk: DeskRef, at: datetime) -> str:
        assert at == NOW
        if desk.country.value not in current:
            raise KeyUnavailableError(Code.RECIPIENT_KEY_UNAVAILABLE)
        return current[desk.country.value]

    return cast("Directory", SimpleNamespace(encryption_key=encryption_key))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("current", "sealed"),
    [
        ({"GT": "g", "HN": "h"}, {GT: "g", HN: "h"}),
        ({"HN": "h"}, {HN: "h"}),
        ({}, {}),
    ],
    ids=["both", "one", "none"],
)
def test_recall_is_sealed_to_the_desks_that_have_a_key(
    kind: Kind, current: dict[str, str], sealed: dict[DeskRef, str]
) -> None:
    """It waits for nobody: what the others hold must end now."""
    assert keys_to_seal_to(kind, (GT, HN), keys_of(**current), NOW) == sealed


@pytest.mark.parametrize("kind", sorted(set(Kind) - TAKING_BACK))
def test_message_waits_when_one_desk_has_no_key(kind: Kind) -> None:
    """Only what takes back may leave a desk out; no other message is sealed to fewer, or nobody."""
    assert list(keys_to_seal_to(kind, (HN, GT), keys_of(GT="g", HN="h"), NOW)) == [HN, GT]
    with pytest.raises(KeyUnavailableError):
        keys_to_seal_to(kind, (GT, HN), keys_of(HN="h"), NOW)
    with pytest.raises(RuntimeError):
        keys_to_seal_to(kind, (), keys_of(), NOW)


@pytest.mark.parametrize(
    ("shown", "hides", "hides_a_recall"),
    [
        ((True,), False, False),
        ((False,), True, True),
        ((True, True), False, False),
        ((False, True), False, True),
        ((True, False), True, True),
        ((), True, True),
    ],
)
def test_recall_shows_no_recipients_when_any_charter_hid_them(
    shown: tuple[bool, ...], *, hides: bool, hides_a_recall: bool
) -> None:
    """Who had the message is told by the terms of its time, not by those of the recall."""
    members = {Country.MEXICO: ("fgr",), Country.GUATEMALA: ("mp",)}
    terms = tuple(
        Term(
            charter=replace(
                charter(members, Compartment.INTELLIGENCE), version=number, shows_recipients=each
            ),
            since=NOW - timedelta(days=10 - number),
        )
        for number, each in enumerate(shown, start=1)
    )
    channel = Channel(name=HLSG, terms=terms)
    directory = cast("Directory", SimpleNamespace(channel=lambda _: channel))

    sent = replace(recall(to=TO_CHANNEL), kind=Kind.ROUTE_REPORT)
    assert hides_recipients(sent, directory, NOW) is hides
    assert hides_recipients(recall(to=TO_CHANNEL), directory, NOW) is hides_a_recall
    assert not hides_recipients(recall(to=TO_BOTH), directory, NOW)
    unknown = cast("Directory", SimpleNamespace(channel=lambda _: None))
    assert hides_recipients(sent, unknown, NOW)

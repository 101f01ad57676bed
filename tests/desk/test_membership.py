"""A desk opens a channel's message only if the acts of the members say that it was one then."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from broker.desk.failures import NotReadyError, OpeningError
from broker.desk.membership import MEMBERS_STEP, UNKNOWN_STEP, fault_of
from broker.desk.open import OpenedMessage, open_hand_over
from broker.desk.trust import Trust
from broker.directory import Directory, DirectoryRecord
from broker.model.events import RefusalReason
from broker.model.names import DeskRef
from broker.sealing.route import SealRoute
from keys import act
from keys.act import ActTerms
from keys.act_kind import ActKind
from keys.charter import ChannelName, Charter, Sealing
from keys.holder import Holder
from keys.key import KeyUse
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency
from tests.desk import world
from tests.desk.world import DESK, NOW, HandOverParts, signing_key

HLSG = ChannelName("hlsg-mx-gt")
DAY = timedelta(days=1)
JOINED = NOW - 20 * DAY + DAY
"""A time-lock after the consents."""
GT, MX = Country.GUATEMALA, Country.MEXICO
TO_CHANNEL: dict[str, Any] = {
    "members": {"to": {"channel": HLSG}},
    "route": {"countries": (), "compartment": None, "channel": HLSG},
    "announced": {"queue": f"{HLSG}.GT"},
}


def charter(**terms: Any) -> Charter:
    """Mexico and Guatemala agree on a channel; ``terms`` replace the charter's own."""
    whole = {
        "channel": HLSG,
        "version": 1,
        "title": "High-Level Security Group Mexico Guatemala",
        "purpose": "Joint analysis",
        "legal_basis": "Agreement of 2008",
        "compartment": Compartment.INTELLIGENCE,
        "kinds": frozenset({Kind.ROUTE_REPORT}),
        "ceiling": HandlingCode.H2,
        "sealing": Sealing.GATEWAY,
        "shows_recipients": True,
        "review": NOW + 300 * DAY,
        "conveners": frozenset({GT}),
        "members": {MX: ("fiscalia",), GT: ("mp",)},
        **terms,
    }
    return Charter(**whole)


@cache
def administrators_of_mexico() -> tuple[str, ...]:
    """State the keys of two administrators of Mexico; those of Guatemala stand there already."""
    return tuple(
        world.statement(
            Holder.administrator(MX, name),
            KeyUse.ADMINISTRATION,
            signing_key(f"MX-admin-{name}").public,
        )
        for name in ("ana", "luis")
    )


def acted(kind: ActKind, by: Country, name: str, at: datetime, **what: Any) -> str:
    """Sign an act as an administrator of a country."""
    terms = ActTerms(kind=kind, by=Holder.administrator(by, name), at=at, **what)
    return act.sign(terms, signing_key(f"{by}-admin-{name}"))


def agreed(terms: Charter) -> tuple[str, ...]:
    """Let the conveners propose, and every member consent, twenty days ago."""
    at = NOW - 20 * DAY
    proposal = acted(ActKind.CHARTER, GT, "ana", at, charter=terms.to_json())
    return proposal, *(
        acted(ActKind.CONSENT, country, "luis", at, of=act.act_id(proposal))
        for country in sorted(terms.members)
    )


def record_of(*acts: str, version: int = 1) -> DirectoryRecord:
    """The rows of a directory with these acts, beside the standard one."""
    rows = world.record(*administrators_of_mexico(), *world.standard_statements(), version=version)
    return replace(rows, statements=(*rows.statements, *acts))


def directory_of(*acts: str) -> Directory:
    """The directory that these acts make."""
    directory, rejected = world.verified(record_of(*acts))
    assert rejected == ()
    return directory


def trust_in(*acts: str) -> Trust:
    """Hold messages against the directory that these acts make."""
    directory = directory_of(*acts)
    return world.trust(directory=directory, receipt_keys=directory.receipt_keys)


def opened(trust: Trust, *, desk: DeskRef = DESK, **parts: Any) -> OpenedMessage:
    """Open a channel message, changed in these parts."""
    hand_over = HandOverParts(**{**TO_CHANNEL, **parts}).received()
    key = world.decryption_key("GT-int-enc-1")
    return open_hand_over(hand_over, {key.kid: key}, trust, desk=desk, now=NOW + 10 * DAY)


def left(country: Country, at: datetime) -> str:
    """Let a country leave."""
    return acted(ActKind.LEAVE_CHANNEL, country, "ana", at, channel=HLSG)


def test_open_takes_a_message_of_a_channel_that_both_are_in() -> None:
    """The acts prove what the gateway says."""
    message = opened(trust_in(*agreed(charter()))).message

    assert (message.to.channel, message.to.countries) == (HLSG, ())


REFUSED: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "of an agency that takes no part": (
        agreed(charter(members={MX: ("fiscalia",), GT: ("mp",)})),
        {
            "route": {**TO_CHANNEL["route"], "agency": "policia"},
            "origin": world.POLICIA,
            "event": {"sender": world.POLICIA},
        },
        MEMBERS_STEP,
    ),
    "that the desk's country had left": (
        (*agreed(charter()), left(GT, NOW - DAY)),
        {},
        MEMBERS_STEP,
    ),
    "that the sender's country had left": (
        (*agreed(charter()), left(MX, NOW - DAY)),
        {},
        MEMBERS_STEP,
    ),
    "of another compartment": (
        agreed(charter(compartment=Compartment.JUDICIAL)),
        {},
        MEMBERS_STEP,
    ),
    "from another member's queue": (
        agreed(charter()),
        {"announced": {"queue": f"{HLSG}.MX"}},
        "route",
    ),
    "from a pair's queue": (
        agreed(charter()),
        {"announced": {"queue": world.PAIR.queue}},
        "route",
    ),
    "from another channel's queue": (
        agreed(charter()),
        {"announced": {"queue": "other.GT"}},
        "route",
    ),
    "that its body does not name": (
        agreed(charter()),
        {"members": {}},
        "route-of-body",
    ),
    "with a copy that its body does not ask for": (
        agreed(charter()),
        {"route": {**TO_CHANNEL["route"], "own_copy": True}},
        "route-of-body",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_open_refuses_a_message_of_a_channel(name: str) -> None:
    """What the acts deny goes back, whatever the gateway says."""
    acts, parts, step = REFUSED[name]

    with pytest.raises(OpeningError) as caught:
        opened(trust_in(*acts), **parts)

    assert (caught.value.reason, caught.value.step) == (RefusalReason.CONTENT_NOT_VALID, step)


def test_open_refuses_an_own_message_when_no_copy_was_asked_for() -> None:
    """Who wrote it gets it back only by its own signed wish."""
    trust = trust_in(*agreed(charter()))
    own = DeskRef(country=MX, compartment=Compartment.INTELLIGENCE)
    parts: dict[str, Any] = {
        "announced": {"queue": f"{HLSG}.MX"},
        "event": {"recipients": {own: "GT-int-enc-1"}},
    }

    with pytest.raises(OpeningError) as caught:
        opened(trust, desk=own, **parts)
    copy = opened(
        trust,
        desk=own,
        **parts,
        members={"to": {"channel": HLSG, "own_copy": True}},
        route={**TO_CHANNEL["route"], "own_copy": True},
    )

    assert caught.value.step == MEMBERS_STEP
    assert copy.message.to.own_copy


@pytest.mark.parametrize("acts", [(), agreed(charter(channel=ChannelName("other")))])
def test_open_is_not_ready_when_the_channel_is_not_known_here(acts: tuple[str, ...]) -> None:
    """Perhaps the acts have not come yet: the message must not go back for that."""
    with pytest.raises(NotReadyError) as caught:
        opened(trust_in(*acts))

    assert caught.value.step == UNKNOWN_STEP


def test_open_is_not_ready_when_the_channel_began_later_as_far_as_is_known() -> None:
    """By other acts it may have begun before."""
    before = JOINED - timedelta(seconds=1)

    with pytest.raises(NotReadyError):
        opened(trust_in(*agreed(charter())), accepted_at=before, signed_at=before)


@pytest.mark.parametrize(
    ("after_leaving", "is_opened"),
    [(timedelta(hours=-1), True), (timedelta(seconds=20), True), (timedelta(minutes=2), False)],
)
def test_open_goes_by_the_time_of_the_receipt(after_leaving: timedelta, is_opened: bool) -> None:  # noqa: FBT001
    """What was accepted before a member left is still its own, by whoever's clock."""
    trust = trust_in(*agreed(charter()), left(GT, NOW - after_leaving))
    if is_opened:
        assert opened(trust).message.to.channel == HLSG
        return

    with pytest.raises(OpeningError) as caught:
        opened(trust)

    assert caught.value.step == MEMBERS_STEP


@pytest.mark.parametrize("country", [GT, MX])
def test_fault_of_is_none_for_a_recall_when_one_of_both_has_left(country: Country) -> None:
    """What they had while they were in comes back all the same (SG-07)."""
    directory = directory_of(*agreed(charter()), left(country, NOW - DAY))
    route = recall_route()

    assert fault_of(route, desk=DESK, at=NOW, directory=directory) is None
    ordinary = replace(route, kind=Kind.ROUTE_REPORT)
    assert fault_of(ordinary, desk=DESK, at=NOW, directory=directory) == MEMBERS_STEP


@pytest.mark.parametrize(
    "route",
    [
        pytest.param({"agency": "policia"}, id="of an agency that never took part"),
        pytest.param({"origin": Country.HONDURAS}, id="of a country that never took part"),
    ],
)
def test_fault_of_refuses_a_recall_of_a_stranger(route: dict[str, Any]) -> None:
    """A recall is no way into a channel."""
    directory = directory_of(*agreed(charter()))
    other = DeskRef(country=Country.PANAMA, compartment=Compartment.INTELLIGENCE)

    found = fault_of(replace(recall_route(), **route), desk=DESK, at=NOW, directory=directory)

    assert found == MEMBERS_STEP
    assert fault_of(recall_route(), desk=other, at=NOW, directory=directory) == MEMBERS_STEP


def recall_route() -> SealRoute:
    """The route of a recall by Mexico's fiscalia."""
    return SealRoute(
        message_id=world.message_id(1),
        origin=MX,
        agency="fiscalia",
        channel=HLSG,
        kind=Kind.RECALL,
        version="1.0",
        created="2026-11-23T11:59:00Z",
        urgency=Urgency.ROUTINE,
        expires="2027-11-23T11:59:00Z",
    )

"""Each desk by its own road, or nobody at all."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from broker.admission.recipients import STRICTNESS, destination_of
from broker.errors import Code, PermissionDeniedError
from broker.model.message import Envelope
from broker.model.names import DeskRef, Pair
from keys.act_kind import ActKind
from keys.channel import Channel, Term
from keys.charter import ChannelName
from schemas.vocabulary import Compartment
from tests.admission.region import (
    CHANNEL,
    GT,
    H0,
    H1,
    H2,
    H3,
    HN,
    JUDICIAL,
    ME,
    MIGRATION,
    MX,
    NOW,
    PROSECUTION,
    PROTECTION,
    SV,
    Region,
    agency,
    charter,
    desk,
    message,
)

PROSECUTORS = {each: (agency(each, PROSECUTION).agency,) for each in (SV, MX, GT)}
CHARTER = charter(PROSECUTORS, JUDICIAL)
MOMENT = timedelta(microseconds=1)
TRIO = Channel(name=CHANNEL, terms=(Term(charter=CHARTER, since=NOW),))
TO_CHANNEL = message(channel=CHANNEL)


class Roads(Region):
    """A region in which this channel is there, and these desks and roads are not."""

    __slots__ = ("closed", "gone", "trio")

    def __init__(
        self,
        *,
        trio: Channel | None = TRIO,
        gone: tuple[DeskRef, ...] = (),
        closed: tuple[Pair, ...] = (),
    ) -> None:
        super().__init__()
        self.trio, self.gone, self.closed = trio, gone, closed

    def channel(self, name: ChannelName) -> Channel | None:
        """Find the one channel."""
        return self.trio if name == CHANNEL else None

    def has_desk(self, desk: DeskRef) -> bool:
        """All but those that are gone."""
        return desk not in self.gone

    def is_open(self, pair: Pair) -> bool:
        """All but those that are closed."""
        return pair not in self.closed


def roads(
    sent: Envelope, directory: Region | None = None, now: datetime = NOW
) -> list[tuple[str, str, str]]:
    """Which desks does it reach, by which queue and rule?"""
    routes = destination_of(sent, directory or Roads(), now).routes
    return [(str(each.desk), each.queue, each.rule) for each in routes]


def refused(
    sent: Envelope, directory: Region | None = None, now: datetime = NOW
) -> tuple[Code, list[tuple[str, str]]]:
    """How is it refused, and where?"""
    with pytest.raises(PermissionDeniedError) as caught:
        destination_of(sent, directory or Roads(), now)
    return caught.value.code, [(each.pointer, each.code) for each in caught.value.problems]


def unknown(pointer: str) -> tuple[Code, list[tuple[str, str]]]:
    """A recipient that is not there."""
    return Code.RECIPIENT_UNKNOWN, [(pointer, "recipient-unknown")]


@pytest.mark.parametrize("compartment", Compartment)
def test_destination_is_each_countrys_desk_of_the_compartment(compartment: Compartment) -> None:
    """In the order of the message, each by the queue of its pair."""
    to_both = message(to=(HN, GT), compartment=compartment)

    assert roads(to_both) == [
        (f"HN.{compartment}", f"MX.HN.{compartment}", "open-pair"),
        (f"GT.{compartment}", f"MX.GT.{compartment}", "open-pair"),
    ]
    destination = destination_of(to_both, Roads(), NOW)
    assert (destination.compartment, destination.charter) == (compartment, None)


def test_destination_is_refused_when_one_desk_is_not_there() -> None:
    """Nobody receives what one of its recipients cannot; which one is said."""
    there = Roads(gone=(desk(GT),))

    assert refused(message(to=(HN, GT)), there) == unknown("/to/countries/1")
    assert roads(message(to=(HN, GT), compartment=PROTECTION), there)


def test_destination_is_refused_when_one_road_is_closed() -> None:
    """Of that country's way to that desk, and of no other."""
    there = Roads(closed=(Pair(origin=MX, desk=desk(GT)), Pair(origin=HN, desk=desk(SV))))

    assert refused(message(to=(HN, GT)), there) == (
        Code.PAIR_CLOSED,
        [("/to/countries/1", "pair-closed")],
    )
    assert roads(message(to=(HN, SV)), there)
    assert roads(message(to=(GT,), sender=agency(HN, PROSECUTION)), there)


def test_destination_of_a_channel_is_every_other_member() -> None:
    """By name, each by its queue of the channel, in the compartment of the charter."""
    to_others = [
        ("GT.judicial", "hlsg-test.GT", "channel-member"),
        ("SV.judicial", "hlsg-test.SV", "channel-member"),
    ]

    assert roads(TO_CHANNEL) == to_others
    own = message(channel=CHANNEL, own_copy=True)
    assert roads(own) == [
        to_others[0],
        ("MX.judicial", "hlsg-test.MX", "channel-member"),
        to_others[1],
    ]
    destination = destination_of(TO_CHANNEL, Roads(), NOW)
    assert (destination.compartment, destination.charter) == (JUDICIAL, CHARTER)


def test_destination_of_a_channel_needs_no_open_pair() -> None:
    """Its members have consented to it, and not to each road."""
    closed = Roads(closed=(Pair(origin=MX, desk=desk(GT, JUDICIAL)),))

    assert roads(TO_CHANNEL, closed) == roads(TO_CHANNEL)


def test_destination_of_a_channel_is_without_who_left() -> None:
    """From the moment at which he left."""
    smaller = Roads(trio=replace(TRIO, left=((NOW, SV),)))

    assert roads(TO_CHANNEL, smaller) == [("GT.judicial", "hlsg-test.GT", "channel-member")]
    assert refused(message(channel=CHANNEL, sender=agency(SV, PROSECUTION)), smaller) == unknown(
        "/to/channel"
    )


@pytest.mark.parametrize(
    "sender",
    [
        agency(HN, PROSECUTION),
        agency(MX, MIGRATION),
        replace(ME, agency="fgr-2"),
    ],
)
def test_destination_of_a_channel_is_unknown_to_who_takes_no_part(sender: Any) -> None:
    """Of a country that is no member, or another agency of one that is."""
    assert refused(message(channel=CHANNEL, sender=sender)) == unknown("/to/channel")


@pytest.mark.parametrize("trio", [None, replace(TRIO, terms=())], ids=["none", "only proposed"])
def test_destination_is_unknown_when_there_is_no_such_channel(trio: Channel | None) -> None:
    """What nobody has consented to looks like what is not there."""
    assert refused(TO_CHANNEL, Roads(trio=trio)) == unknown("/to/channel")


def test_destination_is_unknown_until_the_channel_begins() -> None:
    """All have consented; the time-lock runs to its last moment."""
    assert refused(TO_CHANNEL, now=NOW - MOMENT) == unknown("/to/channel")


@pytest.mark.parametrize(
    "changes",
    [
        {"closed_at": NOW},
        {"stops": ((NOW, ActKind.SUSPEND_CHANNEL),)},
        {"left": ((NOW, SV), (NOW, GT))},
        {"terms": (Term(charter=replace(CHARTER, review=NOW), since=NOW),)},
    ],
    ids=["closed", "suspended", "one member left", "review due"],
)
def test_destination_is_refused_when_the_channel_rests(changes: dict[str, Any]) -> None:
    """It takes messages only while it is active."""
    assert refused(TO_CHANNEL, Roads(trio=replace(TRIO, **changes))) == (
        Code.CHANNEL_INACTIVE,
        [("/to/channel", "channel-inactive")],
    )


def test_destination_of_a_channel_is_refused_when_one_member_has_no_desk() -> None:
    """One that cannot read is no reason to leave it out unsaid."""
    assert refused(TO_CHANNEL, Roads(gone=(desk(SV, JUDICIAL),))) == unknown("/to/channel")
    assert roads(TO_CHANNEL, Roads(gone=(desk(MX, JUDICIAL), desk(SV)))) == roads(TO_CHANNEL)


def test_destination_is_not_asked_before_the_schema() -> None:
    """A defect of ours, and no refusal."""
    nowhere = replace(message(), to=replace(message().to, compartment=None))

    with pytest.raises(RuntimeError):
        destination_of(nowhere, Roads(), NOW)


def test_strictness_rises_with_the_handling_code() -> None:
    """By their place here codes are compared: H0 for anybody, H3 for nobody else."""
    assert STRICTNESS == (H0, H1, H2, H3)

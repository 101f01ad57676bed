"""What the members of a channel have not agreed to does not go over it."""

from dataclasses import replace

import pytest

from broker.admission.rules.rule import pointer_to
from keys.charter import Sealing
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind
from tests.admission.region import (
    ALLOWED,
    CHANNEL,
    INTELLIGENCE,
    PROSECUTION,
    Region,
    agency,
    around,
    charter,
    denied,
    message,
)

MX, GT, HN = Country.MEXICO, Country.GUATEMALA, Country.HONDURAS
AGREED = replace(
    charter(
        {each: (agency(each, PROSECUTION).agency,) for each in (MX, GT)},
        INTELLIGENCE,
        kinds=(Kind.GENERAL_REPORT,),
    ),
    ceiling=HandlingCode.H1,
)


@pytest.mark.parametrize(
    ("kind", "handling", "expected"),
    [
        (Kind.GENERAL_REPORT, HandlingCode.H0, ALLOWED),
        (Kind.GENERAL_REPORT, HandlingCode.H1, ALLOWED),
        (Kind.GENERAL_REPORT, HandlingCode.H2, ("charter-denied", "charter", "/handling/code")),
        (Kind.ROUTE_REPORT, HandlingCode.H0, ("charter-denied", "charter", "/kind")),
        (Kind.ROUTE_REPORT, HandlingCode.H2, ("charter-denied", "charter", "/kind")),
    ],
)
def test_channel_takes_what_its_charter_lists(
    kind: Kind, handling: HandlingCode, expected: tuple[str, str, str]
) -> None:
    """The kinds it names, up to its ceiling; a pair has no charter."""
    there = around(directory=Region(charters=[AGREED]))

    assert denied(message(channel=CHANNEL, kind=kind, handling=handling), there) == expected
    assert denied(message(kind=kind, handling=handling), there) == ALLOWED


@pytest.mark.parametrize(
    ("sealing", "is_sealed", "expected"),
    [
        (Sealing.GATEWAY, False, ALLOWED),
        (Sealing.GATEWAY, True, ALLOWED),
        (Sealing.ORIGIN, True, ALLOWED),
        (Sealing.ORIGIN, False, ("origin-sealing-required", "charter", "/to/channel")),
    ],
)
def test_channel_takes_what_is_sealed_as_its_charter_says(
    sealing: Sealing, expected: tuple[str, str, str], *, is_sealed: bool
) -> None:
    """Where the gateway must not read, nothing reaches it open."""
    there = around(directory=Region(charters=[replace(AGREED, sealing=sealing)]))

    assert denied(message(channel=CHANNEL), replace(there, is_sealed=is_sealed)) == expected
    assert denied(message(), replace(there, is_sealed=is_sealed)) == ALLOWED


def test_pointer_names_the_recipient_where_the_message_does() -> None:
    """By its place among the countries, whatever the order of the deliveries."""
    two = message(to=(HN, GT))

    assert [pointer_to(two, each) for each in (GT, HN, MX)] == [
        "/to/countries/1",
        "/to/countries/0",
        "/to/countries",
    ]
    assert pointer_to(message(channel=CHANNEL), GT) == "/to/channel"


@pytest.mark.parametrize(
    ("country", "compartment", "expected"),
    [
        (MX, INTELLIGENCE, ("pair-closed", "open-pair", "/to/countries/1")),
        (HN, Compartment.JUDICIAL, ("recipient-unknown", "open-pair", "/to/countries/1")),
    ],
)
def test_refusal_of_a_road_names_the_rule_that_would_have_allowed_it(
    country: Country, compartment: Compartment, expected: tuple[str, str, str]
) -> None:
    """An open pair to a desk that is there."""
    region = Region()
    region.record = replace(region.record, countries=frozenset({MX, GT}))

    sent = message(to=(GT, country), compartment=compartment)

    assert denied(sent, around(directory=region)) == expected


def test_refusal_of_a_channel_names_the_rule_that_would_have_allowed_it() -> None:
    """To take part in it; and no member is told from a channel that is none."""
    unknown = ("recipient-unknown", "channel-member", "/to/channel")
    there = around(directory=Region(charters=[AGREED]))
    due = replace(AGREED, review=there.now)

    assert denied(message(channel=CHANNEL), around()) == unknown
    assert denied(message(channel=CHANNEL, sender=agency(HN, PROSECUTION)), there) == unknown
    assert denied(message(channel=CHANNEL), around(directory=Region(charters=[due]))) == (
        "channel-inactive",
        "channel-member",
        "/to/channel",
    )


def test_member_without_a_desk_keeps_the_message_from_all() -> None:
    """One that cannot read is no reason to leave it out unsaid."""
    region = Region(charters=[AGREED])
    region.record = replace(region.record, countries=frozenset({MX}))

    assert denied(message(channel=CHANNEL), around(directory=region)) == (
        "recipient-unknown",
        "channel-member",
        "/to/channel",
    )

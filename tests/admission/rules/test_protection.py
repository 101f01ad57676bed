"""Does anything reach whomever a person fled from (SG-01)?"""

import pytest

from broker.model.message import Message
from schemas.vocabulary import Compartment, Country
from tests.admission.region import (
    ALLOWED,
    CHANNEL,
    GT,
    HN,
    INTELLIGENCE,
    JUDICIAL,
    MX,
    PROTECTION,
    SHELTER,
    SV,
    Region,
    around,
    charter,
    denied,
    message,
)


@pytest.mark.parametrize("compartment", [INTELLIGENCE, JUDICIAL])
def test_a_mark_is_denied_outside_protection(compartment: Compartment) -> None:
    """Police and migration control read there."""
    sent = message(compartment=compartment, has_marked=True)

    assert denied(sent) == ("protection-denied", "SG-01", "/to/compartment")


def test_a_mark_is_denied_in_a_channel_outside_protection() -> None:
    """A channel has one compartment, and the pointer names what the sender wrote."""
    members = {MX: ("prosecution",), GT: ("prosecution",)}
    region = Region(charters=[charter(members, INTELLIGENCE)])
    sent = message(channel=CHANNEL, has_marked=True)

    assert denied(sent, around(directory=region)) == ("protection-denied", "SG-01", "/to/channel")


def test_a_mark_passes_in_protection_when_nobody_is_sent_home() -> None:
    """That is what the compartment is for."""
    sent = message(
        sender=SHELTER,
        compartment=PROTECTION,
        has_marked=True,
        marked_origins=frozenset({HN}),
        all_origins=frozenset({HN}),
    )

    assert denied(sent) == ALLOWED


@pytest.mark.parametrize("fact", ["all_origins", "marked_origins"])
def test_protection_is_denied_to_where_anybody_comes_from(fact: str) -> None:
    """The second recipient is named, and none of them gets anything."""
    sent = message(sender=SHELTER, compartment=PROTECTION, to=(GT, HN), **{fact: frozenset({HN})})

    assert denied(sent) == ("protection-denied", "SG-01", "/to/countries/1")


def test_intelligence_goes_to_where_unmarked_people_come_from() -> None:
    """Outside protection a nationality alone hides nobody: Honduras is told of Hondurans."""
    sent = message(to=(HN,), all_origins=frozenset({HN}))

    assert denied(sent) == ALLOWED


@pytest.mark.parametrize("compartment", Compartment)
def test_message_is_denied_to_where_somebody_marked_comes_from(compartment: Compartment) -> None:
    """Whatever the compartment, and even where nothing else of the mark were known."""
    sent = message(compartment=compartment, to=(HN,), marked_origins=frozenset({HN}))

    assert denied(sent) == ("protection-denied", "SG-01", "/to/countries/0")


def test_a_channel_member_is_denied_what_is_about_its_own_people() -> None:
    """A member is a recipient like any other, the sender's own copy included."""
    members = {MX: ("refugee-protection",), GT: ("child-protection",), HN: ("child-protection",)}
    region = around(directory=Region(charters=[charter(members, PROTECTION)]))

    def to_channel(origin: Country, *, own_copy: bool = False) -> Message:
        return message(
            sender=SHELTER, channel=CHANNEL, own_copy=own_copy, all_origins=frozenset({origin})
        )

    assert denied(to_channel(HN), region) == ("protection-denied", "SG-01", "/to/channel")
    assert denied(to_channel(SV), region) == ALLOWED
    assert denied(to_channel(MX), region) == ALLOWED
    assert denied(to_channel(MX, own_copy=True), region)[1] == "SG-01"

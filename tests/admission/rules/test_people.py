"""What may be said of migrants and of children, and in how many words (SG-03, SG-04, SG-10)?"""

import pytest

from schemas.vocabulary import Compartment, Kind, Urgency
from tests.admission.region import (
    ALLOWED,
    INTELLIGENCE,
    MX,
    PROSECUTION,
    PROTECTION,
    agency,
    denied,
    message,
)


def test_second_officer_is_required_of_who_accuses_a_migrant() -> None:
    """Another officer's signature is enough, and nothing else is."""
    assert denied(message(needs_second_officer=True)) == (
        "second-officer-required",
        "SG-03",
        "/body",
    )
    assert denied(message(needs_second_officer=True, second=True)) == ALLOWED
    assert denied(message(second=True)) == ALLOWED


def test_being_smuggled_is_no_suspicion() -> None:
    """A second officer does not make it one."""
    sent = message(criminalises=True, second=True)

    assert denied(sent) == ("category-denied", "SG-03", "/body")


@pytest.mark.parametrize("compartment", Compartment)
def test_child_is_not_exposed_in_any_compartment(compartment: Compartment) -> None:
    """Protection included: there a child has a pseudonym."""
    kind = Kind.REPLY
    sent = message(
        sender=agency(MX, PROSECUTION), compartment=compartment, kind=kind, exposes_child=True
    )

    assert denied(sent) == ("child-exposed", "SG-04", "/body")


@pytest.mark.parametrize(
    ("compartment", "urgency", "passes"),
    [
        (PROTECTION, Urgency.ROUTINE, False),
        (PROTECTION, Urgency.PRIORITY, True),
        (PROTECTION, Urgency.IMMEDIATE, True),
        (PROTECTION, Urgency.FLASH, True),
        (INTELLIGENCE, Urgency.ROUTINE, True),
    ],
)
def test_children_come_first_in_protection(
    compartment: Compartment, urgency: Urgency, *, passes: bool
) -> None:
    """A routine message about children is denied there, and only there."""
    sent = message(compartment=compartment, urgency=urgency, has_children=True)
    expected = ALLOWED if passes else ("urgency-denied", "SG-04", "/urgency")

    assert denied(sent) == expected
    assert denied(message(compartment=compartment, urgency=urgency)) == ALLOWED


def test_narrative_is_denied_in_protection_only() -> None:
    """Elsewhere officers write what they must."""
    assert denied(message(compartment=PROTECTION, has_narrative=True)) == (
        "narrative-denied",
        "SG-10",
        "/body",
    )
    assert denied(message(has_narrative=True)) == ALLOWED
    assert denied(message(compartment=PROTECTION)) == ALLOWED

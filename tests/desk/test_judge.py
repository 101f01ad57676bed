"""A desk asks the safeguards again, for itself alone."""

from dataclasses import replace
from typing import Any

import pytest

from broker.admission.policy import EMPTY_POLICY, STANDARD_POLICY
from broker.desk.judge import judge
from broker.errors import PermissionDeniedError
from broker.model.message import Message
from broker.model.names import AgencyRef, DeskRef, QueueName
from schemas.vocabulary import Compartment, Country, Kind, Urgency
from tests.admission.region import MESSAGE, NOW, REFUGEES, Region, agency, around, message

INTELLIGENCE = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
PROTECTION = DeskRef(country=Country.GUATEMALA, compartment=Compartment.PROTECTION)
QUEUE = QueueName("MX.GT.intelligence")
SHELTER = agency(Country.MEXICO, REFUGEES)
GT = frozenset({Country.GUATEMALA})
HN = frozenset({Country.HONDURAS})


def rule_of(sent: Message, desk: DeskRef = INTELLIGENCE, **circumstances: Any) -> str | None:
    """Which rule keeps it from this desk?"""
    try:
        judge(sent, desk, QUEUE, around(**circumstances))
    except PermissionDeniedError as error:
        return error.rule
    return None


@pytest.mark.parametrize(
    ("sent", "desk", "rule"),
    [
        (message(), INTELLIGENCE, None),
        (message(has_marked=True), INTELLIGENCE, "SG-01"),
        (message(marked_origins=GT), INTELLIGENCE, "SG-01"),
        (message(sender=SHELTER, all_origins=GT), PROTECTION, "SG-01"),
        # Another recipient's fault is another desk's to find.
        (message(sender=SHELTER, all_origins=HN), PROTECTION, None),
        (message(kind=Kind.JUDICIAL_REQUEST), INTELLIGENCE, "SG-02"),
        (message(sender=SHELTER), INTELLIGENCE, "SG-02"),
        (message(criminalises=True), INTELLIGENCE, "SG-03"),
        (message(needs_second_officer=True), INTELLIGENCE, "SG-03"),
        (message(needs_second_officer=True, second=True), INTELLIGENCE, None),
        (message(exposes_child=True), INTELLIGENCE, "SG-04"),
        (message(has_children=True, urgency=Urgency.ROUTINE), PROTECTION, "SG-04"),
        (message(has_narrative=True), PROTECTION, "SG-10"),
        (message(purpose="prosecution"), INTELLIGENCE, "SG-06"),
    ],
)
def test_judge_names_the_rule(sent: Message, desk: DeskRef, rule: str | None) -> None:
    """What the gateway should have denied is returned."""
    assert rule_of(sent, desk) == rule


def test_judge_lets_in_what_an_agency_wrote_before_it_left() -> None:
    """The directory of today does not know it; the receipt proves that it was one."""
    left = AgencyRef(country=Country.MEXICO, agency="gone")

    assert rule_of(message(sender=left)) is None
    assert rule_of(message(sender=SHELTER), directory=Region({})) is None


def test_judge_asks_nothing_of_earlier_messages() -> None:
    """A desk knows only what came to it; SG-05 and SG-11 are the gateway's."""
    assert rule_of(message(lineage=(MESSAGE.id,))) is None


def test_judge_denies_without_rules() -> None:
    """And with the same policy as the gateway's it lets in."""
    assert rule_of(message(), policy=EMPTY_POLICY) == "policy"
    assert rule_of(message(), policy=replace(STANDARD_POLICY, version=7), now=NOW) is None


@pytest.mark.parametrize("kind", [Kind.RECALL, Kind.RECTIFICATION])
def test_judge_lets_in_a_recall_whatever_was_closed(kind: Kind) -> None:
    """It reaches who held the message; only what it says itself is judged (SG-07)."""
    sent = message(kind=kind, sender=SHELTER, purpose="prosecution")

    assert rule_of(sent, INTELLIGENCE, policy=EMPTY_POLICY) is None
    assert (
        rule_of(replace(sent, facts=replace(sent.facts, has_narrative=True)), PROTECTION) == "SG-10"
    )

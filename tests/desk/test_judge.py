"""A desk asks the safeguards again, for itself alone."""

from dataclasses import replace
from typing import Any

import pytest

from broker.admission.policy import EMPTY_POLICY, STANDARD_POLICY
from broker.desk.judge import judge
from broker.errors import PermissionDeniedError
from broker.model.facts import Evaluation, KnownMessage
from broker.model.message import Message
from broker.model.names import AgencyRef, DeskRef, QueueName
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency
from tests.admission.region import (
    NOW,
    REFUGEES,
    Region,
    agency,
    around,
    known,
    message,
    message_id_of,
)

INTELLIGENCE = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
PROTECTION = DeskRef(country=Country.GUATEMALA, compartment=Compartment.PROTECTION)
QUEUE = QueueName("MX.GT.intelligence")
SHELTER = agency(Country.MEXICO, REFUGEES)
GT = frozenset({Country.GUATEMALA})
HN = frozenset({Country.HONDURAS})


def rule_of(
    sent: Message,
    desk: DeskRef = INTELLIGENCE,
    here: tuple[KnownMessage, ...] = (),
    **circumstances: Any,
) -> str | None:
    """Which rule keeps it from this desk?"""
    try:
        judge(sent, desk, QUEUE, around(*here, **circumstances))
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


GUARDIA = AgencyRef(country=Country.HONDURAS, agency="guardia")
MX_DESK = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
WEAK = Evaluation(scheme="4x4", source="B", information="3")
SURE = Evaluation(scheme="4x4", source="A", information="1")
STRICT = known(1, GUARDIA, MX_DESK, INTELLIGENCE, handling=HandlingCode.H2, evaluation=WEAK)
OTHER = known(2, GUARDIA, MX_DESK, INTELLIGENCE, handling=HandlingCode.H0, evaluation=WEAK)
UNGRANTED = known(1, GUARDIA, MX_DESK, handling=HandlingCode.H2)
DERIVED = replace(STRICT, roots=frozenset())
"""Of one that derives from others, a desk does not know where its lineage ends."""


@pytest.mark.parametrize(
    ("here", "lineage", "handling", "given", "rule"),
    [
        ((STRICT,), (1,), HandlingCode.H2, WEAK, None),
        ((STRICT,), (1,), HandlingCode.H0, WEAK, "SG-05"),
        ((STRICT,), (1,), HandlingCode.H2, SURE, "SG-11"),
        ((STRICT, OTHER), (1, 2), HandlingCode.H0, WEAK, "SG-05"),
        # Two may confirm each other.
        ((STRICT, OTHER), (1, 2), HandlingCode.H2, SURE, None),
        # What does not lie here may say anything.
        ((), (1,), HandlingCode.H0, SURE, None),
        ((STRICT,), (1, 2), HandlingCode.H0, SURE, None),
        ((DERIVED,), (1,), HandlingCode.H0, SURE, None),
        ((STRICT, DERIVED), (1,), HandlingCode.H0, SURE, None),
        ((STRICT,), (), HandlingCode.H0, SURE, None),
        # Who else was granted it, the gateway knows.
        ((UNGRANTED,), (1,), HandlingCode.H2, WEAK, None),
    ],
)
def test_judge_holds_a_message_to_the_sources_that_lie_here(
    here: tuple[KnownMessage, ...],
    lineage: tuple[int, ...],
    handling: HandlingCode,
    given: Evaluation,
    rule: str | None,
) -> None:
    """Only if all of them do: of the others a desk knows nothing (SG-05, SG-11)."""
    named = tuple(message_id_of(each) for each in lineage)
    sent = message(lineage=named, evaluation=given, handling=handling)

    assert rule_of(sent, here=here) == rule


def test_judge_lets_in_what_derives_from_its_agency_before_that_left() -> None:
    """The registrations of today are asked of nothing, whatever lies here."""
    left = AgencyRef(country=Country.MEXICO, agency="gone")
    own = known(1, left, INTELLIGENCE)

    assert rule_of(message(sender=left, lineage=(message_id_of(1),)), here=(own,)) is None


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

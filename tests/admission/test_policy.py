"""The policy: what is not listed is denied."""

from itertools import product

import pytest

from broker.admission.policy import EMPTY_POLICY, STANDARD_POLICY
from schemas.vocabulary import AgencyFunction, Compartment, Kind

EVERYTHING = list(product(AgencyFunction, Kind, Compartment))


def test_policy_denies_everything_when_it_is_empty() -> None:
    """Nobody may send anything anywhere until somebody has said so."""
    assert not any(EMPTY_POLICY.allows(*each) for each in EVERYTHING)


@pytest.mark.parametrize("compartment", [Compartment.INTELLIGENCE, Compartment.JUDICIAL])
@pytest.mark.parametrize("function", AgencyFunction)
def test_policy_keeps_referrals_inside_protection(
    function: AgencyFunction, compartment: Compartment
) -> None:
    """What could hurt a referred person goes to protection desks only."""
    assert not STANDARD_POLICY.allows(function, Kind.PROTECTION_REFERRAL, compartment)


@pytest.mark.parametrize("kind", [Kind.RECALL, Kind.RECTIFICATION])
def test_policy_lets_an_agency_take_back_whatever_it_may_send(kind: Kind) -> None:
    """No message goes where its recall or rectification could not follow (SG-07)."""
    sendable = {
        (function, compartment)
        for function, any_kind, compartment in EVERYTHING
        if STANDARD_POLICY.allows(function, any_kind, compartment)
    }

    assert all(STANDARD_POLICY.allows(function, kind, at) for function, at in sendable)


@pytest.mark.parametrize("kind", Kind)
def test_policy_lets_civil_society_write_to_protection_only(kind: Kind) -> None:
    """Shelters are no informants (SG-02)."""
    allowed = {
        c for c in Compartment if STANDARD_POLICY.allows(AgencyFunction.CIVIL_SOCIETY, kind, c)
    }

    assert allowed <= {Compartment.PROTECTION}

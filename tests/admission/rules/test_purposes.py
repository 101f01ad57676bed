"""Does the compartment serve what a message is for (SG-06)?"""

import pytest

from schemas.vocabulary import Compartment
from tests.admission.region import ALLOWED, INTELLIGENCE, JUDICIAL, PROTECTION, denied, message


@pytest.mark.parametrize(
    ("compartment", "purpose", "passes"),
    [
        (PROTECTION, "investigation", False),
        (PROTECTION, "border_security", False),
        (PROTECTION, "child_protection", True),
        (INTELLIGENCE, "prosecution", False),
        (INTELLIGENCE, "investigation", True),
        (JUDICIAL, "prosecution", True),
        (JUDICIAL, "border_security", False),
        (INTELLIGENCE, "", False),
    ],
)
def test_purpose_is_denied_where_the_compartment_does_not_serve_it(
    compartment: Compartment, purpose: str, *, passes: bool
) -> None:
    """Protection is not for policing, and what is for a court goes to the judicial desk."""
    expected = ALLOWED if passes else ("purpose-denied", "SG-06", "/purpose/code")

    assert denied(message(compartment=compartment, purpose=purpose)) == expected

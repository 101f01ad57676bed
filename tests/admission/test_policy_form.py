"""A policy that is read wrongly protects nobody: its form is held to the letter."""

from typing import Any

import pytest

from broker.admission.policy import STANDARD_POLICY, Policy
from broker.admission.policy_form import PolicyError


def read(**tables: Any) -> Policy:
    """Read the standard policy with other tables."""
    return Policy.from_json({**STANDARD_POLICY.to_json(), **tables})


@pytest.mark.parametrize("most", [0, 1, 300])
def test_policy_lets_words_be_as_long_as_a_paragraph(most: int) -> None:
    """None at all may stand there, or up to 300 characters."""
    assert read(words={"title": most}).words == {"title": most}


@pytest.mark.parametrize("most", [-1, 301, True, 1.0, "20", None])
def test_policy_is_refused_when_words_could_be_a_story(most: object) -> None:
    """Longer, or as long as nobody can say."""
    with pytest.raises(PolicyError, match="words"):
        read(words={"title": most})


def test_policy_is_refused_with_the_row_that_is_wrong() -> None:
    """Administrators read where to mend it."""
    with pytest.raises(PolicyError, match=r"reads_addressed\.civil_society: "):
        read(reads_addressed={"civil_society": ["gossip"]})

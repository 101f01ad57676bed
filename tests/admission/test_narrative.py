"""Words stand in a protection body only where the policy lists them (SG-10)."""

from typing import Any

import pytest

from broker.admission.narrative import length_at, tells
from broker.admission.policy import STANDARD_POLICY
from schemas.examples import accepted

ALLOWED = {"title": 20, "name": 10, "claims/*/text": 12, "text": 5, "within": 8, "as": 0}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "Twenty characters ok"},
        {"agencies": [{"name": "A B"}]},
        {"places": [{"within": ["San José", "A B"]}]},
        {"accounts": [{"claims": [{"text": "twelve chars"}]}]},
        {"questions": [{"text": "A B C"}]},
        {"code": "unaccompanied_child", "url": "https://example.org/" + "a" * 100},
        {"date": "2024-05-01", "count": 3, "flag": True, "nothing": None},
        {"code": "c" * 64},
    ],
)
def test_codes_and_listed_words_pass(body: dict[str, Any]) -> None:
    """One word, a code, an address, and what the policy lists up to its length."""
    assert not tells(body, ALLOWED)


@pytest.mark.parametrize(
    "body",
    [
        {"title": "Twenty-one characters"},
        {"note": "word"},
        {"summary": "word"},
        {"other": "two words"},
        {"lines": ["one", "two words"]},
        {"tab": "two\twords"},
        {"deep": [{"deeper": [{"note": "x"}]}]},
        {"places": [{"within": ["San José del Valle"]}]},
        {"accounts": [{"claims": [{"text": "thirteen char"}]}]},
        {"questions": [{"text": "A B C D"}]},
        {"as": "x y"},
        {"code": "c" * 65},
        {"title_of": "two words"},
    ],
)
def test_other_words_are_a_narrative(body: dict[str, Any]) -> None:
    """A note of one word counts, and so does what hides in one long word."""
    assert tells(body, ALLOWED)


def test_nothing_passes_when_nothing_is_listed() -> None:
    """A policy without words lets no words through."""
    assert tells({"title": "Two words"}, {})
    assert tells({"title": "Word"}, {}) is False
    assert tells({"text": "Word"}, {})


@pytest.mark.parametrize(
    "example", [pytest.param(each, id=each.name) for each in accepted("protection-referral")]
)
def test_referral_never_tells(example: Any) -> None:
    """Its schema has no place for words, and the standard policy knows it."""
    assert not tells(example.message["body"], STANDARD_POLICY.words)


@pytest.mark.parametrize(
    ("end", "most"),
    [("title", 120), ("place/title", 120), ("steps/*/note", 40), ("note", 0), ("a/title/*", 120)],
)
def test_length_at_is_that_of_the_longest_ending_that_is_listed(end: str, most: int) -> None:
    """As a body is judged, so a policy is explained."""
    assert length_at(end, {"title": 120, "steps/*/note": 40}) == most

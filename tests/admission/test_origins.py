"""Is it said of each of them where he comes from? Where it is not, he may come from anywhere."""

from typing import Any

import pytest

from broker.admission.origins import DEEPEST, is_said

TWO_HUNDRED = {"qualifier": "exactly", "value": 200}
FROM_HONDURAS = [{"country": "HN", "count": {"value": 199}}]


@pytest.mark.parametrize(
    ("count", "nationalities", "said"),
    [
        # What some say in shares and others in numbers adds up to neither.
        (
            TWO_HUNDRED,
            [{"country": "HN", "share": {"value": 99}}, {"country": "VE", "count": {"value": 1}}],
            False,
        ),
        (
            TWO_HUNDRED,
            [{"country": "HN", "share": {"value": 98}}, {"country": "VE", "share": {"value": 1}}],
            True,
        ),
        (TWO_HUNDRED, [{"country": "HN", "share": {"value": 98.9}}], False),
        (TWO_HUNDRED, [{"country": "HN", "share": {"value": 99.5}}], True),
        (TWO_HUNDRED, FROM_HONDURAS, False),
        # They may be as many as the largest number that is said of them.
        ({"minimum": 150, "maximum": 250}, FROM_HONDURAS, False),
        ({"minimum": 150, "value": 199, "maximum": 250}, FROM_HONDURAS, False),
        ({"minimum": 150, "maximum": 199}, FROM_HONDURAS, True),
        ({"minimum": 200}, FROM_HONDURAS, False),
        ({"minimum": 199}, FROM_HONDURAS, True),
    ],
)
def test_is_said_of_a_group_when_the_numbers_reach_it(
    count: dict[str, Any], nationalities: list[Any], *, said: bool
) -> None:
    """Entries that tell of fewer than there may be leave the others unsaid."""
    group = {"category": "other", "count": count, "nationalities": nationalities}

    assert is_said(group, {}, is_group=True) is said


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ({"nationalities": ["VE"]}, True),
        ({"nationalities": [{"country": "VE"}]}, True),
        # A region is a guess, and of one person nobody counts shares.
        ({"nationalities": [{"region": "africa"}]}, False),
        ({"nationalities": []}, False),
        ({}, False),
    ],
)
def test_is_said_of_a_person_when_a_country_is_named(person: dict[str, Any], *, said: bool) -> None:
    """One country is enough: who has two is kept from both."""
    assert is_said({"category": "other", **person}, {}, is_group=False) is said


def test_is_said_by_a_group_at_the_end_of_a_chain() -> None:
    """As far as it is followed; what goes on for longer goes in a circle, or says too little."""

    def of_a_chain(length: int) -> bool:
        chain = [{"ref": f"G{n}", "part_of": f"G{n + 1}"} for n in range(1, length)]
        last = {"ref": f"G{length}", "nationalities": [{"country": "HN"}]}
        by_name: dict[str, Any] = {str(each["ref"]): each for each in (*chain, last)}
        return is_said(by_name["G1"], by_name, is_group=True)

    assert of_a_chain(2)
    assert of_a_chain(DEEPEST)
    assert not of_a_chain(DEEPEST + 1)

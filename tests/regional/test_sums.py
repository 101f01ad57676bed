"""What two numbers come to, as a table that people can argue with; and that no sum overclaims."""

from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.regional.bounds import Bounds, add, exactly, hull
from broker.regional.claims import MAX_COUNT, PLAIN, Claim, Unit, read, reconcile, write
from broker.regional.claims import add as add_claims
from schemas.loader import SchemaSet
from tests.regional.results import arrests, money, number, spoken, whole

USD = Unit(currency="USD", basis="counted")
ROUGHLY = Fraction(1, 10)
"""How far "approximately" may be off in these tests; the sums work for any such share."""


def claim(text: str) -> Claim:
    """Read a number."""
    found = read(number(text))
    assert found is not None
    return found


def claim_of_money(text: str) -> Claim:
    """Read an amount."""
    found = read(money(text))
    assert found is not None
    return found


SUMS = {
    "exact numbers stay exact": ("exactly 5", "exactly 3", "exactly 8"),
    "zero is a number": ("exactly 5", "exactly 0", "exactly 5"),
    "none is zero": ("exactly 5", "none", "exactly 5"),
    "at least anywhere is at least": ("at_least 31", "exactly 9", "at_least 40"),
    "more than stays more than": ("more_than 200", "exactly 9", "more_than 209"),
    "more than and at least is more than": ("more_than 30", "at_least 5", "more_than 35"),
    "at most of both is at most": ("at_most 5", "at_most 3", "at_most 8"),
    "at most beside an exact number is a range": ("at_most 5", "exactly 3", "between 3 8"),
    "at most beside at least keeps the floor": ("at_most 5", "at_least 3", "at_least 3"),
    "less than zero parts stays less than": ("less_than 5", "exactly 0", "less_than 5"),
    "less than and at most is less than": ("less_than 5", "at_most 3", "less_than 8"),
    "ranges add end by end": ("between 2 4", "between 3 5", "between 5 9"),
    "a range moves by an exact number": ("between 2 4", "exactly 3", "between 5 7"),
    "a range from zero is at most": ("between 0 4", "at_most 3", "at_most 7"),
    "a range beside at least keeps its floor": ("between 2 4", "at_least 3", "at_least 5"),
    "a range written backwards is read": ("between 4 2", "exactly 1", "between 3 5"),
    "approximately moves by an exact number": (
        "approximately 3500",
        "exactly 9",
        "approximately 3509",
    ),
    "rough numbers add up roughly": ("approximately 10", "approximately 5", "approximately 15"),
    "nearly moves by an exact number": ("nearly 100", "exactly 5", "nearly 105"),
    "nearly adds to nearly": ("nearly 100", "nearly 50", "nearly 150"),
    "nearly beside approximately is approximately": (
        "nearly 100",
        "approximately 50",
        "approximately 150",
    ),
    "a rough number is no floor": ("approximately 3500", "at_least 200", "at_least 200"),
    "a rough number is no ceiling": ("approximately 10", "at_most 5", "unknown"),
    "a rough number does not sharpen a range": ("approximately 10", "between 3 5", "at_least 3"),
    "hundreds never become a number": ("hundreds", "exactly 14", "at_least 14"),
    "some never become a number": ("some", "more_than 14", "more_than 14"),
    "words alone are unknown": ("hundreds", "some", "unknown"),
    "unknown opens the end": ("unknown", "exactly 14", "at_least 14"),
    "not asked opens the end": ("not_asked", "exactly 14", "at_least 14"),
    "preliminary anywhere is preliminary": ("exactly 5*", "exactly 3", "exactly 8*"),
    "what cannot be written is said with less": (
        f"exactly {MAX_COUNT}",
        "exactly 1",
        f"more_than {MAX_COUNT}",
    ),
    "a ceiling that cannot be written is left out": (
        f"between 5 {MAX_COUNT}",
        "exactly 1",
        "at_least 6",
    ),
}


@pytest.mark.parametrize(("one", "other", "total"), SUMS.values(), ids=SUMS)
def test_add_claims_no_more_than_the_parts_when_two_numbers_meet(
    one: str, other: str, total: str
) -> None:
    """Each pair has one honest sum, whichever comes first."""
    sums = [add_claims([claim(each) for each in pair]) for pair in permutations((one, other))]

    assert [spoken(each) for each in sums] == [total, total]


RIVALS = {
    "the same number twice is one claim": ("exactly 5", "exactly 5", "exactly 5"),
    "two exact numbers are a range": ("exactly 5", "exactly 7", "between 5 7"),
    "a range takes in the other claim": ("between 5 7", "exactly 9", "between 5 9"),
    "at least takes the lower floor": ("at_least 5", "exactly 3", "at_least 3"),
    "more than yields to a number as low": ("more_than 5", "exactly 5", "at_least 5"),
    "more than both is more than the lower": ("more_than 5", "more_than 9", "more_than 5"),
    "less than yields to a number as high": ("less_than 5", "at_most 5", "at_most 5"),
    "a rough number beside another one leaves nothing sure": (
        "approximately 10",
        "exactly 12",
        "unknown",
    ),
    "roughly the same number is roughly that": (
        "approximately 10",
        "exactly 10",
        "approximately 10",
    ),
    "a word beside a number leaves nothing sure": ("hundreds", "exactly 120", "unknown"),
    "preliminary anywhere is preliminary": ("exactly 5", "exactly 7*", "between 5 7*"),
}


@pytest.mark.parametrize(("one", "other", "range_"), RIVALS.values(), ids=RIVALS)
def test_reconcile_holds_for_every_claim_when_two_conflict(
    one: str, other: str, range_: str
) -> None:
    """A range prefers none of the claims, whichever comes first."""
    ranges = [reconcile([claim(each) for each in pair]) for pair in permutations((one, other))]

    assert [spoken(each) for each in ranges] == [range_, range_]


MONEY = {
    "cents do not round": ("exactly 0.10", "exactly 0.20", "exactly 0.30"),
    "millionths do not round": ("exactly 0.000001", "exactly 1", "exactly 1.000001"),
    "whole amounts stay whole": ("exactly 6400", "at_least 100", "at_least 6500"),
    "unknown money opens the end": ("unknown", "exactly 6400", "at_least 6400"),
    "ranges of money add end by end": ("between 1.5 2", "exactly 1", "between 2.50 3"),
}


@pytest.mark.parametrize(("one", "other", "total"), MONEY.values(), ids=MONEY)
def test_add_keeps_every_decimal_when_it_is_money(one: str, other: str, total: str) -> None:
    """Money is added as text is written: nothing rounds."""
    assert spoken(add_claims([claim_of_money(one), claim_of_money(other)])) == total


@pytest.mark.parametrize("per", ["day", "person", "month"])
def test_read_gives_no_number_when_it_is_a_rate(per: str) -> None:
    """So many a day do not add up with anything."""
    assert read({**number("exactly 5"), "per": per}) is None


def test_add_gives_zero_when_there_is_nothing_to_add() -> None:
    """The sum of no parts is no people."""
    assert add([]) == exactly(0)


# Numbers as countries say them, each with a value that could be the true one.

counts = st.integers(0, 10_000)


@st.composite
def said_and_true(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Draw a quantity and a true number that does not contradict it."""
    value, true, extra = draw(counts), draw(counts), draw(counts)
    off = int(value * draw(st.fractions(-ROUGHLY, ROUGHLY)))
    under = 10 + value - max(1, abs(off))
    pairs = {
        f"exactly {value}": value,
        f"at_least {value}": value + extra,
        f"more_than {value}": value + extra + 1,
        f"at_most {value}": min(true, value),
        f"less_than {value + 1}": min(true, value),
        f"between {value} {value + extra}": value + min(true, extra),
        f"approximately {value}": value + off,
        f"nearly {value + 10}": under,
        "none": 0,
        "hundreds": true,
        "unknown": true,
    }
    said = draw(st.sampled_from(list(pairs)))
    return number(said), pairs[said]


def holds(said: dict[str, Any], true: int) -> bool:
    """Does a reader who knows the truth find that this is not a lie?"""
    value, rough = said.get("value", 0), said.get("value", 0) * ROUGHLY
    return {
        "exactly": true == value,
        "at_least": true >= value,
        "more_than": true > value,
        "at_most": true <= value,
        "less_than": true < value,
        "between": said.get("minimum", 0) <= true <= said.get("maximum", 0),
        "approximately": abs(true - value) <= rough,
        "nearly": value - rough <= true < value,
        "unknown": True,
    }[said["qualifier"]]


@given(st.lists(said_and_true(), min_size=2, max_size=12))
def test_add_holds_the_truth_when_every_part_does(parts: list[tuple[dict[str, Any], int]]) -> None:
    """Whatever the true numbers are, their sum is within what the total claims."""
    claims = [read(said) for said, _ in parts]

    total = add_claims([each for each in claims if each])

    assert holds(dict(total.said), sum(true for _, true in parts))


@given(st.lists(said_and_true(), min_size=2, max_size=6), st.data())
def test_reconcile_holds_the_truth_when_one_claim_does(
    parts: list[tuple[dict[str, Any], int]], data: st.DataObject
) -> None:
    """Whichever claim is the true one, the range does not contradict it."""
    claims = [read(said) for said, _ in parts]
    true = data.draw(st.sampled_from([true for _, true in parts]))

    said = reconcile([each for each in claims if each]).said

    words = {"hundreds"}  # All say the same word: it stays one.
    assert said["qualifier"] in words | {"none"} or holds(dict(said), true)


@given(st.lists(said_and_true(), min_size=2, max_size=8), st.randoms())
def test_add_gives_one_sum_when_the_order_changes(
    parts: list[tuple[dict[str, Any], int]], random: Any
) -> None:
    """Who reports first changes nothing; nor does adding up in steps."""
    bounds = [each.bounds for said, _ in parts if (each := read(said))]
    shuffled = random.sample(bounds, len(bounds))

    assert add(shuffled) == add(bounds)
    assert add([add(bounds[:1]), *bounds[1:]]) == add(bounds)
    assert hull(shuffled) == hull(bounds)


@given(parts=st.lists(said_and_true(), min_size=1, max_size=8))
def test_write_gives_a_valid_number_when_anything_was_added(
    schema_set: SchemaSet, parts: list[tuple[dict[str, Any], int]]
) -> None:
    """Every sum can be written, of people and of money, and means the same when it is read."""
    bounds = add([each.bounds for said, _ in parts if (each := read(said))])

    people, dollars = write(bounds, PLAIN), write(bounds, USD)

    seized = {"asset": "cash", "measure": "seized", "count": people, "amounts": [dollars]}
    body = {**arrests("exactly 1"), "operation": {"preliminary": False}, "seizures": [seized]}
    assert schema_set.violations(whole(body), kind="operation-result", version="1.0") == ()
    for said, unit in ((people, PLAIN), (dollars, USD)):
        back = read(said)
        assert back is not None
        assert write(back.bounds, unit) == said


@pytest.mark.parametrize("bounds", [Bounds(low=0, low_excluded=True, high=5)])
def test_write_gives_a_wider_range_when_no_qualifier_fits(bounds: Bounds) -> None:
    """What cannot be said exactly is said with less."""
    assert write(bounds, PLAIN) == {"qualifier": "at_most", "value": 5}

"""What do several countries' messages come to: what adds up, what is missing?"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.regional.total import add_up
from tests.regional.results import (
    arrests,
    body_of,
    cash,
    figures,
    money,
    number,
    of,
    result,
    suspects,
)
from tests.regional.test_sums import holds, said_and_true

REPORTS = {
    "all have counted": (("GT", "exactly 9"), ("HN", "exactly 5"), "exactly 14"),
    "one says at least": (("GT", "at_least 9"), ("HN", "exactly 5"), "at_least 14"),
    "one is preliminary": (("GT", "exactly 9*"), ("HN", "exactly 5"), "exactly 14*"),
    "one counted none": (("GT", "exactly 9"), ("HN", "exactly 0"), "exactly 9"),
    "one gives a word": (("GT", "exactly 9"), ("HN", "hundreds"), "at_least 9"),
    "one gives no number": (("GT", "exactly 9"), ("HN", None), "at_least 9"),
}


@pytest.mark.parametrize(("one", "other", "total"), REPORTS.values(), ids=REPORTS)
def test_add_up_gives_one_number_when_two_countries_report(
    one: tuple[str, str | None], other: tuple[str, str | None], total: str
) -> None:
    """A total is as sure as the least sure of its parts."""
    results = [result(country, arrests(said)) for country, said in (one, other)]

    assert figures(add_up(results)) == {"arrest": total}


def test_add_up_lists_a_country_as_missing_when_it_sent_nothing() -> None:
    """Who takes part and has not reported is missing, and not counted as zero."""
    results = [result("GT", arrests("exactly 9"), operation={"countries": ["GT", "SV", "FR"]})]

    total = add_up(results)

    assert (total.countries, total.missing) == (of("GT", "SV"), of("SV"))
    assert total.preliminary
    assert figures(total) == {"arrest": "at_least 9"}


def test_add_up_asks_those_named_when_somebody_knows_who_takes_part() -> None:
    """Whoever adds up may know better who takes part than a message does."""
    results = [result("GT", arrests("exactly 9"), operation={"countries": ["GT", "SV"]})]

    assert add_up(results, countries=of("HN")).missing == of("HN")


def test_add_up_opens_the_end_when_a_country_is_silent_on_one_thing() -> None:
    """A country that reports and does not mention boats has not said that there were none."""
    boats = {"seizures": [{"asset": "boat", "measure": "seized", "count": number("exactly 4")}]}
    results = [result("PA", {**arrests("exactly 1"), **boats}), result("CR", arrests("exactly 2"))]

    total = add_up(results)

    assert figures(total) == {"arrest": "exactly 3", "boat seized": "at_least 4"}
    assert [each.silent for thing in total.totals for each in thing.figures] == [(), of("CR")]


def test_add_up_keeps_currencies_apart_when_cash_is_found() -> None:
    """Lempiras and dollars have no sum, nor has counted money with estimated money."""
    results = [
        result("HN", cash(money("exactly 100.50", "HNL"), money("exactly 10"))),
        result("GT", cash(money("at_least 5"), money("exactly 7", "USD", "estimated"))),
    ]

    total = add_up(results)

    assert [
        (each.unit.currency, each.unit.basis, each.claim.said["amount"])
        for thing in total.totals
        for each in thing.figures
    ] == [("HNL", "counted", "100.50"), ("USD", "counted", "15"), ("USD", "estimated", "7")]


def test_add_up_keeps_things_apart_when_they_cannot_be_compared() -> None:
    """Detained and charged are two things, and one `other` is not like the next."""
    groups = {"groups": [suspects("exactly 5", "detained"), suspects("exactly 2", "charged")]}
    other = {"actions": [{"code": "other", "count": number("exactly 3")}]}
    results = [result("GT", {**groups, **other}), result("HN", other)]

    total = add_up(results)

    assert [(each.thing.codes, each.thing.only) for each in total.totals] == [
        (("other",), "GT"),
        (("other",), "HN"),
        (("suspect", "charged"), ""),
        (("suspect", "detained"), ""),
    ]
    assert figures(total)["other"] == "exactly 3"


def test_add_up_counts_a_part_once_when_it_is_part_of_the_same_thing() -> None:
    """What is part of a whole is in its number already, and need not make it up."""
    actions = [
        {"ref": "C1", "code": "arrest", "count": number("more_than 200")},
        {"ref": "C2", "part_of": "C1", "code": "arrest_in_the_act", "count": number("exactly 3")},
        {"ref": "C3", "part_of": "C2", "code": "arrest", "count": number("exactly 30")},
    ]

    total = add_up([result("MX", {"actions": actions})])

    assert figures(total) == {"arrest": "more_than 200", "arrest_in_the_act": "exactly 3"}


def test_add_up_reads_on_when_parts_point_in_a_circle() -> None:
    """Two items that are part of each other are no reason to stop, nor to count for ever."""
    actions = [
        {"ref": "C1", "part_of": "C2", "code": "search", "count": number("exactly 2")},
        {"ref": "C2", "part_of": "C1", "code": "arrest", "count": number("exactly 3")},
    ]

    assert figures(add_up([result("MX", {"actions": actions})])) == {
        "arrest": "exactly 3",
        "search": "exactly 2",
    }


@pytest.mark.parametrize(
    ("items", "total"),
    [
        (["exactly 4", "exactly 2"], "exactly 6"),
        (["exactly 4", None], "at_least 4"),
        ([None, None], None),
    ],
    ids=["two numbers", "one without a number", "no number at all"],
)
def test_add_up_counts_items_apart_when_one_message_has_several(
    items: list[str | None], total: str | None
) -> None:
    """Four boats and two boats are six; some boats beside four are at least four."""
    boats = [
        {"asset": "boat", "measure": "seized", **({"count": number(said)} if said else {})}
        for said in items
    ]

    found = figures(add_up([result("PA", {"seizures": boats})]))

    assert found == ({"boat seized": total} if total else {})


def test_add_up_keeps_a_range_when_the_message_itself_has_two_accounts() -> None:
    """A country that gives two numbers is not made to choose."""
    account = {
        "about": "/actions/0/count",
        "difference": "parts_do_not_add_up",
        "claims": [{"quantity": number("exactly 6")}, {"quantity": number("exactly 10")}],
    }
    results = [
        result("BZ", {**arrests("exactly 6"), "accounts": [account]}),
        result("GT", arrests("exactly 1")),
    ]

    body = body_of(*results)

    assert figures(add_up(results)) == {"arrest": "between 7 11"}
    assert body["actions"][1]["count"] == number("between 6 10")
    assert body["accounts"] == [
        {
            "about": "/actions/1/count",
            "difference": "parts_do_not_add_up",
            "claims": [
                {"quantity": number("exactly 6"), "according_to": ["S1"]},
                {"quantity": number("exactly 10"), "according_to": ["S1"]},
            ],
        }
    ]


def test_add_up_keeps_a_range_when_the_accounts_are_about_money() -> None:
    """What one heap of dollars may be widens their sum; quetzales and fares do not."""
    account = {
        "about": "/seizures/0/amounts/1",
        "difference": "unclear",
        "claims": [
            {"money": money("exactly 7")},
            {"money": money("exactly 8")},
            {"money": money("exactly 1", "GTQ")},
        ],
    }
    fare = {**money("exactly 900"), "per": "person"}
    heaps = cash(money("exactly 5"), money("exactly 7"), money("unknown", "GTQ"), fare)

    total = add_up([result("GT", {**heaps, "accounts": [account]})])

    assert figures(total) == {"cash seized USD": "between 12 13", "cash seized GTQ": "unknown"}


told = st.lists(said_and_true(), max_size=2)


@settings(max_examples=200)
@given(guatemala=told, honduras=told, panama=told, data=st.data())
def test_add_up_holds_the_truth_when_each_country_says_it_once(
    guatemala: list[Any], honduras: list[Any], panama: list[Any], data: st.DataObject
) -> None:
    """Contradicted, vague or missing: while one claim of each country is true, so is the total."""
    said = {"GT": guatemala, "HN": honduras, "PA": panama}
    results = [
        result(country, {"actions": [{"code": "arrest", "count": claim}]}, serial=serial)
        for country, claims in said.items()
        for serial, (claim, _) in enumerate(claims)
    ]
    true = [
        data.draw(st.sampled_from([true for _, true in claims]) if claims else st.integers(0, 99))
        for claims in said.values()
    ]

    totals = add_up(results, countries=of(*said)).totals

    assert all(
        holds(dict(figure.claim.said), sum(true)) for each in totals for figure in each.figures
    )

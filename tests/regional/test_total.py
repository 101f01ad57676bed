"""What do several countries' messages come to: what adds up, what stands, what is missing?"""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import Code, ConflictError
from broker.regional.body import LimitError
from broker.regional.total import add_up
from schemas.loader import SchemaSet
from tests.regional.results import arrests, body_of, figures, money, number, of, result, whole
from tests.regional.test_sums import holds, said_and_true

FIRST, SECOND, THIRD = (f"01a07d01-8230-7426-9c78-{serial:012x}" for serial in (1, 2, 3))


def suspects(said: str, *outcomes: str, **members: Any) -> dict[str, Any]:
    """Write a group of suspects."""
    return {
        "category": "suspect",
        "suspected_of": ["migrant_smuggling"],
        "outcomes": list(outcomes),
        "count": number(said),
        **members,
    }


def cash(*amounts: dict[str, Any]) -> dict[str, Any]:
    """Write cash that was seized."""
    return {"seizures": [{"asset": "cash", "measure": "seized", "amounts": list(amounts)}]}


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


# Which of two messages of one country stands?

LATER: dict[str, tuple[dict[str, Any], str]] = {
    "says nothing of the earlier one": ({}, "between 5 9"),
    "names the same case only": ({"case": "GT-2026-0001"}, "between 5 9"),
    "answers the earlier one": ({"in_reply_to": FIRST}, "exactly 9"),
    "has the earlier one in its lineage": ({"lineage": [THIRD, FIRST]}, "exactly 9"),
    "names another message": ({"in_reply_to": THIRD}, "between 5 9"),
}


@pytest.mark.parametrize(("members", "total"), LATER.values(), ids=LATER)
def test_add_up_replaces_a_number_only_when_the_later_message_says_so(
    members: dict[str, Any], total: str
) -> None:
    """Being later, or of the same case, makes no message the better one."""
    earlier = result("GT", arrests("exactly 5"), case="GT-2026-0001")
    later = result("GT", arrests("exactly 9"), serial=2, **members)

    assert figures(add_up([earlier, later])) == {"arrest": total}


def test_add_up_follows_corrections_when_one_corrects_another() -> None:
    """A correction of a correction takes the place of both."""
    results = [
        result("GT", arrests("exactly 5")),
        result("GT", {"actions": [{"code": "search"}]}, serial=2, in_reply_to=FIRST),
        result("GT", arrests("exactly 9"), serial=3, in_reply_to=SECOND),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 9"}


def test_add_up_keeps_what_a_correction_leaves_alone_when_it_corrects_something_else() -> None:
    """A correction of the searches leaves the arrests as they were."""
    both = [{"code": "arrest", "count": number("exactly 5")}, {"code": "search"}]
    searches = {"actions": [{"code": "search", "count": number("exactly 16")}]}
    results = [
        result("GT", {"actions": both}, preliminary=True),
        result("GT", searches, serial=2, in_reply_to=FIRST),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 5*", "search": "exactly 16"}


def test_add_up_is_no_longer_preliminary_when_the_early_result_was_replaced() -> None:
    """What is taken back no longer counts, and neither does its warning."""
    results = [
        result("GT", {**arrests("exactly 5")}, preliminary=True),
        result("GT", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
    ]

    total = add_up(results)

    assert not total.preliminary
    assert [each.id for each in total.results] == [SECOND]


def test_add_up_lets_no_country_correct_another_when_it_names_its_message() -> None:
    """A message of Honduras does not take the place of one of Guatemala."""
    results = [
        result("GT", arrests("exactly 5")),
        result("HN", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 14"}


def test_add_up_lets_no_message_correct_a_later_one_when_it_names_it() -> None:
    """Only what was there before can be corrected; a circle of corrections leaves the last."""
    results = [
        result("GT", arrests("exactly 5"), in_reply_to=SECOND),
        result("GT", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 9"}


def test_add_up_counts_a_message_once_when_it_comes_twice() -> None:
    """An inbox and a file may hold the same message."""
    results = [result("GT", arrests("exactly 5")), result("GT", arrests("exactly 5"))]

    assert figures(add_up(results)) == {"arrest": "exactly 5"}


def test_add_up_refuses_two_messages_when_they_have_one_id() -> None:
    """Which of them was sent, nobody here can tell."""
    results = [result("GT", arrests("exactly 5")), result("GT", arrests("exactly 6"))]

    with pytest.raises(ConflictError) as refused:
        add_up(results)

    assert refused.value.code is Code.ID_REUSED


def test_add_up_takes_both_messages_when_two_agencies_chose_one_id() -> None:
    """Ids are unique in an agency; that two agree on the number is one claim of two."""
    results = [
        result("GT", arrests("exactly 5")),
        result("GT", arrests("exactly 5"), agency="mp"),
    ]

    body = body_of(*results)

    assert figures(add_up(results)) == {"arrest": "exactly 5"}
    assert body["actions"][1]["according_to"] == ["S1", "S2"]
    assert "accounts" not in body


# What is written.


def test_write_nests_each_country_when_it_has_a_total() -> None:
    """The total is followed by its parts, each with its country and its message."""
    body = body_of(
        result("HN", {**arrests("at_least 5"), "groups": [suspects("exactly 5", "detained")]}),
        result("GT", {**arrests("exactly 9"), "groups": [suspects("exactly 7", "detained")]}),
    )

    assert body["actions"] == [
        {
            "ref": "C1",
            "code": "arrest",
            "count": number("at_least 14"),
            "places": [{"country": "GT"}, {"country": "HN"}],
            "according_to": ["S1", "S2"],
        },
        {
            "ref": "C2",
            "part_of": "C1",
            "code": "arrest",
            "count": number("exactly 9"),
            "places": [{"country": "GT"}],
            "according_to": ["S1"],
        },
        {
            "ref": "C3",
            "part_of": "C1",
            "code": "arrest",
            "count": number("at_least 5"),
            "places": [{"country": "HN"}],
            "according_to": ["S2"],
        },
    ]
    assert [each["countries"] for each in body["groups"]] == [["GT", "HN"], ["GT"], ["HN"]]
    assert body["groups"][0]["suspected_of"] == ["migrant_smuggling"]
    assert [each["title"] for each in body["sources"]] == [f"GT/pn {FIRST}", f"HN/pn {FIRST}"]
    assert body["operation"] == {
        "name": "Quetzal",
        "countries": ["GT", "HN"],
        "as_of": {"date": "2026-09-07"},
        "preliminary": False,
    }


def test_write_sets_both_claims_side_by_side_when_a_country_contradicts_itself() -> None:
    """None is preferred, and each says which message it is from."""
    body = body_of(
        result("GT", arrests("exactly 5")), result("GT", arrests("exactly 9"), agency="mp")
    )

    assert [each["count"] for each in body["actions"]] == [number("between 5 9")] * 2
    assert body["accounts"] == [
        {
            "about": "/actions/1/count",
            "difference": "sources_differ",
            "claims": [
                {"quantity": number("exactly 9"), "according_to": ["S1"]},
                {"quantity": number("exactly 5"), "according_to": ["S2"]},
            ],
        }
    ]


def test_write_points_to_each_number_when_a_count_and_amounts_are_contradicted() -> None:
    """An account leads to the very number that it is about."""
    notes = [
        {
            "seizures": [
                {"asset": "cash", "measure": "seized", "count": number(count), "amounts": on}
            ]
        }
        for count, on in (
            ("exactly 3", [money("exactly 5"), money("exactly 9", "GTQ")]),
            ("exactly 4", [money("exactly 6"), money("exactly 9", "GTQ")]),
        )
    ]

    body = body_of(result("GT", notes[0]), result("GT", notes[1], agency="mp"))

    assert [each["about"] for each in body["accounts"]] == [
        "/seizures/1/count",
        "/seizures/1/amounts/1",
    ]
    amounts = body["seizures"][1]["amounts"]
    assert amounts == [money("exactly 9", "GTQ"), money("between 5 6")]


def test_write_tells_what_is_not_in_the_number_when_a_part_has_none() -> None:
    """A word and a rough number are said beside the total, and silence is named."""
    body = body_of(
        result("DO", arrests("approximately 3500")),
        result("GT", arrests("hundreds")),
        result("HN", arrests("exactly 5")),
        countries=of("SV"),
    )

    assert body["actions"][0]["count"] == number("at_least 5")
    assert body["actions"][0]["note"] == (
        "Beside: DO: approximately 3500; GT: hundreds\nSilent: SV"
    )
    assert body["operation"]["note"] == "Missing: SV"


def test_write_sets_a_stated_total_beside_the_sum_when_they_differ() -> None:
    """A regional body's number neither replaces the sum nor is replaced by it."""
    national = [result("GT", arrests("exactly 9")), result("HN", arrests("exactly 5"))]
    stated = result("PA", arrests("more_than 20"), serial=7)

    body = body_of(*national, stated=[stated], countries=of("GT", "HN"))

    assert body["actions"][0]["count"] == number("exactly 14")
    assert body["accounts"] == [
        {
            "about": "/actions/0/count",
            "difference": "parts_do_not_add_up",
            "claims": [
                {
                    "quantity": number("exactly 14"),
                    "according_to": ["S1", "S2"],
                    "sum_of": [number("exactly 9"), number("exactly 5")],
                },
                {"quantity": number("more_than 20"), "according_to": ["S3"]},
            ],
        }
    ]


def test_write_cites_a_stated_total_when_it_is_the_sum() -> None:
    """Who arrives at the same number is one more source of it."""
    national = [result("GT", arrests("exactly 9")), result("HN", arrests("exactly 5"))]

    body = body_of(*national, stated=[result("PA", arrests("exactly 14"), serial=7)])

    assert body["actions"][0]["according_to"] == ["S1", "S2", "S3"]
    assert "accounts" not in body


def test_write_leaves_the_sum_unknown_when_only_the_regional_body_gives_a_number() -> None:
    """What no country has reported is stated, and not counted."""
    stated = result("PA", cash(money("exactly 10")), serial=7)

    body = body_of(result("GT", arrests("exactly 9")), stated=[stated])

    assert body["seizures"][0]["amounts"] == [money("unknown")]
    assert [each["about"] for each in body["accounts"]] == ["/seizures/0/amounts/0"]
    assert body["accounts"][0]["claims"] == [
        {"money": money("unknown")},
        {"money": money("exactly 10"), "according_to": ["S2"]},
    ]


def test_write_leaves_persons_and_free_text_out_when_messages_have_them() -> None:
    """A regional result is numbers: nobody's name travels on with it."""
    person = {"category": "victim", "name": {"as_written": "SENTINEL"}, "note": "SENTINEL"}
    body = {
        **arrests("exactly 1"),
        "persons": [person],
        "summary": "SENTINEL",
        "groups": [suspects("exactly 1", "detained", label="SENTINEL", note="SENTINEL")],
    }

    assert "SENTINEL" not in str(body_of(result("GT", body)))


@pytest.mark.parametrize(
    ("member", "count"), [("sources", 31), ("claims", 11)], ids=["messages", "claims of one fact"]
)
def test_write_refuses_when_one_body_cannot_hold_it(member: str, count: int) -> None:
    """Nothing is left out in silence."""
    numbers = (
        ["exactly 1"] * count if member == "sources" else [f"exactly {n}" for n in range(count)]
    )
    results = [result("GT", arrests(said), serial=n) for n, said in enumerate(numbers)]

    with pytest.raises(LimitError) as refused:
        body_of(*results)

    assert refused.value.member == member


countries = st.sampled_from(["GT", "HN", "SV"])
numbers = st.sampled_from(
    ["exactly 5", "exactly 7", "at_least 3", "approximately 10", "hundreds", "between 2 4", None]
)
reports = st.lists(
    st.tuples(countries, numbers, st.sampled_from([None, FIRST, SECOND]), st.booleans()),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60)
@given(said=reports, order=st.randoms())
def test_write_gives_one_valid_body_when_messages_come_in_any_order(
    schema_set: SchemaSet, said: list[tuple[str, str | None, str | None, bool]], order: Any
) -> None:
    """Who reports first changes nothing, and the schema accepts whatever comes out."""
    results = [
        result(
            country,
            {**arrests(count), **cash(money("exactly 5"), money("unknown", "GTQ"))},
            serial=serial,
            preliminary=early,
            **({"in_reply_to": named} if named else {}),
        )
        for serial, (country, count, named, early) in enumerate(said, start=1)
    ]

    body = body_of(*results)

    assert body_of(*order.sample(results, len(results))) == body
    assert schema_set.violations(whole(body), kind="operation-result", version="1.0") == ()
    assert all(_leads(body, each["about"]) for each in body.get("accounts", ()))


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


def _leads(body: dict[str, Any], pointer: str) -> bool:
    found: Any = body
    for part in pointer.strip("/").split("/"):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return isinstance(found, dict)


def test_add_up_gives_one_total_when_three_messages_come_in_any_order() -> None:
    """All six orders of a report, a contradiction and a correction come to the same."""
    results = [
        result("GT", arrests("exactly 5")),
        result("GT", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
        result("GT", arrests("exactly 7"), serial=3, agency="mp"),
    ]

    totals = [figures(add_up(each)) for each in permutations(results)]

    assert totals == [{"arrest": "between 7 9"}] * 6

"""What is written of a total, and does it show what it rests on?"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.regional.body import LimitError
from schemas.loader import SchemaSet
from tests.regional.results import (
    FIRST,
    SECOND,
    arrests,
    body_of,
    cash,
    money,
    number,
    of,
    result,
    suspects,
    whole,
)


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


def _leads(body: dict[str, Any], pointer: str) -> bool:
    found: Any = body
    for part in pointer.strip("/").split("/"):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return isinstance(found, dict)

"""Do the published results of operations keep their meaning when they are added up?"""

from typing import Any

import pytest

from broker.regional.national import NationalResult
from broker.regional.total import add_up
from schemas.examples import Case, cases
from schemas.loader import SchemaSet
from schemas.vocabulary import Kind
from tests.regional.results import body_of, figures, number, whole

CASES = {case.case: case for case in cases() if case.message["kind"] == Kind.OPERATION_RESULT}
each_case = pytest.mark.parametrize(
    "case", [pytest.param(each, id=each.name) for each in CASES.values()]
)


def read(*names: str) -> list[NationalResult]:
    """Read some of the cases."""
    return [NationalResult.from_document(CASES[name].message) for name in names]


@each_case
def test_write_gives_a_valid_body_when_a_case_is_added_up(
    schema_set: SchemaSet, case: Case
) -> None:
    """Whatever was published can be part of a regional result."""
    body = body_of(NationalResult.from_document(case.message))

    assert schema_set.violations(whole(body), kind="operation-result", version="1.0") == ()


@each_case
def test_add_up_makes_no_number_of_a_case_when_it_stands_alone(case: Case) -> None:
    """The total of one country is what that country says: the same qualifier, the same number."""
    message = NationalResult.from_document(case.message)

    for total in add_up([message], countries=[message.sender.country]).totals:
        for figure in total.figures:
            claims = message.mentions[total.thing].figures[figure.unit]
            assert figure.silent == ()
            assert len(claims) > 1 or figure.claim == claims[0]


def test_add_up_gives_a_valid_body_when_all_cases_are_added(schema_set: SchemaSet) -> None:
    """Ten countries' results, of which none was made to fit another."""
    body = body_of(*read(*sorted(CASES)))

    assert schema_set.violations(whole(body), kind="operation-result", version="1.0") == ()
    assert len(body["sources"]) == len(CASES)


CLAIMED: dict[str, tuple[str, dict[str, str]]] = {
    "more than 200 arrests, of them more than 30 for one offence": (
        "case-005",
        {"arrest": "more_than 200", "victim identified": "nearly 100"},
    ),
    "five soldiers and nine civilians, hundreds who entered": (
        "case-026",
        {"suspect detained": "exactly 14", "smuggled_migrant entered": "hundreds"},
    ),
    "six were detained, or ten": ("case-037", {"other detained": "between 6 10*"}),
    "at least 31 so far of 50 warrants": (
        "case-046",
        {"arrest": "at_least 31*", "arrest_warrant": "exactly 50*"},
    ),
    "23 migrants, or 24 with the victim": ("case-050", {"smuggled_migrant": "between 23 24"}),
    "money in pesos, dollars and gourdes that nobody counted": (
        "case-026",
        {"cash seized USD": "unknown", "cash seized DOP": "unknown", "cash seized HTG": "unknown"},
    ),
    "cash in dollars": ("case-140", {"cash found USD": "exactly 6400*"}),
}


@pytest.mark.parametrize(("name", "claimed"), CLAIMED.values(), ids=CLAIMED)
def test_add_up_claims_what_was_published_when_a_case_is_read(
    name: str, claimed: dict[str, Any]
) -> None:
    """The published numbers, with the doubt that was published with them."""
    message = read(name)[0]

    found = figures(add_up([message], countries=[message.sender.country]))

    assert found | claimed == found


def test_add_up_keeps_the_regional_number_beside_the_sum_when_interpol_states_one() -> None:
    """Turquesa's more than 200 arrests are not overwritten by two countries' twenty-three."""
    national = read("case-026", "case-050")

    body = body_of(*national, stated=read("case-005"))

    arrests = next(each for each in body["actions"] if each["code"] == "arrest")
    account = next(
        each
        for each in body["accounts"]
        if each["about"] == f"/actions/{body['actions'].index(arrests)}/count"
    )
    assert arrests["count"] == number("exactly 23")
    assert account["difference"] == "parts_do_not_add_up"
    assert [each["quantity"] for each in account["claims"]] == [
        number("exactly 23"),
        number("more_than 200"),
    ]

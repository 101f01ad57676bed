"""``docs/safeguards.md`` says what the rules do."""

import copy
import re

import pytest

from broker.admission.facts import facts_of
from broker.admission.recipients import CHANNEL_MEMBER, OPEN_PAIR
from broker.admission.rules import charter
from broker.admission.rules.table import RULES
from schemas.examples import Case
from schemas.vocabulary import Compartment, Country, Kind
from tests.admission.case_table import (
    ALLOWED,
    PAIRS,
    ROOT,
    decision_as_sent,
    denied_recipients,
    function_of,
    marked,
    outcomes,
    sensitive_cases,
    table,
)

TEXT = (ROOT / "docs" / "safeguards.md").read_text(encoding="utf-8")


def test_document_lists_each_case_with_what_becomes_of_it() -> None:
    """The table is what the rules say today, over all 110 ordered pairs."""
    written = TEXT.split("<!-- cases -->\n")[1].split("\n<!-- /cases -->")[0]

    assert written == table()
    assert len(PAIRS) == 110


def test_document_names_every_rule() -> None:
    """No rule is asked that nobody can read about, and at the desk where it says so."""
    rows = dict(
        re.findall(r"^\| (SG-\d\d) \| .*? \| \S.*? \| (.*?) \| .*? \|$", TEXT, re.MULTILINE)
    )

    others = set(re.findall(r"^\| `([a-z-]+)` \| .* \| .* \|$", TEXT, re.MULTILINE))

    assert others == {"policy", charter.NAME, OPEN_PAIR, CHANNEL_MEMBER}
    assert {rule.name for rule in RULES} <= rows.keys() | others
    for rule in RULES:
        if rule.of_what_lies_there:
            assert "sources lie here" in rows[rule.name]
        elif rule.name not in others:
            assert rows[rule.name] != "no"


@pytest.mark.parametrize("case", [pytest.param(each, id=each.case) for each in sensitive_cases()])
def test_published_case_reaches_whom_it_was_sent_to(case: Case) -> None:
    """As it was published, it goes to all of its recipients and never to where somebody is from."""
    document = case.message
    count = outcomes(document, function_of(case))

    assert decision_as_sent(case) == ALLOWED
    assert set(count) <= {ALLOWED, "SG-01"}
    if document["to"]["compartment"] == Compartment.PROTECTION:
        assert set(document["to"]["countries"]).isdisjoint(denied_recipients(document))
        assert count["SG-01"] == 10 * len(denied_recipients(document))
    else:
        assert set(count) == {ALLOWED}


@pytest.mark.parametrize("case", [pytest.param(each, id=each.case) for each in sensitive_cases()])
def test_published_case_reaches_nobody_when_its_people_are_marked_outside_protection(
    case: Case,
) -> None:
    """Were its people marked as asylum seekers, no police or prosecution would read of them."""
    changed = marked(case.message)
    outside = case.message["to"]["compartment"] != Compartment.PROTECTION

    if outside and changed != case.message:
        assert outcomes(changed, function_of(case)) == {"SG-01": len(PAIRS)}


@pytest.mark.parametrize(
    ("case", "group", "fled"),
    [
        pytest.param("case-048", "G3", {"GT", "HN"}, id="of the group that it is part of"),
        pytest.param("case-125", "G1", set(), id="all from Africa"),
        pytest.param("case-133", "G4", {"GT"}, id="all 15"),
        pytest.param("case-133", "G3", set(Country), id="15 of 19"),
        pytest.param("case-082", "G1", set(Country), id="most of 48"),
        pytest.param("case-094", "G1", set(Country), id="mostly from Venezuela"),
        pytest.param("case-024", "G3", set(Country), id="nobody knew of which country"),
        pytest.param("case-121", "G2", set(Country), id="not told"),
    ],
)
def test_published_group_fled_from_anywhere_when_its_countries_are_partly_told(
    case: str, group: str, fled: set[str]
) -> None:
    """A group that is marked may come from any country unless all of it is accounted for."""
    message = copy.deepcopy(next(each.message for each in sensitive_cases() if each.case == case))
    somebody = next(each for each in message["body"]["groups"] if each.get("ref") == group)
    somebody["protection_status"] = "asylum_seeker"

    assert facts_of(message).marked_origins == fled


def test_cases_hold_what_the_safeguards_are_for() -> None:
    """Children, victims, and those who were told to seek asylum; in protection and outside."""
    found = list(sensitive_cases())

    assert len(found) >= 30
    assert {case.message["to"]["compartment"] for case in found} == {
        each.value for each in Compartment
    }
    assert Kind.PROTECTION_REFERRAL.value in {case.message["kind"] for case in found}

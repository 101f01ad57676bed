"""``docs/safeguards.md`` says what the rules do."""

import re

from broker.admission.recipients import CHANNEL_MEMBER, OPEN_PAIR
from broker.admission.rules import charter
from broker.admission.rules.table import RULES
from schemas.vocabulary import Compartment, Kind
from tests.admission.case_table import PAIRS, ROOT, function_of, outcomes, sensitive_cases, table

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


def test_published_cases_reach_whom_they_were_sent_to() -> None:
    """As they were published, each case goes to all of its recipients."""
    for case in sensitive_cases():
        count = outcomes(case.message, function_of(case))
        assert set(count) <= {"allowed", "SG-01"}
        if case.message["to"]["compartment"] != Compartment.PROTECTION:
            assert set(count) == {"allowed"}


def test_cases_hold_what_the_safeguards_are_for() -> None:
    """Children, victims, and those who were told to seek asylum; in protection and outside."""
    found = list(sensitive_cases())

    assert len(found) >= 15
    assert {case.message["to"]["compartment"] for case in found} == {
        each.value for each in Compartment
    }
    assert Kind.PROTECTION_REFERRAL.value in {case.message["kind"] for case in found}

"""Are the real cases enough, and does each keep the rules of the exchange?"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from broker.admission.policy import STANDARD_POLICY
from broker.admission.validate import MAX_LIFE, MAX_REVIEW
from schemas.examples import Case, cases
from schemas.loader import SchemaSet
from schemas.vocabulary import AgencyFunction, Compartment, Country, Kind
from tests.schemas.refusals import resolved

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "schemas" / "examples" / "cases"
CASES = list(cases())
AGENCIES = orjson.loads((FOLDER / "agencies.json").read_bytes())
NEEDS_PROTECTION = {"asylum_seeker", "refugee", "international_protection_need"}

each_case = pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])


def sender(case: Case) -> str:
    """The agency, as it stands in ``agencies.json``."""
    return "{country}/{agency}".format_map(case.message["from"])


def objects(node: object) -> Iterator[dict[str, Any]]:
    """Every object of a document, at any depth."""
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from objects(child)


def homes(node: dict[str, Any]) -> set[str]:
    """The countries that a person or group comes from or lives in."""
    nationalities = node.get("nationalities", [])
    found = {each["country"] if isinstance(each, dict) else each for each in nationalities}
    return found | {node["habitual_residence"]} if "habitual_residence" in node else found


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of ``docs/cases.md``."""
    text = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@each_case
def test_case_is_a_message_when_it_is_written(schema_set: SchemaSet, case: Case) -> None:
    """A case is a faultless message of its kind, envelope and body."""
    message = case.message

    assert schema_set.violations(message, kind=message["kind"], version=message["version"]) == ()
    assert schema_set.envelope_violations(message) == ()


@each_case
def test_case_carries_facts_when_it_points_to_members(case: Case) -> None:
    """A fact is told once, and every pointer leads into the body."""
    told = [fact.fact for fact in case.facts]

    assert len(told) == len(set(told)) > 0
    for fact in case.facts:
        assert fact.pointers
        for pointer in fact.pointers:
            assert pointer.startswith("/body/")
            assert resolved(case.message, pointer) is not None


@each_case
def test_case_points_to_its_own_members_when_accounts_differ(case: Case) -> None:
    """What an account is about stands in the same body."""
    body = case.message["body"]

    for account in body.get("accounts", []):
        assert resolved(body, account["about"]) is not None


def test_cases_are_enough_when_counted() -> None:
    """Thirty at least, of every kind that tells of one, in Spanish and in English."""
    about_a_message = {Kind.RECALL, Kind.RECTIFICATION}

    assert len(CASES) >= 30
    assert {case.message["kind"] for case in CASES} == set(Kind) - about_a_message
    assert {"es", "en"} <= {case.message["language"] for case in CASES}


def test_cases_reach_every_country_when_they_are_sent() -> None:
    """Each of the eleven countries sends or receives one."""
    senders = {case.message["from"]["country"] for case in CASES}
    recipients = {country for case in CASES for country in case.message["to"]["countries"]}

    assert senders | recipients == set(Country)


def test_cases_differ_when_they_are_sent_together() -> None:
    """No two cases share an id, a case or a file name."""
    for values in (
        [case.message["id"] for case in CASES],
        [case.case for case in CASES],
        [case.name for case in CASES],
    ):
        assert len(values) == len(set(values))


@each_case
def test_case_is_named_by_its_file_when_it_is_read(case: Case) -> None:
    """The file is called after the case, with a slug of lower-case words."""
    assert re.fullmatch(rf"{case.case}-[a-z0-9]+(?:-[a-z0-9]+)*\.json", case.name)


@each_case
def test_case_id_holds_its_time_when_it_is_created(case: Case) -> None:
    """The id is a UUIDv7 of the creation time."""
    milliseconds = int(case.message["id"].replace("-", "")[:12], base=16)
    written = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)

    assert written == datetime.fromisoformat(case.message["created"])


@each_case
def test_case_is_kept_no_longer_than_allowed_when_it_expires(case: Case) -> None:
    """Review and end follow creation within the limits of the exchange."""
    created, review, end = (
        datetime.fromisoformat(case.message[name]) for name in ("created", "review_by", "expires")
    )

    assert timedelta(0) < review - created <= MAX_REVIEW
    assert timedelta(0) < end - created <= MAX_LIFE
    assert review <= end


@each_case
def test_case_comes_from_a_known_agency_when_it_is_sent(case: Case) -> None:
    """The sender stands in ``agencies.json``, and its own country is no recipient."""
    assert sender(case) in AGENCIES
    assert case.message["from"]["country"] not in case.message["to"]["countries"]


@each_case
def test_case_fits_the_policy_when_it_is_addressed(case: Case) -> None:
    """Function and kind may both go where the case is addressed."""
    function = AgencyFunction(AGENCIES[sender(case)]["function"])
    kind = Kind(case.message["kind"])
    compartment = Compartment(case.message["to"]["compartment"])

    assert STANDARD_POLICY.allows(function, kind, compartment)


@each_case
def test_case_stays_from_home_when_people_need_protection(case: Case) -> None:
    """A protection message reaches no country that its people come from or live in (SG-01)."""
    protection = case.message["to"]["compartment"] == Compartment.PROTECTION
    guarded = [
        node
        for node in objects(case.message["body"])
        if protection or node.get("protection_status") in NEEDS_PROTECTION
    ]

    for node in guarded:
        assert homes(node).isdisjoint(case.message["to"]["countries"])


def test_reply_answers_a_case_when_it_names_one() -> None:
    """A reply goes back to the sender of an earlier request and answers its questions."""
    by_id = {case.message["id"]: case.message for case in CASES}
    replies = [case.message for case in CASES if case.message["kind"] == Kind.REPLY]

    assert replies
    for reply in replies:
        request = by_id[reply["in_reply_to"]]
        asked = {question["ref"] for question in request["body"]["questions"]}
        answered = {answer["question"] for answer in reply["body"]["answers"]}
        assert request["kind"] == Kind.INFORMATION_REQUEST
        assert request["created"] < reply["created"]
        assert request["from"]["country"] in reply["to"]["countries"]
        assert reply["from"]["country"] in request["to"]["countries"]
        assert answered <= asked


def test_case_derives_from_nothing_unknown_when_it_is_sent_alone() -> None:
    """No case names a lineage, which an exchange that lacks those messages would refuse."""
    assert [case.name for case in CASES if "lineage" in case.message] == []


def test_agencies_are_few_when_a_country_has_several() -> None:
    """A country has one agency of a function at most, and one police force or prosecution."""
    functions = Counter(
        (
            key.partition("/")[0],
            "crime"
            if agency["function"]
            in {AgencyFunction.POLICE_INTELLIGENCE, AgencyFunction.PROSECUTION}
            else AgencyFunction(agency["function"]),
        )
        for key, agency in AGENCIES.items()
    )

    assert max(functions.values()) == 1
    assert {country for country, _ in functions} == set(Country)
    assert all(agency["name"] for agency in AGENCIES.values())


def test_table_agrees_when_cases_are_listed() -> None:
    """``docs/cases.md`` lists every case as its file has it."""
    expected = [
        [
            case.case,
            case.message["kind"],
            sender(case),
            ", ".join(case.message["to"]["countries"]),
            case.message["to"]["compartment"],
            case.message["language"],
            f"<{case.source_url}>",
        ]
        for case in CASES
    ]

    assert table("Messages") == expected


def test_document_counts_cases_and_facts_when_it_begins() -> None:
    """``docs/cases.md`` says how many there are."""
    text = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
    facts = sum(len(case.facts) for case in CASES)

    assert f"\n{len(CASES)} publicly reported cases," in text
    assert f" {facts} facts," in text


def test_table_agrees_when_facts_are_not_expressed() -> None:
    """``docs/cases.md`` lists every fact that could not be expressed, in the words of its file."""
    expected = [[case.case, reason] for case in CASES for reason in case.not_expressed]

    assert table("Facts that could not be expressed") == expected

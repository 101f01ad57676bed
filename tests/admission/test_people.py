"""What the rules ask of the people in a body: every way to say it is found."""

from pathlib import Path
from typing import Any

import pytest

from broker.admission.facts import facts_of
from broker.admission.origins import DEEPEST, ELSEWHERE
from broker.admission.people import People, people_of
from broker.model.names import AgencyRef
from schemas.code_list import CodeList
from schemas.examples import accepted, cases
from schemas.vocabulary import Compartment, Country, Kind

CODE_LISTS = Path(__file__).parents[2] / "schemas" / "code_lists"
YEAR = 2026
ADULT: dict[str, Any] = {"category": "witness", "age_group": "adult"}
NAMED = {"name": {"family": "X"}}
NOBODY: frozenset[Country] = frozenset()


def about(**body: Any) -> People:
    """Look through a body."""
    return people_of(body, YEAR)


def of_person(**person: Any) -> People:
    """Look through a body with this person, an adult witness if nothing else is said."""
    return about(persons=[{**ADULT, **person}])


def of_group(**group: Any) -> People:
    """Look through a body with this group."""
    return about(groups=[{"category": "smuggled_migrant", **group}])


# --- who seeks protection (SG-01) -----------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"persons": [{"category": "other", "protection_status": "refugee"}]},
        {"subjects": [{"pseudonym": "PS-A123", "protection_status": "asylum_seeker"}]},
        {"groups": [{"category": "other", "protection_status": "international_protection_need"}]},
        {"groups": [{"category": "other", "profiles": ["international_protection_need"]}]},
        {"subjects": [{"pseudonym": "PS-A123", "needs": ["shelter", "asylum_access"]}]},
        {"events": [{"people": [{"category": "other", "protection_status": "refugee"}]}]},
        {"vulnerability": {"profiles": ["international_protection_need"]}},
        {"vulnerability": {"assistance": [{"need": "asylum_access"}]}},
        {"vulnerability": {"steps": [{"code": "assisted", "conditions": ["asylum_access"]}]}},
        {"needs": ["asylum_access"]},
        {"consent": {"scope": ["asylum_procedure"]}},
        {"lists": [["refugee"]]},
    ],
)
def test_mark_is_found_wherever_it_stands(body: dict[str, Any]) -> None:
    """In a status, a profile, a need or a consent; of a person, a group or nobody in particular."""
    assert about(**body).has_marked


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"persons": [{"category": "other", "protection_status": "none_known"}]},
        {"subjects": [{"pseudonym": "PS-A123", "protection_status": "unknown"}]},
        {"groups": [{"category": "other", "profiles": ["woman_at_risk"]}]},
        # What smugglers tell people to say is no word of theirs.
        {"vulnerability": {"abuses": [{"code": "x", "consequences": ["told_to_seek_asylum"]}]}},
        {"title": "Refugee routes"},
    ],
)
def test_mark_is_not_found_where_there_is_none(body: dict[str, Any]) -> None:
    """A code of another list, or a word in a title, marks nobody."""
    assert not about(**body).has_marked


@pytest.mark.parametrize(
    "said",
    [
        {"nationalities": ["HN"]},
        {"nationalities": ["VE", "HN"]},
        {"nationalities": [{"country": "HN", "count": {"value": 3}}]},
        {"nationalities": [{"country": "HN"}, {"region": "africa"}]},
        {"habitual_residence": "HN", "profiles": ["statelessness"]},
        {"nationalities": ["HN"], "habitual_residence": "HN"},
        {"nationalities": ["HN"], "naturalised_in": "HN"},
        {"parts": [{"attribute": "adult", "nationality": "HN"}]},
    ],
)
@pytest.mark.parametrize("marked", [True, False])
def test_origin_of_a_group_is_found_however_it_is_said(
    said: dict[str, Any], *, marked: bool
) -> None:
    """Of somebody marked it counts everywhere; in protection, of anybody."""
    status = "refugee" if marked else "none_known"
    found = of_group(protection_status=status, **said)

    assert found.all_origins == {Country.HONDURAS}
    assert found.marked_origins == ({Country.HONDURAS} if marked else NOBODY)


PAPERS: tuple[dict[str, Any], ...] = (
    {"identifiers": [{"kind": "passport", "country": "HN"}]},
    {"documents": [{"kind": "identity_card", "issuing_country": "HN"}]},
    {"documents": [{"kind": "birth_certificate", "issuing_country": "HN"}]},
    {"documents": [{"kind": "visa", "holders": ["HN"]}]},
    {"documents": [{"kind": "visa", "issuing_country": "US", "holders": ["HN"]}]},
)


@pytest.mark.parametrize("papers", PAPERS)
@pytest.mark.parametrize("marked", [True, False])
def test_origin_of_a_person_is_found_in_his_papers(papers: dict[str, Any], *, marked: bool) -> None:
    """A country gives a passport to its own."""
    status = "refugee" if marked else "none_known"
    person = {"category": "smuggled_migrant", "protection_status": status, **papers}
    found = about(persons=[person])

    assert found.all_origins == {Country.HONDURAS}
    assert found.marked_origins == ({Country.HONDURAS} if marked else NOBODY)


@pytest.mark.parametrize("papers", PAPERS)
def test_origin_of_a_group_is_not_said_by_papers(papers: dict[str, Any]) -> None:
    """Some of them have these; where the others come from nobody knows."""
    found = of_group(protection_status="refugee", **papers)

    assert found.marked_origins == frozenset(Country)


COUNT = {"qualifier": "exactly", "value": 200}
PARTLY_SAID: dict[str, dict[str, Any]] = {
    "fewer than there are": {"nationalities": [{"country": "HN", "count": {"value": 199}}]},
    "a range that may be too few": {
        "nationalities": [{"country": "HN", "count": {"minimum": 150, "maximum": 250}}]
    },
    "a number that is only a word": {
        "nationalities": [{"country": "HN", "count": {"qualifier": "most"}}]
    },
    "a share that is not all": {"nationalities": [{"country": "HN", "share": {"value": 98}}]},
    "a region that may be anything": {
        "nationalities": [
            {"country": "HN", "count": {"value": 30}},
            {"region": "central_america", "count": {"value": 170}},
        ]
    },
    "an age group of no country": {"nationalities": [{"age_group": "adult"}]},
    "a part of whom nothing is said": {
        "parts": [
            {"attribute": "adult", "nationality": "HN", "count": {"value": 100}},
            {"attribute": "child", "count": {"value": 100}},
        ]
    },
    "parts that are not all": {
        "parts": [{"attribute": "adult", "nationality": "HN", "count": {"value": 199}}]
    },
}


@pytest.mark.parametrize("said", PARTLY_SAID)
def test_origin_is_every_country_when_it_is_said_of_some_only(said: str) -> None:
    """The others may come from anywhere, and nothing goes where they may have fled from."""
    found = of_group(protection_status="refugee", count=COUNT, **PARTLY_SAID[said])

    assert found.marked_origins == frozenset(Country)


WHOLLY_SAID: dict[str, dict[str, Any]] = {
    "all of them": {"nationalities": [{"country": "HN", "count": {"value": 200}}]},
    "two countries": {
        "nationalities": [
            {"country": "HN", "count": {"value": 120}},
            {"country": "VE", "count": {"value": 80}},
        ]
    },
    "elsewhere": {
        "nationalities": [
            {"country": "HN", "count": {"value": 30}},
            {"region": "africa", "count": {"value": 170}},
        ]
    },
    "at least so many": {
        "nationalities": [{"country": "HN", "count": {"minimum": 200, "maximum": 300}}]
    },
    "nearly all, by rounded shares": {
        "nationalities": [
            {"country": "HN", "share": {"value": 33}},
            {"country": "VE", "share": {"value": 66}},
        ]
    },
    "one without a number": {
        "nationalities": [{"country": "VE", "count": {"value": 30}}, {"country": "HN"}]
    },
    "by parts": {
        "parts": [
            {"attribute": "adult", "nationality": "HN", "count": {"value": 100}},
            {"attribute": "child", "nationality": "VE", "count": {"value": 100}},
        ]
    },
}


@pytest.mark.parametrize("said", WHOLLY_SAID)
def test_origin_is_theirs_when_it_is_said_of_all(said: str) -> None:
    """As far as the numbers tell; what is not counted is all the others."""
    found = of_group(protection_status="refugee", count=COUNT, **WHOLLY_SAID[said])

    assert found.marked_origins == {Country.HONDURAS}


def test_origin_is_that_of_the_larger_group_when_the_parts_say_nothing() -> None:
    """Adults and children of those from Honduras."""
    whole = {"ref": "G1", "category": "other", "nationalities": [{"country": "HN"}]}
    parts = [{"attribute": "adult"}, {"attribute": "child"}]
    group = {"category": "other", "part_of": "G1", "protection_status": "refugee", "parts": parts}

    assert about(groups=[whole, group]).marked_origins == {Country.HONDURAS}


def test_origin_of_a_person_may_be_that_of_his_group() -> None:
    """Said of all of them, or not said of him."""
    person = {"category": "other", "part_of": "G1", "protection_status": "refugee"}
    group = {"ref": "G1", "category": "other", "count": COUNT}
    whole = {**group, **WHOLLY_SAID["all of them"]}
    partly = {**group, **PARTLY_SAID["fewer than there are"]}

    assert about(persons=[person], groups=[whole]).marked_origins == {Country.HONDURAS}
    assert about(persons=[person], groups=[partly]).marked_origins == frozenset(Country)


def test_regions_elsewhere_hold_no_member_country() -> None:
    """Each region is judged: of those that are not elsewhere it may be one."""
    listed = CodeList.from_bytes((CODE_LISTS / "region.json").read_bytes())

    assert {each.code for each in listed.codes} - ELSEWHERE == {
        "caribbean",
        "central_america",
        "extra_regional",
        "north_america",
        "other",
        "unknown",
        "worldwide",
    }


# A mark that stands beside those whom it is about.
BESIDE: dict[str, dict[str, Any]] = {
    "a need that names them": {"assistance": [{"need": "asylum_access", "people": ["G1"]}]},
    "a reason that names them": {"reasons": [{"code": "persecution", "people": ["G1"]}]},
    "a measure that names them": {"measures": [{"needs": ["asylum_access"], "groups": ["G1"]}]},
    "a profile of a whole report": {
        "vulnerability": {"profiles": ["international_protection_need"]}
    },
}
GROUP: dict[str, Any] = {"ref": "G1", "category": "victim"}


@pytest.mark.parametrize("mark", BESIDE)
def test_origin_is_asked_of_those_whom_a_mark_beside_them_is_about(mark: str) -> None:
    """Whether it names them, or names nobody and so is about all."""
    told = {**GROUP, "nationalities": [{"country": "HN"}]}
    other = {"ref": "G2", "category": "victim", "nationalities": [{"country": "VE"}]}

    assert about(groups=[told, other], **BESIDE[mark]).marked_origins == {Country.HONDURAS}
    assert about(groups=[GROUP, other], **BESIDE[mark]).marked_origins == frozenset(Country)


@pytest.mark.parametrize("mark", [name for name in BESIDE if "names them" in name])
def test_origin_is_not_asked_of_those_whom_a_mark_does_not_name(mark: str) -> None:
    """One of whom nothing is said, and who seeks nothing, keeps no message back."""
    told = {**GROUP, "nationalities": [{"country": "HN"}]}
    other = {"ref": "G2", "category": "victim"}

    assert about(groups=[told, other], **BESIDE[mark]).marked_origins == {Country.HONDURAS}


@pytest.mark.parametrize("name", ["G9", "PS-B456"])
def test_origin_is_every_country_when_a_mark_names_who_is_not_there(name: str) -> None:
    """An individual measure names a pseudonym: of him the body says nothing at all."""
    measure = {"needs": ["asylum_access"], "subject": name}

    assert about(measures=[measure]).marked_origins == frozenset(Country)


def test_origin_is_found_by_the_pseudonym_of_a_subject() -> None:
    """Who is named so is in the list of subjects."""
    subject = {"pseudonym": "PS-A123", "category": "other", "nationalities": ["HN"]}
    measure = {"needs": ["asylum_access"], "subject": "PS-A123"}

    assert about(subjects=[subject], measures=[measure]).marked_origins == {Country.HONDURAS}


def test_origin_is_not_asked_of_things_that_a_mark_names() -> None:
    """A place, a source: they have a name in the body, and come from nowhere."""
    need = {"need": "asylum_access", "people": ["G1"], "according_to": ["S1"]}
    told = {**GROUP, "nationalities": [{"country": "HN"}]}
    found = about(groups=[told], assistance=[need], sources=[{"ref": "S1", "kind": "press"}])

    assert found.marked_origins == {Country.HONDURAS}


@pytest.mark.parametrize(
    "said",
    [
        {"nationalities": ["VE"]},
        {"nationalities": [{"region": "africa"}, {"country": "HT"}]},
        {"nationalities": [{"region": "asia"}]},
        {"identifiers": [{"kind": "visa", "country": "HN"}], "nationalities": ["VE"]},
        {"nationalities": ["VE"], "where": [{"kind": "city", "country": "HN"}]},
    ],
)
def test_origin_is_none_of_ours_when_they_come_from_elsewhere(said: dict[str, Any]) -> None:
    """A visa or a place is no nationality, and another country is no recipient."""
    found = of_group(protection_status="refugee", **said)

    assert (found.all_origins, found.marked_origins) == (NOBODY, NOBODY)


@pytest.mark.parametrize(
    "somebody",
    [
        {"category": "other", "protection_status": "refugee"},
        {"pseudonym": "PS-A123", "protection_status": "refugee"},
        {"category": "other", "protection_status": "refugee", "nationalities": [{"region": "x"}]},
        # Who lives in Mexico may have fled another country.
        {"category": "other", "protection_status": "refugee", "habitual_residence": "MX"},
        {"category": "other", "protection_status": "refugee", "habitual_residence": "VE"},
        {
            "category": "other",
            "protection_status": "refugee",
            "nationalities": [{"country": "VE"}],
            "other_nationalities": True,
        },
        {"category": "other", "protection_status": "refugee", "part_of": "G9"},
        {"category": "other", "protection_status": "refugee", "naturalised_in": "US"},
        {
            "category": "other",
            "protection_status": "refugee",
            "documents": [
                {"kind": "passport", "issuing_country": "VE", "condition": "counterfeit"}
            ],
        },
    ],
)
def test_origin_is_every_country_when_nothing_is_said(somebody: dict[str, Any]) -> None:
    """Who may come from anywhere is sent to no Member Country."""
    assert about(groups=[somebody]).marked_origins == frozenset(Country)


def test_origin_counts_of_who_needs_access_to_asylum() -> None:
    """A need is a mark, and marks the person who has it."""
    subject = {"pseudonym": "PS-A123", "nationalities": ["HN"], "needs": ["asylum_access"]}

    assert about(subjects=[subject]).marked_origins == {Country.HONDURAS}


def test_origin_is_nobodys_when_a_report_marks_no_one_in_particular() -> None:
    """A profile of a whole report says of nobody where he comes from."""
    found = about(vulnerability={"profiles": ["international_protection_need"]})

    assert (found.has_marked, found.marked_origins) == (True, NOBODY)


MARKS_ON_ALL: dict[str, dict[str, Any]] = {
    "a need of the whole referral": {"needs": ["shelter", "asylum_access"]},
    "what was consented to": {"consent": {"given": "yes", "scope": ["asylum_procedure"]}},
    "why it is declined": {"refusal_ground": "protection_firewall"},
}


@pytest.mark.parametrize("mark", MARKS_ON_ALL)
def test_origin_is_every_country_when_the_mark_is_on_all_and_one_says_nothing(mark: str) -> None:
    """A referral says once what its subjects need or agreed to; that marks each of them."""
    silent = {"pseudonym": "PS-A123", "category": "other", "protection_status": "not_asked"}
    told = silent | {"nationalities": ["HN"]}

    found = about(subjects=[told, silent], **MARKS_ON_ALL[mark])

    assert (found.has_marked, found.marked_origins) == (True, frozenset(Country))
    assert about(subjects=[told], **MARKS_ON_ALL[mark]).marked_origins == {Country.HONDURAS}
    group = {"category": "other", "count": {"value": 3}}
    assert about(groups=[group], **MARKS_ON_ALL[mark]).marked_origins == frozenset(Country)


def test_origin_is_every_country_when_an_answer_is_refused_for_protection() -> None:
    """Who asks after his own national learns from this ground alone where he has fled to."""
    found = about(outcome="refused", refusal_ground="protection_firewall")

    assert (found.has_marked, found.marked_origins) == (True, frozenset(Country))
    assert not about(outcome="refused", refusal_ground="legal_prohibition").has_marked


def test_origin_is_that_of_the_group_that_it_is_part_of() -> None:
    """Twelve of those from Honduras seek asylum."""
    whole = {"ref": "G1", "category": "other", "nationalities": [{"country": "HN"}]}
    part = {"ref": "G2", "category": "other", "part_of": "G1", "protection_status": "refugee"}
    nested = {"category": "other", "part_of": "G2", "profiles": ["international_protection_need"]}

    assert about(groups=[whole, part]).marked_origins == {Country.HONDURAS}
    assert about(
        groups=[whole, {**part, "protection_status": "unknown"}, nested]
    ).marked_origins == {Country.HONDURAS}


def test_origin_is_found_although_groups_go_in_a_circle() -> None:
    """A message that points at itself ends, and is denied to all."""
    first = {"ref": "G1", "category": "other", "part_of": "G2", "protection_status": "refugee"}
    second = {"ref": "G2", "category": "other", "part_of": "G1"}

    assert about(groups=[first, second]).marked_origins == frozenset(Country)
    assert DEEPEST > 1


# --- children (SG-04) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "group",
    [
        {"parts": [{"attribute": "unaccompanied_child"}]},
        {"parts": [{"attribute": "teenager"}]},
        {"parts": [{"attribute": "separated_child"}]},
        {"parts": [{"attribute": "child_in_family"}]},
        {"parts": [{"attribute": "child"}]},
        {"age": {"value": 12}},
        {"ages": {"maximum": 17}},
        {"ages": {"minimum": 13, "maximum": 17}},
        {"ages": {"minimum": 16, "maximum": 40}},
        {"ages": {"value": 17}},
        {"ages": {"months": 8}},
        {"profiles": ["child_in_family"]},
        {"nationalities": [{"country": "HN", "age_group": "child"}]},
        {"nationalities": [{"country": "HN", "age_group": "unknown_may_be_child"}]},
    ],
)
def test_children_are_found_in_a_group(group: dict[str, Any]) -> None:
    """By attribute, age, profile or age group, at any depth."""
    assert of_group(**group).has_children


@pytest.mark.parametrize(
    "group",
    [
        {},
        {"parts": [{"attribute": "adult"}]},
        {"ages": {"minimum": 18}},
        {"profiles": ["pregnant"]},
    ],
)
def test_children_are_not_found_among_adults(group: dict[str, Any]) -> None:
    """Eighteen is of age: CRC, Art. 1."""
    assert not of_group(**group).has_children


def test_children_are_found_in_fares_and_measures() -> None:
    """What a child pays, and where a child is held."""
    assert about(finances={"fares": [{"person_attribute": "child"}]}).has_children
    assert about(measures=[{"code": "shelter", "includes_children": "yes"}]).has_children
    assert not about(measures=[{"code": "shelter", "includes_children": "no"}]).has_children


@pytest.mark.parametrize("where", ["persons", "subjects"])
@pytest.mark.parametrize(
    ("age", "may_be"),
    [
        ({"age_group": "adult"}, False),
        ({"age_group": "child"}, True),
        ({"age_group": "unknown"}, True),
        ({"age_group": "not_asked"}, True),
        ({}, True),
        ({"age": {"value": 18}}, False),
        ({"age": {"minimum": 18, "maximum": 30}}, False),
        ({"age": {"maximum": 30}}, True),
        ({"age": {"qualifier": "about"}}, True),
    ],
)
def test_one_person_may_be_a_child_unless_grown_up(
    where: str, age: dict[str, Any], *, may_be: bool
) -> None:
    """Of unknown age is a child until it is known."""
    assert about(**{where: [{"category": "victim", **age}]}).has_children is may_be


@pytest.mark.parametrize(
    "identity",
    [
        NAMED,
        {"aliases": ["X"]},
        {"birth_date": "1990"},
        {"identifiers": [{"kind": "passport", "value": "1"}]},
    ],
)
@pytest.mark.parametrize(
    ("age", "exposed"),
    [
        ({}, False),
        ({"age_group": "child"}, True),
        ({"age_group": "unknown_may_be_child"}, True),
        ({"age_group": "unknown"}, True),
        ({"age_group": None}, True),
        ({"age": {"value": 17}}, True),
        ({"profiles": ["unaccompanied_or_separated_child"]}, True),
    ],
)
def test_child_is_exposed_by_whatever_finds_one(
    identity: dict[str, Any], age: dict[str, Any], *, exposed: bool
) -> None:
    """Only who is said to be an adult, and by nothing a child, has a name."""
    assert of_person(**identity, **age).exposes_child is exposed


@pytest.mark.parametrize(
    ("born", "exposed"),
    [
        ("2012", True),
        ("2012-03", True),
        ("2008-12-31", True),
        ("2007-12-31", False),
        ("1980", False),
        ("--03-26", False),
    ],
)
def test_child_is_exposed_by_a_birth_date_that_says_so(born: str, *, exposed: bool) -> None:
    """Whatever the age group says; the year in which one comes of age counts as a child's."""
    assert of_person(birth_date=born).exposes_child is exposed


def test_child_without_a_name_is_not_exposed() -> None:
    """Age, sex and a pseudonym find nobody."""
    assert not of_person(age_group="child", sex="female").exposes_child


@pytest.mark.parametrize(
    ("age", "exposed"), [("child", True), ("unknown_may_be_child", True), ("adult", False)]
)
def test_child_is_exposed_by_an_account(age: str, *, exposed: bool) -> None:
    """A masked number is still a number."""
    holder = {"ref": "P1", "category": "contact", "age_group": age}
    accounts = [{"kind": "bank_account", "number_masked": "12****34", "holder": "P1"}]
    other = {"ref": "P2", "category": "contact", "age_group": "child"}

    assert about(persons=[holder, other], finances={"accounts": accounts}).exposes_child is exposed
    assert not about(persons=[holder], finances={"accounts": [{"holder": "P1"}]}).exposes_child


def test_natural_person_is_not_named_among_organisations() -> None:
    """No age can be said there, so it may be a child's name."""
    person = {"entity": "natural_person", "category": "suspect"}

    assert about(organisations=[{**person, "name": "X"}]).exposes_child
    assert not about(organisations=[person]).exposes_child
    assert not about(organisations=[{"entity": "company", "name": "X"}]).exposes_child


# --- migrants (SG-03) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "roles", "criminalises"),
    [
        ("suspect", ["passenger"], True),
        ("convicted", ["passenger", "unknown"], True),
        ("suspect", ["passenger", "family_payer"], True),
        ("suspect", ["passenger", "family_payer", "unknown"], True),
        ("suspect", ["passenger", "driver"], False),
        ("suspect", ["driver"], False),
        ("suspect", [], False),
        ("suspect", ["unknown"], False),
        ("victim", ["passenger"], False),
        ("witness", ["passenger"], False),
    ],
)
def test_accused_of_nothing_but_being_moved_is_found(
    category: str, roles: list[str], *, criminalises: bool
) -> None:
    """A passenger is no suspect, whatever else is unknown; of a group as of a person."""
    assert of_person(category=category, roles=roles).criminalises is criminalises
    assert of_group(category=category, roles=roles).criminalises is criminalises


@pytest.mark.parametrize(
    ("category", "roles", "needs"),
    [
        ("smuggled_migrant", ["guide"], True),
        ("smuggled_migrant", ["passenger", "driver"], True),
        ("victim", ["boat_crew"], True),
        ("victim", ["transporter"], True),
        ("victim", ["migrant_acting_as_guide"], True),
        ("suspect", ["migrant_acting_as_guide"], True),
        ("suspect", ["driver"], False),
        ("smuggled_migrant", ["passenger"], False),
        ("smuggled_migrant", [], False),
        ("contact", ["driver"], False),
    ],
)
def test_migrant_who_acted_needs_a_basis_and_a_second_officer(
    category: str, roles: list[str], *, needs: bool
) -> None:
    """A person needs a stated basis besides; a group has no place for one."""
    basis = {"separate_basis": {"codes": ["received_payment"]}}

    assert of_person(category=category, roles=roles).needs_second_officer is needs
    assert of_person(category=category, roles=roles).criminalises is needs
    assert not of_person(category=category, roles=roles, **basis).criminalises
    assert of_person(category=category, roles=roles, **basis).needs_second_officer is needs
    assert of_group(category=category, roles=roles).needs_second_officer is needs
    assert not of_group(category=category, roles=roles).criminalises


def test_one_migrant_who_acted_is_found_among_others() -> None:
    """One is enough, whoever else is in the message."""
    driver = {"category": "smuggled_migrant", "age_group": "adult", "roles": ["driver"]}

    found = about(persons=[ADULT, driver, ADULT])

    assert (found.needs_second_officer, found.criminalises) == (True, True)


# --- as facts -------------------------------------------------------------------------------


def test_permission_counts_only_as_an_outcome() -> None:
    """A permission beside a refusal permits nothing."""
    message = next(iter(accepted(Kind.REPLY))).message
    permission = {"for": ["01950260-5c00-7a00-8a00-000000000260"], "until": "2027-01-31"}

    def grant(outcome: str) -> Any:
        body = {"outcome": outcome, "permission": permission}
        return facts_of({**message, "body": body}).grant

    assert grant("permission_refused") is None
    granted = grant("permission_granted")
    assert granted.of == {"01950260-5c00-7a00-8a00-000000000260"}
    assert granted.until.isoformat() == "2027-01-31T23:59:59+00:00"


@pytest.mark.parametrize(
    ("service", "addressed"),
    [
        (
            {"agency": "casa", "country": "MX"},
            AgencyRef(country=Country.MEXICO, agency="casa"),
        ),
        ({"agency": "casa", "country": "VE"}, None),
        (None, None),
    ],
)
def test_referral_is_addressed_to_its_service(
    service: dict[str, str] | None, addressed: AgencyRef | None
) -> None:
    """A service outside the Member Countries is nobody's reader here."""
    message = next(iter(accepted(Kind.PROTECTION_REFERRAL))).message
    body = {**message["body"], "receiving_service": service}

    assert facts_of({**message, "body": body}).addressed_to == addressed


def test_marked_count_in_protection_whatever_is_said_of_others() -> None:
    """One who may come from anywhere is kept from all, though others come from one country."""
    message = next(iter(accepted(Kind.GENERAL_REPORT))).message
    groups = [
        {"category": "other", "protection_status": "refugee"},
        {"category": "other", "nationalities": [{"country": "HN"}]},
    ]

    assert facts_of({**message, "body": {"groups": groups}}).all_origins == frozenset(Country)


@pytest.mark.parametrize("case", [pytest.param(each, id=each.case) for each in cases()])
def test_published_case_breaks_no_rule_of_persons(case: Any) -> None:
    """None of them exposes a child, accuses who was moved, or marks anybody."""
    facts = facts_of(case.message)

    assert (facts.exposes_child, facts.criminalises, facts.has_marked) == (False, False, False)
    assert not facts.has_narrative or case.message["to"]["compartment"] != Compartment.PROTECTION

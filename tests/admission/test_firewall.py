"""The protection firewall (SG-01): nobody is betrayed to the country that he fled."""

import pytest

from broker.admission.firewall import FALSE_PAPERS, all_origins, marked_origins, objects
from broker.model.names import Json
from schemas.vocabulary import Country

HONDURAS = frozenset({Country.HONDURAS})
NOBODY: frozenset[Country] = frozenset()


def fled(body: Json) -> frozenset[Country]:
    """Where do those come from who are marked?"""
    return marked_origins(objects(body))


def come_from(body: Json) -> frozenset[Country]:
    """Where does anybody come from?"""
    return all_origins(objects(body))


@pytest.mark.parametrize("mark", ["asylum_seeker", "refugee", "international_protection_need"])
def test_protect_names_the_origin_of_a_marked_person(mark: str) -> None:
    """A marked person's nationality must not be a recipient."""
    body: Json = {"people": [{"protection_status": mark, "nationalities": ["HN"]}]}

    assert fled(body) == HONDURAS


def test_protect_names_the_habitual_residence_too() -> None:
    """A stateless refugee fled the country of residence."""
    stateless: Json = {
        "protection_status": "refugee",
        "habitual_residence": "NI",
        "profiles": ["statelessness"],
    }
    body: Json = {"people": [stateless]}

    assert fled(body) == {Country.NICARAGUA}


def test_protect_finds_a_group_at_any_depth() -> None:
    """Groups count nationalities by object, and stand where the schema lets them."""
    group: Json = {"protection_status": "asylum_seeker", "nationalities": [{"country": "HN"}]}

    assert fled({"a": [{"b": {"c": [group]}}]}) == HONDURAS


@pytest.mark.parametrize("status", [{}, {"protection_status": "none_known"}])
def test_protect_tells_everybody_from_those_who_are_marked(status: dict[str, Json]) -> None:
    """What goes to protection is about people who need it, marked or not."""
    body: Json = {"people": [{"nationalities": ["HN"], **status}]}

    assert come_from(body) == HONDURAS
    assert fled(body) == NOBODY


def test_protect_ignores_countries_that_are_no_members() -> None:
    """A Venezuelan refugee's file may go to any member."""
    body: Json = {"people": [{"protection_status": "refugee", "nationalities": ["VE"]}]}

    assert fled(body) == come_from(body) == NOBODY


@pytest.mark.parametrize("condition", sorted(FALSE_PAPERS))
def test_protect_believes_no_false_paper(condition: str) -> None:
    """Whose only paper is false may come from anywhere."""
    paper: Json = {"kind": "passport", "country": "HN", "condition": condition}
    person: Json = {"category": "other", "protection_status": "refugee", "identifiers": [paper]}
    genuine: Json = {**person, "identifiers": [{"kind": "passport", "country": "HN"}]}

    assert fled({"persons": [person]}) == frozenset(Country)
    assert fled({"persons": [genuine]}) == HONDURAS


def test_false_papers_are_the_conditions_that_say_so() -> None:
    """The list is the one of the schemas, less what is said of a true paper."""
    assert (
        frozenset(
            {"counterfeit", "altered", "fraudulently_obtained", "impostor", "stolen_blank", "false"}
        )
        == FALSE_PAPERS
    )


def test_protect_names_the_country_of_naturalisation_too() -> None:
    """Who was naturalised is a national of there as well."""
    person: Json = {
        "category": "other",
        "protection_status": "refugee",
        "nationalities": ["VE"],
        "naturalised_in": "HN",
    }

    assert fled({"persons": [person]}) == HONDURAS
    assert come_from({"persons": [{"naturalised_in": "HN"}]}) == HONDURAS


@pytest.mark.parametrize(
    "mark",
    [
        {"needs": ["shelter", "asylum_access"]},
        {"consent": {"scope": ["share_with_recipient", "asylum_procedure"]}},
    ],
    ids=["a need", "a consent"],
)
def test_protect_takes_a_mark_on_all_for_one_on_each(mark: dict[str, Json]) -> None:
    """A referral says once what its people need, or agreed to; one such word among others is it."""
    subjects: Json = [{"pseudonym": "PS-A123", "nationalities": ["HN"]}]

    assert fled({**mark, "subjects": subjects}) == HONDURAS
    assert fled({**mark, "subjects": [{"pseudonym": "PS-A123"}]}) == frozenset(Country)


def test_protect_follows_each_of_those_that_a_mark_on_all_is_about() -> None:
    """Where one of them comes from may be said of the larger group, which stands elsewhere."""
    whole: Json = {"ref": "G1", "category": "other", "nationalities": ["HN"]}
    referral: Json = {
        "needs": ["asylum_access"],
        "groups": [{"ref": "G2", "part_of": "G1", "category": "other"}],
    }

    assert fled({"referral": referral, "groups": [whole]}) == HONDURAS

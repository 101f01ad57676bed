"""The protection firewall (SG-01): nobody is betrayed to the country that he fled."""

import pytest

from broker.admission.firewall import marked_origins
from broker.admission.origins import FALSE_PAPERS, all_origins, objects
from broker.model.names import Json
from schemas.vocabulary import Compartment, Country

HONDURAS = frozenset({Country.HONDURAS})
NOBODY: frozenset[Country] = frozenset()


def protected_origins(body: dict[str, Json], compartment: Compartment | None) -> frozenset[Country]:
    """Who must not receive this body: in protection, and in a channel, of anybody's origin."""
    fled = marked_origins(body)
    if compartment in {None, Compartment.PROTECTION}:
        fled |= all_origins(objects(body))
    return fled


@pytest.mark.parametrize("mark", ["asylum_seeker", "refugee", "international_protection_need"])
@pytest.mark.parametrize("compartment", [*Compartment, None])
def test_protect_names_the_origin_of_a_marked_person(
    mark: str, compartment: Compartment | None
) -> None:
    """Whatever the compartment, a marked person's nationality must not be a recipient."""
    body: dict[str, Json] = {"people": [{"protection_status": mark, "nationalities": ["HN"]}]}

    assert protected_origins(body, compartment) == HONDURAS


def test_protect_names_the_habitual_residence_too() -> None:
    """A stateless refugee fled the country of residence."""
    stateless: Json = {
        "protection_status": "refugee",
        "habitual_residence": "NI",
        "profiles": ["statelessness"],
    }
    body: dict[str, Json] = {"people": [stateless]}

    assert protected_origins(body, Compartment.INTELLIGENCE) == {Country.NICARAGUA}


def test_protect_finds_a_group_at_any_depth() -> None:
    """Groups count nationalities by object, and stand where the schema lets them."""
    group: Json = {"protection_status": "asylum_seeker", "nationalities": [{"country": "HN"}]}

    assert protected_origins({"a": [{"b": {"c": [group]}}]}, Compartment.JUDICIAL) == HONDURAS


@pytest.mark.parametrize("status", [{}, {"protection_status": "none_known"}])
def test_protect_counts_everybody_in_the_protection_compartment(status: dict[str, Json]) -> None:
    """What goes to protection is about people who need it, marked or not."""
    body: dict[str, Json] = {"people": [{"nationalities": ["HN"], **status}]}

    assert protected_origins(body, Compartment.PROTECTION) == HONDURAS
    assert protected_origins(body, Compartment.INTELLIGENCE) == NOBODY


def test_protect_ignores_countries_that_are_no_members() -> None:
    """A Venezuelan refugee's file may go to any member."""
    body: dict[str, Json] = {"people": [{"protection_status": "refugee", "nationalities": ["VE"]}]}

    assert protected_origins(body, Compartment.PROTECTION) == NOBODY


def fled(body: dict[str, Json]) -> frozenset[Country]:
    """Where do those come from who are marked, outside protection?"""
    return protected_origins(body, Compartment.INTELLIGENCE)


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
    assert protected_origins({"persons": [{"naturalised_in": "HN"}]}, Compartment.PROTECTION) == (
        HONDURAS
    )


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

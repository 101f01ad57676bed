"""The protection firewall (SG-01): nobody is betrayed to the country that he fled."""

import pytest

from broker.admission.firewall import protected_origins
from broker.model.names import Json
from schemas.vocabulary import Compartment, Country

HONDURAS = frozenset({Country.HONDURAS})
NOBODY: frozenset[Country] = frozenset()


@pytest.mark.parametrize("mark", ["asylum_seeker", "refugee", "international_protection_need"])
@pytest.mark.parametrize("compartment", [*Compartment, None])
def test_protect_names_the_origin_of_a_marked_person(
    mark: str, compartment: Compartment | None
) -> None:
    """Whatever the compartment, a marked person's nationality must not be a recipient."""
    body: Json = {"people": [{"protection_status": mark, "nationalities": ["HN"]}]}

    assert protected_origins(body, compartment) == HONDURAS


def test_protect_names_the_habitual_residence_too() -> None:
    """A stateless refugee fled the country of residence."""
    stateless: Json = {
        "protection_status": "refugee",
        "habitual_residence": "NI",
        "profiles": ["statelessness"],
    }
    body: Json = {"people": [stateless]}

    assert protected_origins(body, Compartment.INTELLIGENCE) == {Country.NICARAGUA}


def test_protect_finds_a_group_at_any_depth() -> None:
    """Groups count nationalities by object, and stand where the schema lets them."""
    group: Json = {"protection_status": "asylum_seeker", "nationalities": [{"country": "HN"}]}

    assert protected_origins({"a": [{"b": {"c": [group]}}]}, Compartment.JUDICIAL) == HONDURAS


@pytest.mark.parametrize("status", [{}, {"protection_status": "none_known"}])
def test_protect_counts_everybody_in_the_protection_compartment(status: dict[str, Json]) -> None:
    """What goes to protection is about people who need it, marked or not."""
    body: Json = {"people": [{"nationalities": ["HN"], **status}]}

    assert protected_origins(body, Compartment.PROTECTION) == HONDURAS
    assert protected_origins(body, Compartment.INTELLIGENCE) == NOBODY


def test_protect_ignores_countries_that_are_no_members() -> None:
    """A Venezuelan refugee's file may go to any member."""
    body: Json = {"people": [{"protection_status": "refugee", "nationalities": ["VE"]}]}

    assert protected_origins(body, Compartment.PROTECTION) == NOBODY

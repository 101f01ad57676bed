"""Who is in this content, as far as the rules ask? Codes and ages, never a name.

Read off a body that its schema knows, in one pass; what a schema can hold is held there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from broker.admission.firewall import MARK_CODES, is_somebody, marked_origins
from broker.admission.origins import all_origins, texts
from broker.model.names import Json
from schemas.vocabulary import Country

FULL_AGE: Final = 18
"""Convention on the Rights of the Child, Art. 1."""
ADULT: Final = "adult"
MAY_BE_CHILD: Final = frozenset({"child", "unknown_may_be_child"})
CHILD_ATTRIBUTES: Final = frozenset(
    {"child", "teenager", "unaccompanied_child", "separated_child", "child_in_family"}
)
CHILD_PROFILES: Final = frozenset({"unaccompanied_or_separated_child", "child_in_family"})
ABOUT_AGE: Final = frozenset(
    {
        "age_group",
        "attribute",
        "person_attribute",
        "includes_children",
        "profiles",
        "age",
        "ages",
    }
)
"""The members that may tell of a child."""
IDENTITY: Final = frozenset({"name", "aliases", "birth_date", "identifiers"})
"""By which somebody could be searched for."""
ACTING: Final = frozenset({"guide", "driver", "boat_crew", "transporter"})
"""What a migrant is made to do, or pays the fare with (SG-03)."""
ONLY_MOVED: Final = frozenset({"passenger", "family_payer", "unknown"})
"""Roles of the object of the conduct, not of its author: Smuggling Protocol, Art. 5."""
ACCUSED: Final = frozenset({"suspect", "convicted"})
MOVED: Final = frozenset({"smuggled_migrant", "victim"})


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What the rules ask of the people in a body."""

    marked_origins: frozenset[Country]
    all_origins: frozenset[Country]
    has_marked: bool
    has_children: bool
    exposes_child: bool
    criminalises: bool
    needs_second_officer: bool


def people_of(body: dict[str, Json], year: int) -> People:
    """Look through a body once.

    Args:
        body: Valid by its schema.
        year: In which the message was created, so that a birth date tells an age.
    """
    items, words = _taken_apart(body)
    persons = [*_persons(body)]
    somebody = [each for each in items if is_somebody(each)]
    # A code tells it in whatever list it stands.
    has_marked = not MARK_CODES.isdisjoint(words)
    return People(
        marked_origins=marked_origins(body) if has_marked else frozenset(),
        all_origins=all_origins(items),
        has_marked=has_marked,
        has_children=any(map(_is_about_children, items)) or any(map(_may_be_child, persons)),
        exposes_child=any(_is_exposed(each, year) for each in persons)
        or any(map(_is_named_beside, items))
        or _holds_account(items, persons),
        criminalises=any(map(_is_accused_of_moving, somebody)) or any(map(_lacks_basis, persons)),
        needs_second_officer=any(map(_is_acting, somebody)),
    )


def _taken_apart(body: dict[str, Json]) -> tuple[list[dict[str, Json]], list[str]]:
    """Give every object and every text of a body, at any depth."""
    items: list[dict[str, Json]] = []
    words: list[str] = []
    stack: list[Json] = [body]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            words.append(node)
        elif isinstance(node, dict):
            items.append(node)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return items, words


def _persons(body: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """Give each one person; the schemas have them in these two members and nowhere else."""
    for name in ("persons", "subjects"):
        value = body.get(name)
        for each in value if isinstance(value, list) else ():
            if isinstance(each, dict):
                yield each


def _may_be_child(person: dict[str, Json]) -> bool:
    return person.get("age_group") != ADULT and not _is_grown_up(person.get("age"))


def _is_grown_up(age: Json) -> bool:
    if not isinstance(age, dict):
        return False
    youngest = age.get("minimum", age.get("value"))
    return isinstance(youngest, int) and youngest >= FULL_AGE


def _is_about_children(item: dict[str, Json]) -> bool:
    if item.keys().isdisjoint(ABOUT_AGE):
        return False
    return (
        item.get("age_group") in MAY_BE_CHILD
        or item.get("attribute") in CHILD_ATTRIBUTES
        or item.get("person_attribute") in CHILD_ATTRIBUTES
        or item.get("includes_children") == "yes"
        or _has_one(item, "profiles", CHILD_PROFILES)
        or any(_is_under_age(item.get(name)) for name in ("age", "ages"))
    )


def _is_under_age(age: Json) -> bool:
    if not isinstance(age, dict):
        return False
    years = [age.get(name) for name in ("value", "minimum", "maximum")]
    return "months" in age or any(isinstance(each, int) and each < FULL_AGE for each in years)


def _is_exposed(person: dict[str, Json], year: int) -> bool:
    if person.keys().isdisjoint(IDENTITY):
        return False
    return (
        person.get("age_group") != ADULT
        or _has_one(person, "profiles", CHILD_PROFILES)
        or _is_under_age(person.get("age"))
        or _is_born_late(person.get("birth_date"), year)
    )


def _is_born_late(date: Json, year: int) -> bool:
    """Say whether somebody born on this date may still be under age; ``--03-26`` has no year."""
    born = str(date)[:4]
    return born.isdigit() and year - int(born) <= FULL_AGE


def _is_named_beside(item: dict[str, Json]) -> bool:
    """Say whether a natural person is named where no age can be said: among organisations."""
    return item.get("entity") == "natural_person" and "name" in item


def _holds_account(items: Sequence[dict[str, Json]], persons: Sequence[dict[str, Json]]) -> bool:
    """Say whether somebody who may be a child stands behind the number of an account."""
    accounts = [each for each in items if "number_masked" in each]
    if not accounts:
        return False
    grown_up = {str(each.get("ref")) for each in persons if not _may_be_child(each)}
    people = {str(each["ref"]) for each in items if is_somebody(each) and "ref" in each}
    adults = grown_up | {str(each.get("ref")) for each in items if _is_grown_up(each.get("ages"))}
    return any(str(each.get("holder")) in people - adults for each in accounts)


def _is_accused_of_moving(item: dict[str, Json]) -> bool:
    """Say whether somebody is accused, and has no role but that of being moved."""
    if item.get("category") not in ACCUSED:
        return False
    roles = {*texts(item.get("roles"))}
    return "passenger" in roles and roles <= ONLY_MOVED


def _is_acting(item: dict[str, Json]) -> bool:
    roles = {*texts(item.get("roles"))}
    return "migrant_acting_as_guide" in roles or (
        item.get("category") in MOVED and not roles.isdisjoint(ACTING)
    )


def _lacks_basis(person: dict[str, Json]) -> bool:
    return _is_acting(person) and "separate_basis" not in person


def _has_one(item: Mapping[str, Json], name: str, codes: frozenset[str]) -> bool:
    return any(each in codes for each in texts(item.get(name)))

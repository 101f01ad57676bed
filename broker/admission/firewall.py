"""From whom must this message be kept? The countries that protected persons fled (SG-01).

A person who seeks protection must never become known, by it, to the country of nationality
or habitual residence. The schemas let a nationality stand beside a protection status
at any depth, so the whole body is looked through.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from broker.model import Json
from schemas.vocabulary import Compartment, Country

MARKS: Final = frozenset({"asylum_seeker", "refugee", "international_protection_need"})
"""1951 Refugee Convention; the code list ``protection_status`` has their labels."""
MARK_CODES: Final = MARKS | {"asylum_access", "asylum_procedure"}
"""What says the same in another list: a need, a profile, the scope of a consent."""
MEMBER_COUNTRIES: Final = frozenset(country.value for country in Country)
EVERY_COUNTRY: Final = frozenset(Country)
NATIONAL_PAPERS: Final = frozenset({"passport", "identity_card", "birth_certificate"})
"""A country issues these to its own nationals; a visa or a stamp it gives to others."""
MARKING: Final = frozenset({"protection_status", "profiles", "needs"})
"""The members by which somebody is marked."""
TELLING: Final = frozenset(
    {
        "habitual_residence",
        "naturalised_in",
        "nationality",
        "nationalities",
        "holders",
        "country",
        "issuing_country",
    }
)
"""The members that may tell where somebody comes from."""
DEEPEST: Final = 8
"""How far ``part_of`` is followed; a circle ends there."""


def protected_origins(body: Json, compartment: Compartment | None) -> frozenset[Country]:
    """Name the Member Countries that must not receive this body.

    Args:
        body: Valid by its schema.
        compartment: In ``protection`` everybody counts as protected; elsewhere who is
            marked so. None (a channel) is taken as ``protection``: the stricter.
    """
    items = [*objects(body)]
    fled = marked_origins(items)
    if compartment in {None, Compartment.PROTECTION}:
        fled |= all_origins(items)
    return fled


def all_origins(items: Iterable[dict[str, Json]]) -> frozenset[Country]:
    """Where does anybody come from?"""
    telling = (each for each in items if not each.keys().isdisjoint(TELLING))
    return _members(code for each in telling for code in origins(each))


def marked_origins(items: Iterable[dict[str, Json]]) -> frozenset[Country]:
    """Where do those come from who are marked as seeking protection?

    One of whom nothing is said may come from anywhere: then it is every Member Country.
    """
    every = [*items]
    marked = [each for each in every if not each.keys().isdisjoint(MARKING) and is_marked(each)]
    by_ref = {str(each["ref"]): each for each in every if "ref" in each} if marked else {}
    fled: frozenset[Country] = frozenset()
    for each in marked:
        codes = [*_origins_with_parts(each, by_ref)]
        # A list that says of itself that it is not whole leaves some of them unsaid.
        is_unsaid = not codes or each.get("other_nationalities") is True
        fled |= EVERY_COUNTRY if is_unsaid and is_somebody(each) else _members(codes)
    return fled


def is_marked(item: dict[str, Json]) -> bool:
    """Is this somebody who seeks or has international protection?"""
    status = item.get("protection_status")
    if isinstance(status, str) and status in MARKS:
        return True
    return any(
        code in MARK_CODES for name in ("profiles", "needs") for code in _texts(item.get(name))
    )


def is_somebody(item: dict[str, Json]) -> bool:
    """Is this a person, or people counted together?"""
    return "category" in item or "pseudonym" in item


def objects(body: Json) -> Iterator[dict[str, Json]]:
    """Give every object of a body, at any depth."""
    stack: list[Json] = [body]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def origins(item: dict[str, Json]) -> Iterator[str]:
    """Give the codes of where a person, or a group of persons, comes from."""
    for name in ("habitual_residence", "naturalised_in", "nationality"):
        code = item.get(name)
        if isinstance(code, str):
            yield code
    nationalities = item.get("nationalities")
    for entry in nationalities if isinstance(nationalities, list) else ():
        # A person has codes; a group has counts by code.
        code = entry.get("country") if isinstance(entry, dict) else entry
        if isinstance(code, str):
            yield code
    yield from _texts(item.get("holders"))
    if item.get("kind") in NATIONAL_PAPERS:
        yield from (
            code
            for name in ("country", "issuing_country")
            if isinstance(code := item.get(name), str)
        )


def _origins_with_parts(
    item: dict[str, Json], by_ref: Mapping[str, dict[str, Json]]
) -> Iterator[str]:
    """Give what is said of somebody: there, in parts of it, or of the group that it is part of."""
    whole: dict[str, Json] | None = item
    for _ in range(DEEPEST):
        if whole is None:
            return
        for each in objects(whole):
            yield from origins(each)
        whole = by_ref.get(str(whole.get("part_of")))


def _members(codes: Iterable[str]) -> frozenset[Country]:
    return frozenset(Country(code) for code in codes if code in MEMBER_COUNTRIES)


def _texts(value: Json) -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, str):
            yield each

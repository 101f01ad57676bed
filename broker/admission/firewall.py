"""From whom must this message be kept? The countries that protected persons fled (SG-01).

A person who seeks protection must never become known, by it, to the country of nationality
or habitual residence. The schemas let a nationality stand beside a protection status
at any depth, so the whole body is looked through.
"""

from collections.abc import Iterator
from typing import Final

from broker.model import Json
from schemas.vocabulary import Compartment, Country

MARKS: Final = frozenset({"asylum_seeker", "refugee", "international_protection_need"})
"""1951 Refugee Convention; the code list ``protection_status`` has their labels."""
MEMBER_COUNTRIES: Final = frozenset(country.value for country in Country)


def protected_origins(body: Json, compartment: Compartment | None) -> frozenset[Country]:
    """Name the Member Countries that must not receive this body.

    Args:
        body: Valid by its schema.
        compartment: In ``protection`` everybody counts as protected; elsewhere who is
            marked so. None (a channel) is taken as ``protection``: the stricter.
    """
    counts_all = compartment in (None, Compartment.PROTECTION)
    return frozenset(
        Country(code)
        for person in objects(body)
        if counts_all or person.get("protection_status") in MARKS
        for code in origins(person)
        if code in MEMBER_COUNTRIES
    )


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


def origins(person: dict[str, Json]) -> Iterator[str]:
    """Give the codes of where a person, or a group of persons, comes from."""
    residence = person.get("habitual_residence")
    if isinstance(residence, str):
        yield residence
    nationalities = person.get("nationalities")
    for entry in nationalities if isinstance(nationalities, list) else ():
        # A person has codes; a group has counts by code.
        code = entry.get("country") if isinstance(entry, dict) else entry
        if isinstance(code, str):
            yield code

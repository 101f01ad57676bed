"""From whom must this message be kept? The countries that protected persons fled (SG-01).

A person who seeks protection must never become known, by it, to the country of nationality
or habitual residence. The schemas let a nationality stand beside a protection status
at any depth, so the whole body is looked through.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from broker.model.names import Json
from schemas.vocabulary import Country

MARKS: Final = frozenset({"asylum_seeker", "refugee", "international_protection_need"})
"""1951 Refugee Convention; the code list ``protection_status`` has their labels."""
FIREWALL: Final = "protection_firewall"
"""A ground to refuse an answer. Who reads it knows that somebody here seeks protection."""
MARK_CODES: Final = MARKS | {"asylum_access", "asylum_procedure", FIREWALL}
"""What says the same in another list: a need, a profile, the scope of a consent, a ground."""
STATELESS: Final = "statelessness"
"""Of whom has this profile the residence says it all (1951 Convention, Art. 1A(2))."""
MEMBER_COUNTRIES: Final = frozenset(country.value for country in Country)
EVERY_COUNTRY: Final = frozenset(Country)
NATIONAL_PAPERS: Final = frozenset({"passport", "identity_card", "birth_certificate"})
"""A country issues these to its own nationals; a visa or a stamp it gives to others."""
FALSE_PAPERS: Final = frozenset(
    {"counterfeit", "altered", "fraudulently_obtained", "impostor", "stolen_blank", "false"}
)
"""Conditions of a document that says nothing true of who carries it."""
MARKING: Final = frozenset({"protection_status", "profiles", "needs", "consent", "refusal_ground"})
"""The members by which somebody is marked."""
TELLING: Final = frozenset(
    {
        "habitual_residence",
        "naturalised_in",
        "nationality",
        "nationalities",
        "holders",
    }
)
"""The members that may tell where somebody comes from, beside those of a paper."""
DEEPEST: Final = 8
"""How far ``part_of`` is followed; a circle ends there."""


def all_origins(items: Iterable[dict[str, Json]]) -> frozenset[Country]:
    """Where does anybody come from?"""
    telling = (each for each in items if not each.keys().isdisjoint(TELLING) or _is_paper(each))
    return _members(code for each in telling for code in origins(each))


def marked_origins(items: Iterable[dict[str, Json]]) -> frozenset[Country]:
    """Where do those come from who are marked as seeking protection?

    One of whom nothing is said may come from anywhere: then it is every Member Country. A mark on
    what holds several, as a referral's consent, is one on each of them.
    """
    every = [*items]
    marked = [each for each in every if not each.keys().isdisjoint(MARKING) and is_marked(each)]
    by_ref = {str(each["ref"]): each for each in every if "ref" in each} if marked else {}
    fled: frozenset[Country] = frozenset()
    for each in marked:
        people = [*_people_in(each)]
        if any(_is_unsaid(one, by_ref) for one in people) or _refuses_unsaid(each, people):
            return EVERY_COUNTRY
        fled |= _members(_origins_with_parts(each, by_ref))
        fled |= _members(code for one in people for code in _origins_with_parts(one, by_ref))
    return fled


def is_marked(item: dict[str, Json]) -> bool:
    """Is this somebody who seeks or has international protection?"""
    status = item.get("protection_status")
    if (isinstance(status, str) and status in MARKS) or item.get("refusal_ground") == FIREWALL:
        return True
    consent = item.get("consent")
    if isinstance(consent, dict) and any(
        code in MARK_CODES for code in _texts(consent.get("scope"))
    ):
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
    if _is_paper(item):
        yield from (
            code
            for name in ("country", "issuing_country")
            if isinstance(code := item.get(name), str)
        )


def _is_paper(item: dict[str, Json]) -> bool:
    return item.get("kind") in NATIONAL_PAPERS


def _origins_with_parts(
    item: dict[str, Json], by_ref: Mapping[str, dict[str, Json]]
) -> Iterator[str]:
    for each in _parts_of(item, by_ref):
        yield from origins(each)


def _parts_of(
    item: dict[str, Json], by_ref: Mapping[str, dict[str, Json]]
) -> Iterator[dict[str, Json]]:
    """Give what is said of somebody: there, in parts of it, or of the group that it is part of."""
    whole: dict[str, Json] | None = item
    for _ in range(DEEPEST):
        if whole is None:
            return
        yield from objects(whole)
        whole = by_ref.get(str(whole.get("part_of")))


def _people_in(item: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """Give whom a mark on this is about: itself, or the outermost people that it holds."""
    stack: list[Json] = [item]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            if is_somebody(node):
                yield node
            else:
                stack.extend(node.values())


def _is_unsaid(somebody: dict[str, Json], by_ref: Mapping[str, dict[str, Json]]) -> bool:
    # A list that says of itself that it is not whole leaves some of them unsaid.
    is_open = somebody.get("other_nationalities") is True
    told = (each for each in _parts_of(somebody, by_ref) if _says_origin(each))
    return is_open or next(told, None) is None


def _says_origin(item: dict[str, Json]) -> bool:
    """Say whether this tells where somebody comes from, and not only where else he belongs.

    Who was naturalised came from another country; who lives somewhere may be a national of
    another, unless he has no nationality; and a false passport is a smuggler's word.
    """
    if item.get("condition") in FALSE_PAPERS:
        return False
    told: dict[str, Json] = {**item, "naturalised_in": None}
    if STATELESS not in _texts(item.get("profiles")):
        told["habitual_residence"] = None
    return any(True for _ in origins(told))


def _refuses_unsaid(item: dict[str, Json], people: Sequence[dict[str, Json]]) -> bool:
    """Say whether an answer is refused to protect somebody of whom nothing else is said.

    Whoever asks after his own national learns from that ground alone that he is protected.
    """
    return not people and item.get("refusal_ground") == FIREWALL


def _members(codes: Iterable[str]) -> frozenset[Country]:
    return frozenset(Country(code) for code in codes if code in MEMBER_COUNTRIES)


def _texts(value: Json) -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, str):
            yield each

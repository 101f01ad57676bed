"""Where does somebody come from, and is that said of each of them?

Codes only: nationalities, naturalisation, residence, and papers that a country issues to its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from broker.model.names import Json
from schemas.vocabulary import Country

STATELESS: Final = "statelessness"
"""Of whom has this profile the residence says it all (1951 Convention, Art. 1A(2))."""
MEMBER_COUNTRIES: Final = frozenset(country.value for country in Country)
NATIONAL_PAPERS: Final = frozenset({"passport", "identity_card", "birth_certificate"})
"""A country issues these to its own nationals; a visa or a stamp it gives to others."""
FALSE_PAPERS: Final = frozenset(
    {"counterfeit", "altered", "fraudulently_obtained", "impostor", "stolen_blank", "false"}
)
"""Conditions of a document that says nothing true of who carries it."""
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
ELSEWHERE: Final = frozenset(
    {
        "africa",
        "asia",
        "europe",
        "mediterranean",
        "north_africa",
        "oceania",
        "south_america",
        "west_africa",
    }
)
"""Regions without a Member Country; of ``caribbean``, say, it may be one."""
DEEPEST: Final = 8
"""How far ``part_of`` is followed; a circle ends there."""
NEARLY_ALL: Final = 99
"""Percent: shares are rounded."""

ByName: TypeAlias = Mapping[str, dict[str, Json]]


def all_origins(items: Iterable[dict[str, Json]]) -> frozenset[Country]:
    """Where does anybody come from?"""
    telling = (each for each in items if not each.keys().isdisjoint(TELLING) or _is_paper(each))
    return frozenset(
        Country(code) for each in telling for code in origins(each) if code in MEMBER_COUNTRIES
    )


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
    yield from texts(item.get("holders"))
    if _is_paper(item):
        yield from (
            code
            for name in ("country", "issuing_country")
            if isinstance(code := item.get(name), str)
        )


def parts_of(item: dict[str, Json], by_name: ByName) -> Iterator[dict[str, Json]]:
    """Give what is said of somebody: there, in parts of it, or of the group that it is part of."""
    for whole in _wholes(item, by_name):
        yield from objects(whole)


def is_said(somebody: dict[str, Json], by_name: ByName, *, is_group: bool) -> bool:
    """Is it said of this person, or of each of this group, where he comes from?

    Of some of a group is not enough: the others may come from anywhere. A list that says of
    itself that it is not whole leaves some unsaid, and so does one whose numbers do not reach
    the group's.
    """
    for whole in _wholes(somebody, by_name):
        if whole.get("other_nationalities") is True:
            return False
        if not is_group and any(_says_origin(each) for each in objects(whole)):
            return True
        if is_group and (_says_origin(whole) or "nationalities" in whole):
            return _reaches(whole, _objects_in(whole.get("nationalities")))
        parts = _objects_in(whole.get("parts"))
        if is_group and any("nationality" in each for each in parts):
            return _reaches(whole, parts)
        # What a person is part of is a group.
        is_group = True
    return False


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


def texts(value: Json) -> Iterator[str]:
    """Give the texts of a list; of anything else none."""
    for each in value if isinstance(value, list) else ():
        if isinstance(each, str):
            yield each


def _wholes(item: dict[str, Json], by_name: ByName) -> Iterator[dict[str, Json]]:
    """Give somebody, then the group that he is part of, and so on."""
    whole: dict[str, Json] | None = item
    for _ in range(DEEPEST):
        if whole is None:
            return
        yield whole
        whole = by_name.get(str(whole.get("part_of")))


def _says_origin(item: dict[str, Json]) -> bool:
    """Say whether this tells where somebody comes from, and not only where else he belongs.

    Who was naturalised came from another country; who lives somewhere may be a national of
    another, unless he has no nationality; and a false passport is a smuggler's word.
    """
    if item.get("condition") in FALSE_PAPERS:
        return False
    told: dict[str, Json] = {**item, "naturalised_in": None}
    if STATELESS not in texts(item.get("profiles")):
        told["habitual_residence"] = None
    return any(True for _ in origins(told))


def _reaches(group: dict[str, Json], entries: Sequence[dict[str, Json]]) -> bool:
    """Say whether these entries are about the whole group, as far as numbers tell."""
    if not all(_is_placed(each) for each in entries):
        return False
    if not entries or any(each.keys().isdisjoint({"count", "share"}) for each in entries):
        # Who is named without a number is all the others.
        return True
    shares = [_least(each.get("share")) for each in entries]
    if all(share > 0 for share in shares):
        return sum(shares) >= NEARLY_ALL
    return sum(_least(each.get("count")) for each in entries) >= _most(group.get("count"))


def _is_placed(entry: dict[str, Json]) -> bool:
    return "country" in entry or "nationality" in entry or entry.get("region") in ELSEWHERE


def _least(quantity: Json) -> float:
    return _number(quantity, "value", "minimum")


def _most(quantity: Json) -> float:
    return _number(quantity, "maximum", "value", "minimum")


def _number(quantity: Json, *names: str) -> float:
    """Read the first of these members; 0 if there is none, or only a word."""
    if isinstance(quantity, dict):
        for name in names:
            number = quantity.get(name)
            if isinstance(number, (int, float)):
                return number
    return 0


def _objects_in(value: Json) -> list[dict[str, Json]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_paper(item: dict[str, Json]) -> bool:
    return item.get("kind") in NATIONAL_PAPERS

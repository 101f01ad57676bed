"""What does one message of a country count? Its groups, actions and seizures, by what they are.

Items that are ``part_of`` another of the same thing are in its number already, and are not
added to it; that the parts add up is never asked. Items beside each other are counted apart.
Not read are rates, statistics, shares by nationality, and the people inside an action, who
stand among the groups as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from broker.model.names import AgencyRef, MessageId
from broker.regional.claims import PLAIN, Claim, Unit, add, read, reconcile, unique, unspoken
from schemas.vocabulary import Country

SECTIONS: Final = ("groups", "actions", "seizures")
OTHER: Final = "other"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Thing:
    """What is counted. Numbers are compared and added only if they are of one thing."""

    section: str
    codes: tuple[str, ...]
    """A group's category and outcomes, an action's code, a seizure's asset and measure."""
    only: str = ""
    """The country, where the code is ``other``: nobody knows whether two others are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """What one message says of one thing."""

    figures: Mapping[Unit, tuple[Claim, ...]]
    """Several where the message itself has conflicting accounts of the number."""
    offences: frozenset[str] = frozenset()
    """What the people counted are suspected of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalResult:
    """One ``operation-result`` message, read."""

    id: MessageId
    sender: AgencyRef
    created: datetime
    corrects: frozenset[str]
    """The messages that it says it follows: ``in_reply_to`` and ``lineage``."""
    language: str
    handling: str
    operation: Mapping[str, Any]
    mentions: Mapping[Thing, Mention]
    document: Mapping[str, Any]
    """All of it, to tell a repetition from another message of the same id."""

    @property
    def key(self) -> tuple[AgencyRef, MessageId]:
        """Name the message among all; ids are unique in an agency only."""
        return self.sender, self.id

    @property
    def is_wider(self) -> bool:
        """Does it seem to speak for more than its country, as a regional body does?"""
        body = self.document["body"]
        items = [item for section in SECTIONS for item in body.get(section, ())]
        places = [
            place for item in items for place in (*item.get("places", ()), *item.get("where", ()))
        ]
        named = {country for item in items for country in item.get("countries", ())}
        named |= {place["country"] for place in places if "country" in place}
        is_of_many = "country_count" in self.operation or "regions" in self.operation
        return is_of_many or not named <= {self.sender.country}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a message that its schema has accepted."""
        sender = document["from"]
        replied = document.get("in_reply_to")
        body = document["body"]
        country = Country(sender["country"])
        return cls(
            id=MessageId(document["id"]),
            sender=AgencyRef(country=country, agency=sender["agency"]),
            created=datetime.fromisoformat(document["created"]),
            corrects=frozenset({*document.get("lineage", ()), *([replied] if replied else ())}),
            language=document["language"],
            handling=document["handling"]["code"],
            operation=body["operation"],
            mentions=dict(_mentions(body, country)),
            document=document,
        )


def _mentions(body: Mapping[str, Any], country: Country) -> Iterator[tuple[Thing, Mention]]:
    preliminary = body["operation"]["preliminary"]
    for section in SECTIONS:
        items = body.get(section, [])
        things = [_thing(section, item, country) for item in items]
        roots: dict[Thing, list[dict[Unit, tuple[Claim, ...]]]] = {}
        offences: dict[Thing, set[str]] = {}
        for place, (thing, item) in enumerate(zip(things, items, strict=True)):
            offences.setdefault(thing, set()).update(item.get("suspected_of", ()))
            if not _is_inside(place, items, things):
                figures = _figures(item, f"/{section}/{place}", body, preliminary=preliminary)
                roots.setdefault(thing, []).append(figures)
        for thing, counted in roots.items():
            yield (
                thing,
                Mention(figures=_together(counted), offences=frozenset(offences[thing])),
            )


def _thing(section: str, item: Mapping[str, Any], country: Country) -> Thing:
    match section:
        case "groups":
            codes = (item["category"], *sorted(item.get("outcomes", ())))
        case "actions":
            codes = (item["code"],)
        case _:
            codes = (item["asset"], item["measure"])
    return Thing(section=section, codes=codes, only=country.value if codes[0] == OTHER else "")


def _is_inside(place: int, items: Sequence[Mapping[str, Any]], things: Sequence[Thing]) -> bool:
    """Is this item part of another one of the same thing, however far up?"""
    at = {item["ref"]: number for number, item in enumerate(items) if "ref" in item}
    seen, number = {place}, place
    while (above := at.get(items[number].get("part_of", ""))) is not None and above not in seen:
        if things[above] == things[place]:
            return True
        seen.add(above)
        number = above
    return False


def _figures(
    item: Mapping[str, Any], pointer: str, body: Mapping[str, Any], *, preliminary: bool
) -> dict[Unit, tuple[Claim, ...]]:
    """Read an item's numbers, each with what the message's own accounts say instead."""
    numbers = {f"amounts/{place}": each for place, each in enumerate(item.get("amounts", ()))}
    if "count" in item:
        numbers["count"] = item["count"]
    found: dict[Unit, list[tuple[Claim, ...]]] = {}
    for member, said in numbers.items():
        claim = read(said, preliminary=preliminary)
        if claim:
            told = _told(body, f"{pointer}/{member}", preliminary=preliminary)
            rivals = [each for each in told if each.unit == claim.unit]
            found.setdefault(claim.unit, []).append(unique([claim, *rivals]))
    # Two amounts of one currency in one item are two heaps of money, not two claims.
    return {
        unit: heaps[0] if len(heaps) == 1 else (add([reconcile(heap) for heap in heaps]),)
        for unit, heaps in found.items()
    }


def _told(body: Mapping[str, Any], about: str, *, preliminary: bool) -> list[Claim]:
    """Find what the message's conflicting accounts say of a number."""
    claims = [
        (read(claim[member], preliminary=preliminary), account["difference"])
        for account in body.get("accounts", ())
        if account.get("about") == about
        for claim in account["claims"]
        for member in ("quantity", "money")
        if member in claim
    ]
    return [replace(claim, difference=difference) for claim, difference in claims if claim]


def _together(
    counted: Sequence[Mapping[Unit, tuple[Claim, ...]]],
) -> dict[Unit, tuple[Claim, ...]]:
    """Add the items of one thing; one without any number leaves the count open."""
    if len(counted) == 1:
        return dict(counted[0])
    figures: dict[Unit, tuple[Claim, ...]] = {}
    for unit in sorted({unit for figures in counted for unit in figures}):
        claims = [reconcile(figures[unit]) for figures in counted if unit in figures]
        has_silent = unit == PLAIN and not all(counted)
        parts = [*claims, *([unspoken(unit)] if has_silent else ())]
        figures[unit] = (add(parts) if len(parts) > 1 else parts[0],)
    return figures

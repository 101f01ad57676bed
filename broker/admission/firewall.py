"""From whom must this message be kept? The countries that protected persons fled (SG-01).

A person who seeks protection must never become known, by it, to the country of nationality
or habitual residence. The schemas let a mark stand on somebody, beside him and on all at once, and
a nationality in other places, so the whole body is looked through.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from broker.admission.origins import all_origins, is_said, objects, parts_of, texts
from broker.model.names import Json
from schemas.vocabulary import Country

MARKS: Final = frozenset({"asylum_seeker", "refugee", "international_protection_need"})
"""1951 Refugee Convention; the code list ``protection_status`` has their labels."""
FIREWALL: Final = "protection_firewall"
"""A ground to refuse an answer. Who reads it knows that somebody here seeks protection."""
MARK_CODES: Final = MARKS | {"asylum_access", "asylum_procedure", "persecution", FIREWALL}
"""What says the same in another list: a need, a profile, the scope of a consent, why somebody
left, a ground."""
EVERY_COUNTRY: Final = frozenset(Country)
NAME: Final = re.compile(r"[A-Z]{1,3}[0-9]{1,4}|PS-[A-Z0-9]{4,20}", re.ASCII)
"""``local_ref`` and ``pseudonym`` of the schemas: names another item of the body."""
OWN_NAMES: Final = frozenset({"ref", "pseudonym", "part_of"})


def marked_origins(body: dict[str, Json]) -> frozenset[Country]:
    """Where do those come from who are marked as seeking protection?

    One of whom nothing is said may come from anywhere: then it is every Member Country. A mark that
    stands on nobody is about whom it names, or holds; if it names and holds nobody, about all.

    Args:
        body: Valid by its schema.
    """
    cast = _cast_of(body)
    fled: frozenset[Country] = frozenset()
    for mark in _marks(body):
        people = cast.named_by(mark)
        if not all(cast.is_said(one) for one in people) or cast.leaves_unsaid(mark):
            return EVERY_COUNTRY
        fled |= all_origins(objects(mark.item))
        fled |= all_origins(part for one in people for part in parts_of(one, cast.by_name))
    return fled


def is_somebody(item: dict[str, Json]) -> bool:
    """Is this a person, or people counted together?"""
    return "category" in item or "pseudonym" in item


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """Where a mark stands."""

    item: dict[str, Json]
    holder: dict[str, Json] | None
    """Who it stands on: the item itself, or somebody around it."""


@dataclass(slots=True, kw_only=True)
class _Cast:
    """Who is in a body, and by which names other items name them."""

    by_name: dict[str, dict[str, Json]] = field(default_factory=dict)
    everybody: list[dict[str, Json]] = field(default_factory=list)
    groups: set[int] = field(default_factory=set)
    """By ``id``: an item of a list that is called so is several people."""

    def is_said(self, somebody: dict[str, Json]) -> bool:
        return is_said(somebody, self.by_name, is_group=id(somebody) in self.groups)

    def named_by(self, mark: _Mark) -> list[dict[str, Json]]:
        """Find whom a mark is about."""
        if mark.holder is not None:
            return [mark.holder]
        found = [*_outermost_people(mark.item)]
        named = (self.by_name.get(name) for name in _names_in(mark.item))
        found += [each for each in named if each is not None and is_somebody(each)]
        if found or mark.item.get("refusal_ground") == FIREWALL:
            return found
        return self.everybody

    def leaves_unsaid(self, mark: _Mark) -> bool:
        """Say whether it is about somebody who is not in the body at all.

        Whoever asks after his own national, and reads that the answer is refused to protect
        somebody, learns from that alone who is protected.
        """
        if mark.holder is None and any(name not in self.by_name for name in _names_in(mark.item)):
            return True
        return mark.item.get("refusal_ground") == FIREWALL and not self.named_by(mark)


def _cast_of(body: dict[str, Json]) -> _Cast:
    cast = _Cast()
    for each in objects(body):
        for name in ("ref", "pseudonym"):
            if isinstance(named := each.get(name), str):
                cast.by_name[named] = each
        if is_somebody(each):
            cast.everybody.append(each)
        groups = each.get("groups")
        cast.groups.update(map(id, groups if isinstance(groups, list) else ()))
    return cast


def _marks(body: dict[str, Json]) -> Iterator[_Mark]:
    stack: list[tuple[Json, dict[str, Json] | None]] = [(body, None)]
    while stack:
        node, holder = stack.pop()
        if isinstance(node, list):
            stack.extend((each, holder) for each in node)
        elif isinstance(node, dict):
            holder = node if is_somebody(node) else holder
            if _bears_mark(node):
                yield _Mark(item=node, holder=holder)
            stack.extend((each, holder) for each in node.values())


def _bears_mark(item: dict[str, Json]) -> bool:
    return any(
        value in MARK_CODES if isinstance(value, str) else not MARK_CODES.isdisjoint(texts(value))
        for value in item.values()
    )


def _names_in(item: dict[str, Json]) -> Iterator[str]:
    """Give the names of other items that stand in this one."""
    for member, value in item.items():
        if member in OWN_NAMES:
            continue
        for text in (value,) if isinstance(value, str) else texts(value):
            if NAME.fullmatch(text):
                yield text


def _outermost_people(item: dict[str, Json]) -> Iterator[dict[str, Json]]:
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

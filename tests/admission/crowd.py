"""Draws messages with people in them, and remembers who must not become known to whom.

The truth is kept beside the message, by whoever wrote it: the oracle of the property test never
reads the message, and shares no line with the code that it judges.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import orjson

from broker.model.names import AgencyRef
from schemas.examples import accepted
from schemas.vocabulary import Compartment, Country, Kind

MEMBERS: Final = [country.value for country in Country]
ELSEWHERE: Final = ["VE", "HT", "CU", "EC", "CN"]
STATUSES: Final = ["asylum_seeker", "refugee", "international_protection_need"]
HARMLESS: Final = ["none_known", "unknown", "not_asked"]
NO_PERSONS: Final = frozenset({Kind.DETENTION_ALTERNATIVE, Kind.RECALL, Kind.RECTIFICATION})
NO_VULNERABILITY: Final = frozenset(
    {Kind.PROTECTION_REFERRAL, Kind.DETENTION_ALTERNATIVE, Kind.RECALL, Kind.RECTIFICATION}
)
NO_GROUPS: Final = frozenset({Kind.RECALL, Kind.RECTIFICATION})
PURPOSE: Final = {
    Compartment.INTELLIGENCE: "investigation",
    Compartment.JUDICIAL: "prosecution",
    Compartment.PROTECTION: "victim_protection",
}


FORGOTTEN: Final = (
    "nationalities",
    "nationality",
    "habitual_residence",
    "naturalised_in",
    "identifiers",
    "documents",
    # Words are another rule's business.
    "note",
    "summary",
)
SAYING: Final = frozenset({"nationalities", "identifiers", "parts", "part_of"})
"""Members of somebody, or of a group, that say where they come from."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """What the author knows of one of them."""

    homes: frozenset[str]
    is_silent: bool
    """Whether of him, or of some of them, it is not said."""


@dataclass(slots=True)
class Truth:
    """What the author of a message knows of the people in it."""

    marked: bool = False
    marked_homes: set[str] = field(default_factory=set)
    """Nationality or habitual residence of those who seek protection."""
    homes: set[str] = field(default_factory=set)
    """The same of everybody."""
    unsaid: bool = False
    """Whether of somebody who seeks protection nothing of that is said."""
    people: dict[str, Somebody] = field(default_factory=dict)
    """Everybody whom the author wrote, by the name that the message has for them."""

    def mark(self, somebody: Somebody) -> None:
        """Note that these seek protection."""
        self.marked = True
        self.marked_homes |= somebody.homes
        self.unsaid |= somebody.is_silent


@cache
def bodies(kind: Kind) -> tuple[bytes, ...]:
    """Bodies of this kind that its schema accepts, as text: each is read anew."""
    return tuple(orjson.dumps(each.message["body"]) for each in accepted(kind.value))


@cache
def envelope(kind: Kind) -> bytes:
    """What stands around them."""
    message = next(iter(accepted(kind.value))).message
    kept = {name: value for name, value in message.items() if name not in {"body", "lineage"}}
    return orjson.dumps(kept)


class Author:
    """Writes messages; the same seed writes the same ones."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - no secret is drawn

    def document(
        self, kind: Kind, sender: AgencyRef, to: Mapping[str, object], compartment: Compartment
    ) -> tuple[dict[str, Any], Truth]:
        """Write a message, and say what is true of it."""
        document = orjson.loads(envelope(kind))
        body = orjson.loads(self.chance.choice(bodies(kind)))
        truth = Truth()
        if kind not in NO_GROUPS:
            self._forget_people(body)
        for _ in range(self.chance.randint(0, 3)):
            self._add_somebody(kind, body, truth)
        if kind is Kind.PROTECTION_REFERRAL and self.chance.random() < 0.3:
            self._mark_all(body, truth)
        if kind not in NO_VULNERABILITY and self.chance.random() < 0.3:
            self._mark_beside(body, truth)
        document |= {
            "from": {"country": sender.country.value, "agency": sender.agency},
            "to": dict(to),
            "urgency": "priority",
            "purpose": {"code": PURPOSE[compartment], "text": "Test."},
            "body": body,
        }
        if kind is Kind.PROTECTION_REFERRAL:
            body["receiving_service"] = {
                "agency": "civil-society",
                "country": self.chance.choice(MEMBERS),
            }
        return document, truth

    def _mark_all(self, body: dict[str, Any], truth: Truth) -> None:
        """Say once of a referral what each of its people needs, or agreed to."""
        if self.chance.random() < 0.5:
            body["needs"] = ["shelter", "asylum_access"]
        else:
            body["consent"]["scope"] = ["share_with_recipient", "asylum_procedure"]
        self._everybody_is_marked(body, truth)

    def _mark_beside(self, body: dict[str, Any], truth: Truth) -> None:
        """Say in another place of the body that one of them, or all, seek protection."""
        mark: dict[str, Any] = {"profiles": ["woman_at_risk", "international_protection_need"]}
        if truth.people and self.chance.random() < 0.7:
            name = self.chance.choice(sorted(truth.people))
            truth.mark(truth.people[name])
            need = {"assistance": [{"need": "asylum_access", "people": [name]}]}
            reason = {"reasons": [{"code": "persecution", "people": [name]}]}
            mark = self.chance.choice([need, reason])
        else:
            self._everybody_is_marked(body, truth)
        body["vulnerability"] = {**body.get("vulnerability", {}), **mark}

    def _everybody_is_marked(self, body: dict[str, Any], truth: Truth) -> None:
        truth.marked = True
        for somebody in truth.people.values():
            truth.mark(somebody)
        # Those of the example are in it, too: of them nothing is said.
        truth.unsaid |= any(
            not truth.people.keys() & {each.get("ref"), each.get("pseudonym")}
            for each in _objects(body)
            if "category" in each or "pseudonym" in each
        )

    def _forget_people(self, body: dict[str, Any]) -> None:
        """Leave out what is said of those of the example: of them no truth is known here."""
        for each in _objects(body):
            for name in FORGOTTEN:
                each.pop(name, None)
            if each.get("protection_status") in STATUSES:
                each["protection_status"] = "unknown"
            if "asylum_access" in each.get("needs", ()):
                each["needs"] = ["shelter"]
            if each.get("need") == "asylum_access":
                each["need"] = "shelter"

    def _add_somebody(self, kind: Kind, body: dict[str, Any], truth: Truth) -> None:
        number = self.chance.randint(100, 9999)
        if kind is Kind.PROTECTION_REFERRAL:
            self._add_to(body, "subjects", self._subject(number, truth))
        elif kind not in NO_PERSONS and self.chance.random() < 0.5:
            self._add_to(body, "persons", self._person(number, truth))
        elif kind not in NO_GROUPS:
            self._add_to(body, "groups", *self._groups(number, truth))

    def _add_to(self, body: dict[str, Any], name: str, *people: dict[str, Any]) -> None:
        body.setdefault(name, []).extend(people)

    def _person(self, number: int, truth: Truth) -> dict[str, Any]:
        person: dict[str, Any] = {
            "ref": f"P{number}",
            "category": self.chance.choice(["victim", "witness", "smuggled_migrant", "other"]),
            "age_group": "adult",
        }
        marked = self._mark(person, ["profiles"])
        homes = self._person_homes(person)
        if self.chance.random() < 0.2:
            country = self._country()
            person["identifiers"] = [{"kind": "passport", "value": "X1", "country": country}]
            homes.add(country)
        return self._told(person, truth, homes, marked=marked)

    def _subject(self, number: int, truth: Truth) -> dict[str, Any]:
        subject: dict[str, Any] = {
            "pseudonym": f"PS-TEST{number}",
            "category": "victim",
            "age_group": "adult",
            "protection_status": "unknown",
            "needs": ["shelter"],
        }
        marked = self._mark(subject, ["profiles", "needs"])
        return self._told(subject, truth, self._person_homes(subject, subject=True), marked=marked)

    def _groups(self, number: int, truth: Truth) -> list[dict[str, Any]]:
        group: dict[str, Any] = {"ref": f"G{number}", "category": "smuggled_migrant"}
        marked = self._mark(group, ["profiles"])
        homes = {self._country() for _ in range(self.chance.randint(0, 3))}
        entries: list[dict[str, Any]] = [{"country": country} for country in sorted(homes)]
        if not entries:
            return [self._told(group, truth, homes, marked=marked)]
        where = self.chance.choice(["there", "in parts", "in a larger group", "of some only"])
        if where == "there":
            group["nationalities"] = entries
        elif where == "in parts":
            group["parts"] = [
                {"attribute": "adult", "nationality": country} for country in sorted(homes)
            ]
        elif where == "of some only":
            group |= self._numbers(entries)
            return [self._told(group, truth, homes, marked=marked, is_silent=True)]
        else:
            # The larger group says it of all in it.
            whole = {"ref": f"G{number}", "category": "other", "nationalities": entries}
            group |= {"ref": f"H{number}", "part_of": f"G{number}"}
            self._told(whole, truth, homes, marked=False)
            return [whole, self._told(group, truth, homes, marked=marked)]
        return [self._told(group, truth, homes, marked=marked)]

    def _numbers(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Count some of a group by country, and say nothing, or little, of the others."""
        number = self.chance.randint(5, 40)
        counted = [{**each, "count": _exactly(number)} for each in entries]
        if self.chance.random() < 0.5:
            counted.append({"region": "central_america", "count": _exactly(number)})
            return {"nationalities": counted, "count": _exactly(number * len(counted))}
        more = self.chance.randint(1, 100)
        return {"nationalities": counted, "count": _exactly(number * len(counted) + more)}

    def _mark(self, somebody: dict[str, Any], lists: list[str]) -> bool:
        """Say in one of the ways there are that somebody seeks protection; or not."""
        if self.chance.random() < 0.4:
            somebody["protection_status"] = self.chance.choice(HARMLESS)
            return False
        way = self.chance.choice(["protection_status", *lists])
        if way == "protection_status":
            somebody[way] = self.chance.choice(STATUSES)
        elif way == "profiles":
            somebody[way] = ["woman_at_risk", "international_protection_need"]
        else:
            somebody[way] = ["shelter", "asylum_access"]
        return True

    def _person_homes(self, person: dict[str, Any], *, subject: bool = False) -> set[str]:
        homes: set[str] = set()
        if self.chance.random() < 0.8:
            person["nationalities"] = sorted({self._country(), self._country()})
            homes |= {*person["nationalities"]}
        if self.chance.random() < 0.3:
            person["habitual_residence"] = self._country()
            homes.add(person["habitual_residence"])
        if not subject and self.chance.random() < 0.1:
            person["naturalised_in"] = self._country()
            homes.add(person["naturalised_in"])
        return homes

    def _country(self) -> str:
        return self.chance.choice(MEMBERS if self.chance.random() < 0.7 else ELSEWHERE)

    def _told(
        self,
        somebody: dict[str, Any],
        truth: Truth,
        homes: set[str],
        *,
        marked: bool,
        is_silent: bool = False,
    ) -> dict[str, Any]:
        # Who was naturalised came from elsewhere, and so may whoever only lives somewhere.
        says_nothing = not homes or somebody.keys().isdisjoint(SAYING)
        known = Somebody(frozenset(homes), is_silent or says_nothing)
        truth.people[somebody.get("ref") or somebody["pseudonym"]] = known
        truth.homes |= homes
        if marked:
            truth.mark(known)
        return somebody


def _exactly(number: int) -> dict[str, Any]:
    return {"qualifier": "exactly", "value": number}


def _objects(node: Any) -> list[dict[str, Any]]:
    found = [node] if isinstance(node, dict) else []
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        found += _objects(child)
    return found

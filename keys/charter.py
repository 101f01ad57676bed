"""What a channel is for, who takes part, and what may go over it: its charter, as data.

A charter says nothing by itself. It counts when each of its members has consented by a signed
act: see :mod:`keys.channel`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NewType

from keys import numbers
from keys.errors import ActError
from keys.strict_json import JsonObject, JsonValue
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind

ChannelName = NewType("ChannelName", str)
"""``hlsg-mx-gt``: 2 to 28 of ``a-z``, ``0-9`` and ``-``; the queue of a member adds its country."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,26}[a-z0-9]", re.ASCII)
AGENCY: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
MAX_TEXT_CHARS: Final = 400
MAX_AGENCIES: Final = 20
"""Of one member; the fourteen agencies of the largest delegation fit."""
FEWEST_MEMBERS: Final = 2
MEMBERS: Final = frozenset(
    {
        "channel",
        "version",
        "title",
        "purpose",
        "legal_basis",
        "compartment",
        "kinds",
        "ceiling",
        "sealing",
        "shows_recipients",
        "review",
        "conveners",
        "members",
    }
)


class Sealing(StrEnum):
    """Who closes a message, and so who can read it before it is closed."""

    GATEWAY = "gateway"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """The terms of a channel, in one version."""

    channel: ChannelName
    version: int
    """From 1; the next is one more, and takes the place of the one before."""
    title: str
    purpose: str
    legal_basis: str
    compartment: Compartment
    """One, so that each member reads it with the keys of one desk (SG-02)."""
    kinds: frozenset[Kind]
    ceiling: HandlingCode
    """The strictest handling code that may go over it."""
    sealing: Sealing
    shows_recipients: bool
    """Whether a member sees in a message who else received it (SG-12)."""
    review: datetime
    """From then on it takes nothing new, until its members have consented to another version."""
    conveners: frozenset[Country]
    members: Mapping[Country, tuple[str, ...]]
    """Each country with its agencies that take part."""

    def __post_init__(self) -> None:
        fits = (
            NAME.fullmatch(self.channel),
            self.version >= 1,
            all(
                0 < len(text) <= MAX_TEXT_CHARS and text.isprintable() and text == text.strip()
                for text in (self.title, self.purpose, self.legal_basis)
            ),
            self.kinds,
            self.conveners,
            self.conveners <= self.members.keys(),
            len(self.members) >= FEWEST_MEMBERS,
            all(_are_agencies(agencies) for agencies in self.members.values()),
        )
        if not all(fits):
            raise ActError("the charter is malformed")

    def to_json(self) -> JsonObject:
        """Write it as a member of an act."""
        return {
            "channel": self.channel,
            "version": self.version,
            "title": self.title,
            "purpose": self.purpose,
            "legal_basis": self.legal_basis,
            "compartment": self.compartment.value,
            "kinds": [*sorted(kind.value for kind in self.kinds)],
            "ceiling": self.ceiling.value,
            "sealing": self.sealing.value,
            "shows_recipients": self.shows_recipients,
            "review": int(self.review.timestamp()),
            "conveners": [*sorted(country.value for country in self.conveners)],
            "members": {
                country.value: list(agencies) for country, agencies in sorted(self.members.items())
            },
        }

    @classmethod
    def from_json(cls, members: JsonObject) -> "Charter":
        """Read a charter, strictly.

        Raises:
            ActError: A member too many or too few, or a value that is not one of its list.
        """
        if members.keys() != MEMBERS:
            raise ActError("the charter has a member too many or too few")
        try:
            return cls(
                channel=ChannelName(_text(members["channel"])),
                version=numbers.whole_number(members["version"], ActError),
                title=_text(members["title"]),
                purpose=_text(members["purpose"]),
                legal_basis=_text(members["legal_basis"]),
                compartment=Compartment(_text(members["compartment"])),
                kinds=frozenset(Kind(text) for text in _texts(members["kinds"])),
                ceiling=HandlingCode(_text(members["ceiling"])),
                sealing=Sealing(_text(members["sealing"])),
                shows_recipients=_truth(members["shows_recipients"]),
                review=numbers.moment(members["review"], ActError),
                conveners=frozenset(Country(text) for text in _texts(members["conveners"])),
                members=_members(members["members"]),
            )
        except ValueError:
            raise ActError("the charter names something unknown") from None


def _members(value: JsonValue) -> Mapping[Country, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ActError("the charter is malformed")
    return MappingProxyType(
        {Country(country): _texts(agencies) for country, agencies in value.items()}
    )


def _are_agencies(names: tuple[str, ...]) -> bool:
    return (
        0 < len(names) <= MAX_AGENCIES
        and len(set(names)) == len(names)
        and all(AGENCY.fullmatch(name) for name in names)
    )


def _texts(value: JsonValue) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ActError("the charter is malformed")
    texts = tuple(_text(each) for each in value)
    if len(set(texts)) != len(texts):
        raise ActError("the charter names something twice")
    return texts


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise ActError("the charter is malformed")
    return value


def _truth(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise ActError("the charter is malformed")
    return value

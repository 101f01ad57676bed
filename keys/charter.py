"""What a channel is for, who takes part, and what may go over it: its charter, as data.

A charter says nothing by itself. It counts when each of its members has consented by a signed
act: see :mod:`keys.channel`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NewType

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
        fits = {
            "channel": NAME.fullmatch(self.channel),
            "version": self.version >= 1,
            "title": _is_line(self.title),
            "purpose": _is_line(self.purpose),
            "legal_basis": _is_line(self.legal_basis),
            "kinds": self.kinds,
            "conveners": self.conveners and self.conveners <= self.members.keys(),
            "members": len(self.members) >= FEWEST_MEMBERS
            and all(map(_are_agencies, self.members.values())),
        }
        for name, fit in fits.items():
            if not fit:
                raise _malformed(name)

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
            ActError: A member too many or too few, or a value that is not one of its list;
                it names the member.
        """
        if members.keys() != MEMBERS:
            raise ActError("the charter has a member too many or too few")
        return cls(**{name: _read(name, value) for name, value in members.items()})


def _read(name: str, value: JsonValue) -> Any:  # noqa: ANN401 - each member is of its own type
    try:
        return READERS[name](value)
    except (TypeError, ValueError, ActError):
        raise _malformed(name) from None


def _malformed(name: str) -> ActError:
    return ActError(f"the charter's {name} is malformed, or not one of its list")


def _is_line(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT_CHARS and text.isprintable() and text == text.strip()


def _are_agencies(names: tuple[str, ...]) -> bool:
    return 0 < len(names) <= MAX_AGENCIES and all(AGENCY.fullmatch(name) for name in names)


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: JsonValue) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    texts = tuple(map(_text, value))
    if len(set(texts)) != len(texts):
        raise ValueError
    return texts


def _truth(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(value: JsonValue) -> int:
    return numbers.whole_number(value, ActError)


def _moment(value: JsonValue) -> datetime:
    return numbers.moment(value, ActError)


def _members(value: JsonValue) -> Mapping[Country, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise TypeError
    return MappingProxyType(
        {Country(country): _texts(agencies) for country, agencies in value.items()}
    )


def _countries(value: JsonValue) -> frozenset[Country]:
    return frozenset(map(Country, _texts(value)))


def _kinds(value: JsonValue) -> frozenset[Kind]:
    return frozenset(map(Kind, _texts(value)))


READERS: Final[Mapping[str, Callable[[JsonValue], object]]] = MappingProxyType(
    {
        "channel": _text,
        "version": _number,
        "title": _text,
        "purpose": _text,
        "legal_basis": _text,
        "compartment": lambda value: Compartment(_text(value)),
        "kinds": _kinds,
        "ceiling": lambda value: HandlingCode(_text(value)),
        "sealing": lambda value: Sealing(_text(value)),
        "shows_recipients": _truth,
        "review": _moment,
        "conveners": _countries,
        "members": _members,
    }
)
"""How each member is read; what it refuses is malformed."""
MEMBERS: Final = READERS.keys()

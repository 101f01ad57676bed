"""Reads the tables of a policy, strictly: each complete, and nothing that no policy has."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from keys.strict_json import JsonObject, JsonValue

TABLES: Final = frozenset(
    {
        "version",
        "sends_to",
        "reads",
        "reads_addressed",
        "readers",
        "kinds",
        "purposes",
        "consent",
        "words",
    }
)
LONGEST_WORDS: Final = 300
"""No policy lets more stand in one member; a paragraph is a story."""
K = TypeVar("K", bound=StrEnum)
V = TypeVar("V", bound=StrEnum)


class PolicyError(ValueError):
    """This is no policy; the text says which member, and never what it held."""


class Purpose(StrEnum):
    """What a message may be for (SG-06); the code list ``purpose`` has the labels."""

    PREVENTION = "prevention"
    INVESTIGATION = "investigation"
    PROSECUTION = "prosecution"
    BORDER_SECURITY = "border_security"
    SEARCH_AND_RESCUE = "search_and_rescue"
    VICTIM_PROTECTION = "victim_protection"
    CHILD_PROTECTION = "child_protection"
    ASSET_RECOVERY = "asset_recovery"
    STRATEGIC_ANALYSIS = "strategic_analysis"


def require_members(value: JsonObject, names: Iterable[str], where: str) -> None:
    """Return if an object has exactly these members.

    Raises:
        PolicyError: One too many or too few; those that are missing are named.
    """
    wanted = {*names}
    missing = sorted(wanted - value.keys())
    if missing:
        raise PolicyError(f"{where}: lacks {', '.join(missing)}")
    if value.keys() - wanted:
        raise PolicyError(f"{where}: has a member that no policy has")


def complete(
    value: JsonObject, name: str, keys: type[K], codes_: type[V]
) -> Mapping[K, frozenset[V]]:
    """Read a table that says something of each code: who forgot one did not mean to deny it."""
    require_members(_object(value, name), (key.value for key in keys), name)
    return some(value, name, keys, codes_)


def some(value: JsonObject, name: str, keys: type[K], codes_: type[V]) -> Mapping[K, frozenset[V]]:
    """Read a table of some codes."""
    return MappingProxyType(
        {
            _code(key, keys, name): frozenset(codes(listed, codes_, f"{name}.{key}"))
            for key, listed in _object(value, name).items()
        }
    )


def only(value: JsonObject, name: str, member: str) -> JsonValue:
    """Read the one member of a table."""
    table = _object(value, name)
    require_members(table, {member}, name)
    return table[member]


def codes(value: JsonValue, known: type[V], where: str) -> tuple[V, ...]:
    """Read a list of codes."""
    if not isinstance(value, list):
        raise PolicyError(f"{where}: must be a list")
    found = tuple(_code(each, known, where) for each in value)
    if len({*found}) != len(found):
        raise PolicyError(f"{where}: names something twice")
    return found


def lengths(value: JsonObject, name: str) -> Mapping[str, int]:
    """Read how long the text of some members may be."""
    found: dict[str, int] = {}
    for key, most in _object(value, name).items():
        if not isinstance(most, int) or isinstance(most, bool) or not 0 <= most <= LONGEST_WORDS:
            raise PolicyError(f"{name}: each must be a number up to {LONGEST_WORDS}")
        found[key] = most
    return MappingProxyType(found)


def _object(value: JsonObject, name: str) -> JsonObject:
    found = value.get(name)
    if not isinstance(found, dict):
        raise PolicyError(f"{name}: must be a table")
    return found


def _code(value: JsonValue, known: type[V], where: str) -> V:
    try:
        return known(str(value))
    except ValueError:
        raise PolicyError(f"{where}: names something unknown") from None

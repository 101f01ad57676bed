"""Which messages are accepted, and which real cases are written?

The documentation, the demonstration and the tests read their examples here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A whole message that its schema accepts."""

    name: str
    message: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A published fact in other words, and where the message says it."""

    fact: str
    pointers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A publicly reported case, written as one message."""

    name: str
    case: str
    source_url: str
    message: dict[str, Any]
    facts: tuple[Fact, ...]
    not_expressed: tuple[str, ...]


def accepted(kind: str) -> Iterator[Accepted]:
    """The accepted examples of a kind, by file name."""
    for name, data in _read(kind, "examples", "accept"):
        yield Accepted(name=name, message=data)


def cases() -> Iterator[Case]:
    """The real cases, by file name; beside them lie the agencies that send them."""
    for name, data in _read("examples", "cases"):
        if name == "agencies.json":
            continue
        facts = (Fact(fact=f["fact"], pointers=tuple(f["pointers"])) for f in data["facts"])
        yield Case(
            name=name,
            case=data["case"],
            source_url=data["source_url"],
            message=data["message"],
            facts=tuple(facts),
            not_expressed=tuple(data["not_expressed"]),
        )


def _folder(*parts: str) -> Traversable:
    return files("schemas").joinpath(*parts)


def _read(*parts: str) -> Iterator[tuple[str, Any]]:
    found = (entry for entry in _folder(*parts).iterdir() if entry.name.endswith(".json"))
    for entry in sorted(found, key=lambda entry: entry.name):
        yield entry.name, orjson.loads(entry.read_bytes())

"""Which messages are accepted, which are refused and why, and which real cases are written?

The documentation, the demonstration and the tests read their examples here.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import orjson

from schemas.loader import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A whole message that its schema accepts."""

    name: str
    message: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that its schema refuses: an accepted one, changed by a patch."""

    name: str
    promise: str
    message: Any
    violations: tuple[Violation, ...]
    """All of them, in the order in which they are reported."""


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


def refused(kind: str) -> Iterator[Refused]:
    """The refused examples of a kind or of ``envelope``, by file name.

    The base of an envelope example is a path such as ``route-report/<name>``.
    """
    for name, data in _read(kind, "examples", "refuse"):
        base_kind, _, base_name = data["base"].rpartition("/")
        base = _folder(base_kind or kind, "examples", "accept").joinpath(base_name)
        yield Refused(
            name=name,
            promise=data["promise"],
            message=patched(orjson.loads(base.read_bytes()), data["patch"]),
            violations=tuple(Violation(**each) for each in data["violations"]),
        )


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


def patched(document: Any, patch: Sequence[dict[str, Any]]) -> Any:  # noqa: ANN401 - any JSON
    """Apply the add, remove and replace operations of a JSON Patch (RFC 6902) to a copy.

    Raises:
        LookupError: An operation names a place that the document does not have.
        ValueError: An operation is none of the three.
    """
    changed = deepcopy(document)
    for operation in patch:
        *parents, last = _tokens(operation["path"])
        holder = changed
        for token in parents:
            holder = _child(holder, token)
        _apply(operation, holder, last)
    return changed


def resolved(document: Any, pointer: str) -> Any:  # noqa: ANN401 - any JSON
    """The member that a JSON Pointer (RFC 6901) names; LookupError where there is none."""
    for token in _tokens(pointer):
        document = _child(document, token)
    return document


def _folder(*parts: str) -> Traversable:
    return files("schemas").joinpath(*parts)


def _read(*parts: str) -> Iterator[tuple[str, Any]]:
    found = (entry for entry in _folder(*parts).iterdir() if entry.name.endswith(".json"))
    for entry in sorted(found, key=lambda entry: entry.name):
        yield entry.name, orjson.loads(entry.read_bytes())


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _child(holder: Any, token: str) -> Any:  # noqa: ANN401 - any JSON
    return holder[int(token)] if isinstance(holder, list) else holder[token]


def _apply(operation: dict[str, Any], holder: Any, last: str) -> None:  # noqa: ANN401 - any JSON
    match operation["op"], holder:
        case "add", list():
            holder.insert(len(holder) if last == "-" else int(last), operation["value"])
        case "add", dict():
            holder[last] = operation["value"]
        case "replace", _:
            _child(holder, last)
            holder[int(last) if isinstance(holder, list) else last] = operation["value"]
        case "remove", _:
            del holder[int(last) if isinstance(holder, list) else last]
        case _:
            raise ValueError(f"Examples use add, replace and remove, not {operation['op']}")

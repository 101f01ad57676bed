"""Does a message say what its kind and version promise, and where does it not?

Everything is read once from the package. A reference that the package cannot answer
is an error when loading: no schema is ever fetched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NoReturn

import jsonschema_rs
import orjson

from schemas.code_list import CodeList
from schemas.vocabulary import Kind

BASE: Final = "https://schemas.enlace.example/"
"""Every ``$id`` begins so; the rest, ``route-report/1.0``, names the schema."""

ENVELOPE: Final = "envelope/1.1"
"""The envelope that messages of today carry."""

COLLECTED_AT_MOST: Final = 1_000
"""Enough to sort a fair answer from; a hostile message may hold a hundred thousand faults."""

POINTER_AT_MOST: Final = 200
"""A pointer may end in a member name that the sender invented, so its length is bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One fault of a message: where, and which rule of the schema. Never the value."""

    pointer: str
    """RFC 6901, from the message root; a missing or unknown member is named itself."""

    keyword: str
    """The JSON Schema keyword; ``falseSchema`` is a member that others here rule out."""


UNREADABLE: Final = Violation(pointer="", keyword="unreadable")
"""The one fault of a document that nests over 255 levels or holds half a character."""


class SchemaSet:
    """The published schemas, compiled: one validator for each kind and version."""

    def __init__(self, documents: Mapping[str, bytes], code_lists: Mapping[str, CodeList]) -> None:
        schemas = {path: orjson.loads(content) for path, content in documents.items()}
        registry = _registry(schemas)
        self._documents = MappingProxyType(dict(documents))
        self._code_lists = MappingProxyType(dict(code_lists))
        self._envelope = _compile({"$ref": BASE + ENVELOPE}, registry)
        self._messages = {
            (kind, version): _compile(_message(kind, version), registry)
            for kind, _, version in (path.partition("/") for path in schemas)
            if kind in frozenset(Kind)
        }

    @classmethod
    def load(cls) -> "SchemaSet":
        """Read and compile every published schema; takes well under a second."""
        package = files("schemas")
        published = orjson.loads(package.joinpath("published.json").read_bytes())
        content = {path: package.joinpath(path).read_bytes() for path in published}
        lists = [
            CodeList.from_bytes(data)
            for path, data in content.items()
            if path.startswith("code_lists/")
        ]
        return cls(
            documents={
                path.removesuffix(".json"): data
                for path, data in content.items()
                if not path.startswith("code_lists/")
            },
            # Of several versions of a list the newest comes last, and stays.
            code_lists={each.name: each for each in sorted(lists, key=_age)},
        )

    def knows(self, kind: str, version: str) -> bool:
        """Whether messages of this kind and version can be checked."""
        return (kind, version) in self._messages

    def versions(self, kind: str) -> tuple[str, ...]:
        """The published versions of a kind, oldest first; empty for an unknown kind."""
        found = (version for known, version in self._messages if known == kind)
        return tuple(sorted(found, key=_numbers))

    def violations(
        self, document: object, *, kind: str, version: str, limit: int = 50
    ) -> tuple[Violation, ...]:
        """Find every fault of a whole message, envelope and body.

        Args:
            document: The parsed message.
            kind: The kind that the message names.
            version: The version that the message names.
            limit: How many violations to report at most.

        Returns:
            In the order of their pointers; empty where the message is valid.

        Raises:
            KeyError: ``knows(kind, version)`` is false, so nothing can be promised.
        """
        return _violations(self._messages[kind, version], document, limit)

    def envelope_violations(self, document: object, *, limit: int = 50) -> tuple[Violation, ...]:
        """Find the faults of an envelope alone, where the kind or version is not known."""
        return _violations(self._envelope, document, limit)

    def documents(self) -> Mapping[str, bytes]:
        """The published schemas, byte for byte, by the path of their ``$id``."""
        return self._documents

    def code_lists(self) -> Mapping[str, CodeList]:
        """The code lists by name, of several versions the newest."""
        return self._code_lists


def _age(code_list: CodeList) -> list[int]:
    return _numbers(code_list.version)


def _numbers(version: str) -> list[int]:
    """Sort versions by number: 1.9 before 1.10."""
    return [int(part) for part in version.split(".")]


def _message(kind: str, version: str) -> dict[str, Any]:
    body = {"$ref": f"{BASE}{kind}/{version}"}
    members = {"kind": {"const": kind}, "version": {"const": version}, "body": body}
    return {"allOf": [{"$ref": BASE + ENVELOPE}, {"properties": members}]}


def _registry(schemas: Mapping[str, Any]) -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(
        [(BASE + path, schema) for path, schema in schemas.items()],
        draft=jsonschema_rs.Draft202012,
        retriever=_refuse,
    )


def _compile(
    schema: dict[str, Any], registry: jsonschema_rs.Registry
) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        schema,
        registry=registry,
        retriever=_refuse,
        validate_formats=True,
        ignore_unknown_formats=False,
        # Linear time whatever the sender writes: no backtracking engine.
        pattern_options=jsonschema_rs.RegexOptions(),
        # The library's own texts would repeat the sender's values.
        mask="a value",
    )


def _refuse(uri: str) -> NoReturn:
    raise LookupError(f"The package has no schema {uri}, and none is fetched")


def _violations(
    validator: jsonschema_rs.Draft202012Validator, document: object, limit: int
) -> tuple[Violation, ...]:
    try:
        if validator.is_valid(document):
            return ()
        errors = list(islice(validator.iter_errors(document), COLLECTED_AT_MOST))
    except ValueError:
        return (UNREADABLE,)
    places = {place for error in errors for place in islice(_places(error), COLLECTED_AT_MOST)}
    return tuple(
        Violation(pointer=_pointer(path), keyword=keyword)
        for path, keyword in sorted(places, key=_reading_order)[:limit]
    )


_Path = tuple[str | int, ...]


def _places(error: jsonschema_rs.ValidationError) -> Iterator[tuple[_Path, str]]:
    """Name the member at fault: the missing one, each unknown one, or the one that is wrong."""
    path = tuple(error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(member):
            yield (*path, member), "required"
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected):
            yield from (((*path, member), "additionalProperties") for member in unexpected)
        case kind:
            yield path, kind.name


def _reading_order(place: tuple[_Path, str]) -> tuple[Sequence[tuple[bool, int, str]], str]:
    """Sort positions by number (9 before 10) and members by name."""
    path, keyword = place
    parts = [(False, p, "") if isinstance(p, int) else (True, 0, p) for p in path]
    return parts, keyword


def _pointer(path: _Path) -> str:
    tokens = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    pointer = "".join(_printable("/" + token) for token in tokens)
    return pointer if len(pointer) <= POINTER_AT_MOST else pointer[: POINTER_AT_MOST - 3] + "..."


def _printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" else f"\\u{ord(c):04x}" for c in text)

"""Are the published files whole, unchanged and in agreement with each other?"""

import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum
from importlib.resources import files
from itertools import pairwise
from typing import Any

import jsonschema_rs
import orjson
import pytest

from schemas import vocabulary
from schemas.loader import BASE, SchemaSet
from tests.schemas.refusals import patched

PACKAGE = files("schemas")
PUBLISHED: dict[str, str] = orjson.loads(PACKAGE.joinpath("published.json").read_bytes())
DOCUMENTS = sorted(path for path in PUBLISHED if not path.startswith("code_lists/"))
LISTS = sorted(path for path in PUBLISHED if path.startswith("code_lists/"))
CODES = ("codes/1.0.json", "codes/1.1.json")
"""Oldest first; what is said of all codes is said of the last."""
REFERENCE = re.compile(r"(?:\.\./(?:common/1\.0|codes/1\.[01]))?#/\$defs/[a-z0-9_]+")
NAMED = {
    "member_country": vocabulary.Country,
    "compartment": vocabulary.Compartment,
    "agency_function": vocabulary.AgencyFunction,
    "kind": vocabulary.Kind,
    "handling_code": vocabulary.HandlingCode,
    "disposition": vocabulary.Disposition,
    "kept_reason": vocabulary.KeptReason,
    "legal_hold_reason": vocabulary.LegalHoldReason,
    "urgency": vocabulary.Urgency,
    "language": vocabulary.Language,
}


def _read(path: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(PACKAGE.joinpath(path).read_bytes())
    return data


def _enumerations(path: str) -> dict[str, list[str]]:
    return {name: schema["enum"] for name, schema in _read(path)["$defs"].items()}


def _subschemas(node: object, trail: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield trail, node
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node if isinstance(node, list) else ())
    )
    for key, value in items:
        yield from _subschemas(value, f"{trail}/{key}")


@pytest.mark.parametrize("path", sorted(PUBLISHED))
def test_published_file_is_unchanged_when_it_is_hashed(path: str) -> None:
    """A published version never changes: a change is a new file."""
    actual = hashlib.sha256(PACKAGE.joinpath(path).read_bytes()).hexdigest()

    assert actual == PUBLISHED[path]


def test_published_names_every_file_when_the_package_holds_it() -> None:
    """No schema or code list lies about unpublished."""
    found = {
        f"{folder.name}/{file.name}"
        for folder in PACKAGE.iterdir()
        if folder.is_dir() and folder.name != "examples"
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }

    assert found == set(PUBLISHED)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_schema_is_valid_when_held_against_its_metaschema(path: str) -> None:
    """Every schema is JSON Schema 2020-12 and its id is its path."""
    schema = _read(path)

    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == BASE + path.removesuffix(".json")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_schema_is_closed_when_it_describes_an_object(path: str) -> None:
    """An object names its members, a list and a text have an end."""
    open_ended = []
    for trail, node in _subschemas(_read(path)):
        match node.get("type"):
            case "object" if trail != "/properties/body" or not path.startswith("envelope/"):
                closed = node.get("additionalProperties") is False
            case "array":
                closed = "maxItems" in node
            case "string":
                closed = "maxLength" in node
            case "integer" | "number":
                closed = "minimum" in node and "maximum" in node
            case _:
                closed = True
        if not closed:
            open_ended.append(trail)

    assert open_ended == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_reference_stays_in_the_package_when_it_is_followed(path: str) -> None:
    """A reference is local, or names a version of common or codes."""
    references = {node["$ref"] for _, node in _subschemas(_read(path)) if "$ref" in node}

    assert [each for each in references if not REFERENCE.fullmatch(each)] == []


def test_common_types_do_not_contain_themselves_when_unfolded() -> None:
    """No type can nest without end, so depth is bounded by the schemas alone."""
    defs = _read("common/1.0.json")["$defs"]
    uses = {
        name: {
            node["$ref"].removeprefix("#/$defs/")
            for _, node in _subschemas(schema)
            if node.get("$ref", "").startswith("#")
        }
        for name, schema in defs.items()
    }

    resolved: set[str] = set()
    while ready := {name for name in uses if name not in resolved and uses[name] <= resolved}:
        resolved |= ready

    assert set(uses) - resolved == set()


def test_codes_equal_the_code_lists_when_compared(schema_set: SchemaSet) -> None:
    """The enumerations that validate are the lists that people read."""
    enumerations = _enumerations(CODES[-1])

    actual = {
        name: [each.code for each in code_list.codes]
        for name, code_list in schema_set.code_lists().items()
    }

    assert actual == enumerations


def test_codes_keep_every_code_when_a_version_follows() -> None:
    """A newer version has the lists and codes of the older, in their order, and more."""
    published = tuple(path for path in DOCUMENTS if path.startswith("codes/"))

    assert published == CODES
    for older, newer in pairwise(map(_enumerations, CODES)):
        assert older.keys() <= newer.keys()
        assert older != newer
        assert all(newer[name][: len(codes)] == codes for name, codes in older.items())


@pytest.mark.parametrize("path", LISTS)
def test_code_list_is_called_after_its_version_when_it_is_published(path: str) -> None:
    """The first version bears the name alone, a later one its number, too."""
    code_list = _read(path)
    suffix = "" if code_list["version"] == "1.0" else f"-{code_list['version']}"

    assert path == f"code_lists/{code_list['name']}{suffix}.json"


def test_envelope_accepts_what_it_accepted_when_its_version_is_the_next() -> None:
    """Version 1.1 differs from 1.0 in the kinds, which are more, and in the copy asked for."""
    own_copy = {
        "type": "boolean",
        "description": "Whether the sender's own country asks for its copy of a channel's message.",
    }
    new = [
        {"op": "replace", "path": "/$id", "value": BASE + "envelope/1.1"},
        {"op": "replace", "path": "/properties/kind/$ref", "value": "../codes/1.1#/$defs/kind"},
        {"op": "add", "path": "/properties/to/properties/own_copy", "value": own_copy},
        {"op": "add", "path": "/properties/to/else/properties", "value": {"own_copy": False}},
    ]

    assert _read("envelope/1.1.json") == patched(_read("envelope/1.0.json"), new)


@pytest.mark.parametrize(("name", "values"), list(NAMED.items()))
def test_code_list_equals_the_vocabulary_when_code_decides_by_it(
    schema_set: SchemaSet, name: str, values: type[StrEnum]
) -> None:
    """What code decides by is what the list says."""
    codes = {each.code for each in schema_set.code_lists()[name].codes}

    assert codes == {value.value for value in values}


def test_code_lists_are_complete_when_read_in_three_languages(schema_set: SchemaSet) -> None:
    """Every list and code has a label in each language; every list has a source."""
    languages = {language.value for language in vocabulary.Language}
    lists = schema_set.code_lists()

    assert all(each.source and each.valid_from for each in lists.values())
    assert all(set(each.title) == languages for each in lists.values())
    for code_list in lists.values():
        codes = [each.code for each in code_list.codes]
        assert len(codes) == len(set(codes))
        for code in code_list.codes:
            assert set(code.labels) == languages
            assert all(label.strip() == label != "" for label in code.labels.values())


def test_code_lists_hold_the_standards_when_counted(schema_set: SchemaSet) -> None:
    """All of ISO 3166-1 is there, and the currencies of the Member Countries."""
    lists = schema_set.code_lists()
    currencies = {each.code for each in lists["currency"].codes}

    assert len(lists["country"].codes) == 249
    expected = {"BZD", "CAD", "CRC", "DOP", "USD", "GTQ", "HNL", "MXN", "NIO", "PAB", "HTG", "COP"}
    assert expected <= currencies


def test_documents_are_the_files_when_served(schema_set: SchemaSet) -> None:
    """What is served is what was published, byte for byte."""
    documents = schema_set.documents()

    assert {f"{path}.json" for path in documents} == set(DOCUMENTS)
    for path, content in documents.items():
        assert hashlib.sha256(content).hexdigest() == PUBLISHED[f"{path}.json"]

"""Do the schemas accept and refuse what the examples promise?"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.examples import Accepted, Case, accepted, cases
from schemas.loader import SchemaSet
from schemas.vocabulary import Kind
from tests.schemas.refusals import Refused, patched, refused, resolved

LOCAL_REF = re.compile("[A-Z]{1,3}[0-9]{1,4}")
KINDS = [kind.value for kind in Kind]


def _accepted() -> Iterator[Any]:
    for kind in KINDS:
        for example in accepted(kind):
            yield pytest.param(kind, example, id=f"{kind}/{example.name}")


def _refused() -> Iterator[Any]:
    for kind in [*KINDS, "envelope"]:
        for example in refused(kind):
            yield pytest.param(example, id=f"{kind}/{example.name}")


@pytest.mark.parametrize(("kind", "example"), list(_accepted()))
def test_violations_finds_none_when_the_example_is_accepted(
    schema_set: SchemaSet, kind: str, example: Accepted
) -> None:
    """An accepted example is a whole and faultless message of its kind."""
    actual = schema_set.violations(example.message, kind=kind, version="1.0")

    assert actual == ()
    assert schema_set.envelope_violations(example.message) == ()


@pytest.mark.parametrize("example", list(_refused()))
def test_violations_names_pointer_and_keyword_when_the_example_is_refused(
    schema_set: SchemaSet, example: Refused
) -> None:
    """A refused example produces exactly the violations that it promises."""
    kind = example.message["kind"]

    actual = schema_set.violations(example.message, kind=kind, version="1.0")

    assert actual == example.violations
    assert actual != ()


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_enough_when_a_kind_is_published(kind: str) -> None:
    """Every kind has three accepted and six refused examples at least."""
    assert len(list(accepted(kind))) >= 3
    assert len(list(refused(kind))) >= 6


def test_examples_are_enough_when_the_envelope_is_published() -> None:
    """The envelope has ten refused examples at least."""
    assert len(list(refused("envelope"))) >= 10


def test_accepted_ids_differ_when_examples_are_sent_together() -> None:
    """No two accepted examples share an id, so all can be sent in one run."""
    ids = [example.message["id"] for kind in KINDS for example in accepted(kind)]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases()])
def test_violations_finds_none_when_a_real_case_is_written(
    schema_set: SchemaSet, case: Case
) -> None:
    """A real case is a faultless message, and every fact stands where it says."""
    kind = case.message["kind"]

    actual = schema_set.violations(case.message, kind=kind, version="1.0")

    assert actual == ()
    assert case.facts
    for fact in case.facts:
        assert fact.pointers
        for pointer in fact.pointers:
            resolved(case.message, pointer)


@pytest.mark.parametrize("kind", [Kind.RECALL, Kind.RECTIFICATION])
def test_example_follows_its_message_when_it_takes_back_or_corrects(kind: Kind) -> None:
    """It comes from the sender, goes the same way, later, and points at what is there."""
    by_id = {each.message["id"]: each.message for name in KINDS for each in accepted(name)}

    for example in (each.message for each in accepted(kind)):
        body, concerned = example["body"], by_id[example["body"]["of"]]
        way = {name: value for name, value in example["to"].items() if name != "own_copy"}
        assert example["from"] == concerned["from"]
        assert way == concerned["to"]
        assert example["created"] > concerned["created"]
        assert body.get("replaced_by") not in {body["of"], example["id"]}
        for correction in body.get("corrections", []):
            resolved(concerned, correction["pointer"])


def _references(node: object, member: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _references(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value, member)
    elif isinstance(node, str) and LOCAL_REF.fullmatch(node):
        yield member, node


@pytest.mark.parametrize(
    "body",
    [
        *(pytest.param(each.values[1].message["body"], id=each.id) for each in _accepted()),
        *(pytest.param(case.message["body"], id=case.name) for case in cases()),
    ],
)
def test_references_name_an_item_when_an_example_points_to_one(body: dict[str, Any]) -> None:
    """In an example every reference names exactly one item of the same body."""
    found = list(_references(body))
    named = [text for member, text in found if member == "ref"]
    # A question is an item of the message that is answered, not of the answer.
    pointed = {text for member, text in found if member not in {"ref", "question"}}

    assert len(named) == len(set(named))
    assert pointed <= set(named)


def test_patched_leaves_the_original_when_it_changes_a_copy() -> None:
    """A patch adds, replaces and removes in a copy, in lists and in objects."""
    original = {"list": [1, 2, 3], "a/b": {"c": 1}}

    actual = patched(
        original,
        [
            {"op": "add", "path": "/list/0", "value": 0},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "replace", "path": "/list/1", "value": 10},
            {"op": "remove", "path": "/list/2"},
            {"op": "replace", "path": "/a~1b/c", "value": 2},
            {"op": "add", "path": "/new", "value": True},
            {"op": "remove", "path": "/a~1b/c"},
        ],
    )

    assert actual == {"list": [0, 10, 3, 4], "a/b": {}, "new": True}
    assert original == {"list": [1, 2, 3], "a/b": {"c": 1}}


@pytest.mark.parametrize("path", ["/absent", "/list/9"])
def test_patched_raises_when_it_replaces_what_is_not_there(path: str) -> None:
    """An example whose base has changed under it is an error, not a silent addition."""
    with pytest.raises(LookupError):
        patched({"list": []}, [{"op": "replace", "path": path, "value": 1}])


def test_patched_raises_when_the_operation_is_another() -> None:
    """Examples stay simple: add, replace and remove."""
    with pytest.raises(ValueError, match="not move"):
        patched({"a": 1}, [{"op": "move", "path": "/a", "from": "/b"}])

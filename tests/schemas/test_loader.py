"""Is validation closed, complete, ordered and safe against what senders write?"""

import socket
import time
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies

from schemas.examples import accepted
from schemas.loader import BASE, POINTER_AT_MOST, UNREADABLE, SchemaSet, Violation
from schemas.vocabulary import Kind


@pytest.fixture
def message() -> dict[str, Any]:
    """A route report that is accepted."""
    return deepcopy(next(accepted("route-report")).message)


def _check(schema_set: SchemaSet, document: object, limit: int = 50) -> tuple[Violation, ...]:
    return schema_set.violations(document, kind="route-report", version="1.0", limit=limit)


def test_load_knows_every_kind_when_the_vocabulary_names_it(schema_set: SchemaSet) -> None:
    """Every kind has version 1.0; what is no kind has none."""
    assert all(schema_set.versions(kind) == ("1.0",) for kind in Kind)
    assert all(schema_set.knows(kind, "1.0") for kind in Kind)
    assert schema_set.versions("common") == ()
    assert not schema_set.knows("route-report", "9.9")


def test_load_shows_the_newest_list_when_it_has_several_versions(schema_set: SchemaSet) -> None:
    """Who looks up a code finds those of today."""
    kinds = schema_set.code_lists()["kind"]

    assert kinds.version == "1.1"
    assert {each.code for each in kinds.codes} == set(Kind)


def test_violations_raises_when_the_kind_is_unknown(schema_set: SchemaSet) -> None:
    """Nothing is promised about a kind that was never published."""
    with pytest.raises(KeyError):
        schema_set.violations({}, kind="gossip", version="1.0")


def test_violations_names_the_kind_when_it_is_not_the_one_asked(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """A body is never checked as another kind than the message says."""
    message["kind"] = "reply"

    actual = _check(schema_set, message)

    assert Violation(pointer="/kind", keyword="const") in actual


@pytest.mark.parametrize("document", [None, [], "text", 1, True])
def test_violations_points_at_the_root_when_the_document_is_no_object(
    schema_set: SchemaSet, document: object
) -> None:
    """What is not an object is refused as a whole."""
    assert Violation(pointer="", keyword="type") in _check(schema_set, document)


def test_violations_refuses_when_the_document_nests_too_deeply(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """Depth ends in a refusal, never in a crash."""
    nested: dict[str, Any] = {}
    for _ in range(2_000):
        nested = {"a": [nested]}

    assert _check(schema_set, {**message, "body": nested}) == (UNREADABLE,)
    assert _check(schema_set, {**message, "\ud800": 1}) == (UNREADABLE,)


def test_violations_names_every_unknown_member_when_there_are_several(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """Each unknown member has a violation of its own, escaped as RFC 6901 asks."""
    message["body"] |= {"a/b": 1, "c~d": 2, "é\n": 3}

    actual = _check(schema_set, message)

    assert [each.pointer for each in actual] == [
        "/body/a~1b",
        "/body/c~0d",
        "/body/\\u00e9\\u000a",
    ]
    assert {each.keyword for each in actual} == {"additionalProperties"}


def test_violations_shortens_the_pointer_when_a_member_name_is_long(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """An invented name cannot make an answer long."""
    message["x" * 10_000] = 1

    (actual,) = _check(schema_set, message)

    assert len(actual.pointer) == POINTER_AT_MOST
    assert actual.pointer.endswith("x...")


def test_violations_stops_at_the_limit_when_there_are_more(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """Fifty violations are reported unless another number is asked for."""
    message["body"] |= {f"unknown_{number:03}": 1 for number in range(200)}

    assert len(_check(schema_set, message)) == 50
    assert len(_check(schema_set, message, limit=7)) == 7
    assert _check(schema_set, message, limit=7) == _check(schema_set, message)[:7]


def test_violations_keeps_one_order_when_members_are_shuffled(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """The order of the answer comes from the pointers, and 9 comes before 10."""
    leg = message["body"]["routes"][0]["legs"][0]
    message["body"]["routes"][0]["legs"] = [{**leg, "modes": ["teleport"]} for _ in range(12)]
    shuffled = dict(reversed(message.items()))

    actual = _check(schema_set, message)

    assert actual == _check(schema_set, shuffled)
    assert [each.pointer for each in actual] == [
        f"/body/routes/0/legs/{position}/modes/0" for position in range(12)
    ]


def test_violations_repeats_no_value_when_the_sender_hides_one(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """A secret in a wrong place does not come back in the answer."""
    message |= {"case": "secret value!", "urgency": "secret", "id": {"secret": 1}}

    actual = _check(schema_set, message)

    assert len(actual) == 3
    assert "secret" not in repr(actual)


@pytest.mark.parametrize("ending", ["\n", "\r", "\u2028", " "])
@pytest.mark.parametrize("path", [("id",), ("case",), ("from", "country"), ("from", "agency")])
def test_violations_refuses_when_an_identifier_has_a_tail(
    schema_set: SchemaSet, message: dict[str, Any], path: tuple[str, ...], ending: str
) -> None:
    """The end of a pattern is the end of the text, also before a newline."""
    holder = message
    for member in path[:-1]:
        holder = holder[member]
    holder[path[-1]] += ending

    actual = _check(schema_set, message)

    assert {each.pointer for each in actual} == {"/" + "/".join(path)}


@pytest.mark.parametrize(
    "text", ["\u0000", "\u0007", "\u009b", "\u202e", "\u2066", "\u200f", "\ufeff", "\r"]
)
def test_violations_refuses_when_text_could_deceive_its_reader(
    schema_set: SchemaSet, message: dict[str, Any], text: str
) -> None:
    """Control and direction characters are in no text."""
    message["body"]["summary"] = f"before{text}after"

    assert _check(schema_set, message) == (Violation(pointer="/body/summary", keyword="pattern"),)


def test_violations_accepts_when_text_has_lines_and_accents(
    schema_set: SchemaSet, message: dict[str, Any]
) -> None:
    """New lines, tabs, accents and other scripts are text."""
    message["body"]["summary"] = "Línea uno\n\tlínea dos: Türkiye, नेपाल, 中国"

    assert _check(schema_set, message) == ()


@pytest.mark.parametrize(
    "hostile", ["a" * 250_000 + "!", "a-" * 120_000, "\n" * 250_000, "0" * 250_000 + "."]
)
def test_violations_answers_soon_when_a_text_is_made_to_backtrack(
    schema_set: SchemaSet, message: dict[str, Any], hostile: str
) -> None:
    """No pattern takes more than linear time."""
    message["from"]["agency"] = message["case"] = message["to"] = hostile
    message["body"]["summary"] = message["body"]["title"] = hostile
    message["body"]["routes"][0]["first_seen"] = {"date": hostile}

    started = time.perf_counter()
    actual = _check(schema_set, message)

    assert len(actual) >= 5
    assert time.perf_counter() - started < 5


def test_load_refuses_when_a_schema_refers_outside_the_package(schema_set: SchemaSet) -> None:
    """A remote reference is an error, and nobody is asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        port = elsewhere.getsockname()[1]
        remote = {"$id": BASE + "reply/1.0", "$ref": f"http://127.0.0.1:{port}/schema"}
        documents = {**schema_set.documents(), "reply/1.0": orjson.dumps(remote)}

        with pytest.raises(ValueError, match="none is fetched"):
            SchemaSet(documents=documents, code_lists={})

        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.parametrize("reference", ["file:///etc/hostname", "../absent/1.0"])
def test_load_refuses_when_a_schema_refers_to_what_is_not_published(
    schema_set: SchemaSet, reference: str
) -> None:
    """Neither the disk nor a missing version answers a reference."""
    other = {"$id": BASE + "reply/1.0", "$ref": reference}
    documents = {**schema_set.documents(), "reply/1.0": orjson.dumps(other)}

    with pytest.raises(ValueError, match="none is fetched"):
        SchemaSet(documents=documents, code_lists={})


_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=20,
)


@given(document=_JSON, body=_JSON)
def test_violations_is_bounded_and_plain_when_the_message_is_anything(
    schema_set: SchemaSet, document: object, body: object
) -> None:
    """Whatever is sent, the answer is some violations, each short and in plain ASCII."""
    for anything in (document, {"body": body}):
        actual = _check(schema_set, anything)

        assert 1 <= len(actual) <= 50
        assert all(each.pointer.isascii() and each.pointer.isprintable() for each in actual)
        assert all(len(each.pointer) <= POINTER_AT_MOST for each in actual)

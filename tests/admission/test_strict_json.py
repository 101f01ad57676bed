"""Strict JSON: agrees with everybody on ordinary documents, refuses what parsers differ on."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.admission.json_faults import MAX_POINTER_CHARS
from broker.admission.strict_json import parse
from broker.errors import Code, DocumentError

BIG = 2**53 - 1
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-BIG, max_value=BIG)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(codec="utf-8"))
)
NAMES = st.text(alphabet=st.characters(codec="utf-8"))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20
)


@given(st.dictionaries(NAMES, VALUES), st.booleans())
def test_parse_agrees_with_the_standard_library_when_json_is_ordinary(
    document: dict[str, Any],
    ascii_only: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    """What everybody reads alike is read alike here too."""
    body = json.dumps(document, ensure_ascii=ascii_only).encode()

    assert parse(body, max_depth=1000) == json.loads(body)


@given(st.binary(max_size=64))
def test_parse_raises_nothing_else_when_bytes_are_arbitrary(body: bytes) -> None:
    """Whatever comes, the answer is an object or a document error."""
    try:
        document = parse(body)
    except DocumentError:
        return

    assert isinstance(document, dict)


def nested(levels: int, inner: bytes = b"1") -> bytes:
    """Objects in objects."""
    return b'{"a":' * levels + inner + b"}" * levels


REFUSED = {
    "duplicate member": (b'{"a":1,"a":2}', Code.JSON_DUPLICATE_KEY, "/a"),
    "duplicate member deep inside": (
        b'{"x":[{"b":{"a":1,"a":1}}]}', Code.JSON_DUPLICATE_KEY, "/x/0/b/a",
    ),
    "duplicate by an escape": (b'{"alg":1,"\\u0061lg":2}', Code.JSON_DUPLICATE_KEY, "/alg"),
    "duplicate whose first value is deep": (
        b'{"a":' + nested(900) + b',"a":1}', Code.JSON_DUPLICATE_KEY, "/a",
    ),
    "NaN": (b'{"a":NaN}', Code.JSON_NUMBER, "/a"),
    "Infinity": (b'{"a":[0,Infinity]}', Code.JSON_NUMBER, "/a/1"),
    "minus Infinity": (b'{"a":-Infinity}', Code.JSON_NUMBER, "/a"),
    "a float too large": (b'{"a":1e999}', Code.JSON_NUMBER, "/a"),
    "an integer above 2^53 - 1": (b'{"a":9007199254740992}', Code.JSON_NUMBER, "/a"),
    "an integer below -(2^53 - 1)": (b'{"a":-9007199254740992}', Code.JSON_NUMBER, "/a"),
    "2^64": (b'{"a":18446744073709551616}', Code.JSON_NUMBER, "/a"),
    "an integer of 5000 digits": (b'{"a":' + b"9" * 5000 + b"}", Code.JSON_NUMBER, "/a"),
    "a lone surrogate": (b'{"a/b~":"\\ud800"}', Code.JSON_ENCODING, "/a~1b~0"),
    "a lone surrogate in a name": (b'{"a":{"\\udfff":1}}', Code.JSON_ENCODING, "/a"),
    "a value below such a name": (b'{"\\udfff":{"a":1,"a":1}}', Code.JSON_ENCODING, ""),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', Code.JSON_ENCODING, None),
    "UTF-16 with mark": ('{"a":1}'.encode("utf-16"), Code.JSON_ENCODING, None),
    "UTF-16 little end first": ('{"a":1}'.encode("utf-16-le"), Code.JSON_ENCODING, None),
    "UTF-16 big end first": ('{"a":1}'.encode("utf-16-be"), Code.JSON_ENCODING, None),
    "UTF-32": ('{"a":1}'.encode("utf-32-be"), Code.JSON_ENCODING, None),
    "Latin-1": ('{"a":"ñ"}'.encode("latin-1"), Code.JSON_ENCODING, None),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}', Code.JSON_ENCODING, None),
    "33 levels of objects": (nested(33), Code.JSON_DEPTH, "/a" * 32),
    "32 objects and an array": (nested(32, b"[1]"), Code.JSON_DEPTH, "/a" * 32),
    "33 arrays": (b'{"a":' + b"[" * 33 + b"]" * 33 + b"}", Code.JSON_DEPTH, "/a" + "/0" * 31),
    "5000 levels": (nested(5000), Code.JSON_DEPTH, None),
    "100000 levels": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Code.JSON_DEPTH, None),
    "100000 levels never closed": (b'{"a":' + b"[" * 100_000, Code.JSON_DEPTH, None),
    "trailing bytes": (b'{"a":1}x', Code.JSON_SYNTAX, None),
    "a second document": (b'{"a":1}{"a":2}', Code.JSON_SYNTAX, None),
    "trailing NUL": (b'{"a":1}\0', Code.JSON_SYNTAX, None),
    "an array": (b'[{"a":1}]', Code.JSON_SYNTAX, None),
    "null": (b"null", Code.JSON_SYNTAX, None),
    "nothing": (b"", Code.JSON_SYNTAX, None),
    "a leading zero": (b'{"a":01}', Code.JSON_SYNTAX, None),
    "a comment": (b'{"a":1/**/}', Code.JSON_SYNTAX, None),
    "a trailing comma": (b'{"a":1,}', Code.JSON_SYNTAX, None),
    "a raw control character": (b'{"a":"\x01"}', Code.JSON_SYNTAX, None),
    "single quotes": (b"{'a':1}", Code.JSON_SYNTAX, None),
}  # fmt: skip


@pytest.mark.parametrize(("body", "code", "pointer"), REFUSED.values(), ids=REFUSED)
def test_parse_names_rule_and_place_when_readers_could_differ(
    body: bytes, code: Code, pointer: str | None
) -> None:
    """Each rule has its code, and a pointer where the document can be walked."""
    with pytest.raises(DocumentError) as caught:
        parse(body)

    assert caught.value.code is code
    expected = [] if pointer is None else [(pointer, code.value)]
    assert [(each.pointer, each.code) for each in caught.value.problems] == expected


ACCEPTED = {
    "the largest integer": (b'{"a":9007199254740991}', {"a": BIG}),
    "the smallest integer": (b'{"a":-9007199254740991}', {"a": -BIG}),
    "32 levels": (nested(31, b"{}"), json.loads(nested(31, b"{}"))),
    "32 levels among many brackets": (
        b'{"b":[' + b"[]," * 40 + b'0],"a":' + nested(30, b"[]") + b"}",
        {"b": [*([] for _ in range(40)), 0], "a": json.loads(nested(30, b"[]"))},
    ),
    "a surrogate pair": (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    "white space around": (b' \n{"a" : 1}\r\n\t', {"a": 1}),
    "names that differ by normalisation": (
        '{"\u00e9":1,"e\u0301":2}'.encode(), {"\u00e9": 1, "e\u0301": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "document"), ACCEPTED.values(), ids=ACCEPTED)
def test_parse_reads_a_document_when_it_is_just_inside(
    body: bytes, document: dict[str, Any]
) -> None:
    """The limits themselves are allowed."""
    assert parse(body) == document


def test_parse_refuses_by_size_when_a_byte_too_many() -> None:
    """Size is measured before anything is decoded."""
    body = b'{"a":"' + b"x" * 92 + b'"}'

    assert parse(body, max_bytes=100)
    with pytest.raises(DocumentError) as caught:
        parse(b"\xff" * 101, max_bytes=100)
    assert caught.value.code is Code.TOO_LARGE


def test_parse_points_to_an_ancestor_when_a_name_is_long() -> None:
    """An answer does not carry the sender's text back at length."""
    body = b'{"a":{"' + b"n" * 10_000 + b'":NaN}}'

    with pytest.raises(DocumentError) as caught:
        parse(body)

    (problem,) = caught.value.problems
    assert problem.pointer == "/a"
    assert len(problem.pointer) <= MAX_POINTER_CHARS

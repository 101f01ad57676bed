"""JSON that says one thing."""

import pytest

from keys import strict_json
from keys.errors import KeyFormatError


@pytest.mark.parametrize(
    "data",
    [
        b'{"alg":"Ed25519","alg":"none"}',
        b'{"a":{"b":1,"\\u0062":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}x',
        b'{"a":"\\ud800"}',
        b'{"\\uDFFF":1}',
        b'{"a":["\\udc00\\ud800"]}',
        b'{"a":\xff}',
        b"[]",
        b"",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
    ],
    ids=str,
)
def test_parse_object_refuses_what_two_readers_could_read_differently(data: bytes) -> None:
    """Duplicate members, NaN, byte order marks, half a character, trailing bytes, no end."""
    with pytest.raises(KeyFormatError):
        strict_json.parse_object(data)


def test_parse_object_takes_a_character_that_is_written_as_a_pair() -> None:
    """That is how JSON writes it in ASCII."""
    assert strict_json.parse_object(b'{"a":"\\ud83d\\ude00","b":"\\\\ud800"}') == {
        "a": "\U0001f600",
        "b": "\\ud800",
    }


def test_write_gives_one_spelling_whatever_the_order() -> None:
    """Members are sorted, nothing stands between them, and all is ASCII."""
    assert strict_json.write({"b": "ñ", "a": [1]}) == b'{"a":[1],"b":"\\u00f1"}'

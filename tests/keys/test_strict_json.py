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
        b'{"a":\xff}',
        b"[]",
        b"",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
    ],
    ids=str,
)
def test_parse_object_refuses_what_two_readers_could_read_differently(data: bytes) -> None:
    """Duplicate members, NaN, byte order marks, trailing bytes and bottomless depth."""
    with pytest.raises(KeyFormatError):
        strict_json.parse_object(data)


def test_write_gives_one_spelling_whatever_the_order() -> None:
    """Members are sorted, nothing stands between them, and all is ASCII."""
    assert strict_json.write({"b": "ñ", "a": [1]}) == b'{"a":[1],"b":"\\u00f1"}'

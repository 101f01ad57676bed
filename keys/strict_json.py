"""JSON that says one thing: no member twice, no NaN, no lone surrogate.

Every stock parser takes the last of two members with one name, so two readers of the same
header can see two algorithms (RFC 7515 section 4 lets a reader refuse it; we do).
"""

import json
import re
from typing import Final, NoReturn, TypeAlias

from keys.errors import KeyFormatError

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, JsonValue]
SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_object(data: bytes) -> JsonObject:
    """Read a UTF-8 JSON object whose members all have different names.

    The caller caps the size: nesting is refused only where Python's own stack ends.

    Raises:
        KeyFormatError: Not UTF-8, not JSON, not an object, a member stands twice, or half a
            surrogate pair stands alone.
    """
    try:
        value = DECODER.decode(data.decode("utf-8"))
        if SURROGATE.search(data):
            # A pair is one character. Half of one is none, and cannot be written as UTF-8.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise KeyFormatError("not a strict JSON object") from None
    if not isinstance(value, dict):
        raise KeyFormatError("not a strict JSON object")
    return value


def write(value: JsonObject) -> bytes:
    """Write a JSON object in ASCII, members sorted and nothing between them."""
    return ENCODER.encode(value).encode("ascii")


def _object_of(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError


DECODER = json.JSONDecoder(object_pairs_hook=_object_of, parse_constant=_refuse_constant)
ENCODER = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True
)

"""Do these bytes say one thing, and the same to every reader?

Parsers forgive: all take the last of two members with one name, some read ``NaN``, UTF-16
or half a surrogate. Two readers of such a document can see two documents, so it is refused.
The common case is fast, about 26 µs for 2 KiB; why a document was refused is found out
afterwards, in :mod:`broker.admission.json_faults`.
"""

import json
from typing import Final

import orjson

from broker.admission.json_faults import MAX_INTEGER_DIGITS, MAX_SAFE_INTEGER, find_fault
from broker.errors import Code, DocumentError
from broker.model.names import Json

MAX_BYTES: Final = 262_144
"""docs/protocol.md, "A message"; forty times the largest real report."""
MAX_DEPTH: Final = 32
"""docs/protocol.md; the deepest schema needs 9."""


CONTAINERS: Final = (dict, list)


class _RefusedError(ValueError):
    """The decoder met what it must not read; which rule that breaks is found out later."""


def parse(
    body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> dict[str, Json]:
    """Read one JSON object, or say which rule the bytes break and where.

    Args:
        body: UTF-8 without a byte order mark.
        max_bytes: Measured before anything is decoded.
        max_depth: The outermost object is level 1.

    Returns:
        Integers within ±(2^53 - 1), finite numbers, whole Unicode characters.

    Raises:
        DocumentError: ``TOO_LARGE``, or a ``JSON_…`` code with the pointer where there is one.

    Source:
        RFC 8259 sections 4, 8.1 and 9 (limits); RFC 7493 sections 2.1 to 2.3.
    """
    if len(body) > max_bytes:
        raise DocumentError(Code.TOO_LARGE)
    try:
        # orjson is the gate: it refuses bad UTF-8, NaN, overflowing numbers, lone
        # surrogates and trailing bytes, but keeps the last of two equal names.
        gate = orjson.loads(body)
        if not isinstance(gate, dict) or _is_deeper(body, gate, max_depth):
            raise _RefusedError
        document: dict[str, Json] = DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise find_fault(body, max_depth=max_depth) from None
    return document


def _is_deeper(body: bytes, document: Json, max_depth: int) -> bool:
    # Each level needs a bracket, so few brackets settle it without a walk.
    if body.count(b"{") + body.count(b"[") <= max_depth:
        return False
    level: list[Json] = [document]
    for _ in range(max_depth):
        # Exact types: orjson makes no subclasses, and ``isinstance`` took half of the walk.
        below: list[Json] = []
        for parent in level:
            children = parent.values() if isinstance(parent, dict) else parent
            below += [child for child in children if type(child) in CONTAINERS]  # type: ignore[union-attr] # a container, by the line below
        if not below:
            return False
        level = below
    return True


def _object_of(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError
    return members


def _safe_integer(digits: str) -> int:
    # The length first: Python's own reader is quadratic in it.
    if len(digits) > MAX_INTEGER_DIGITS or abs(value := int(digits)) > MAX_SAFE_INTEGER:
        raise _RefusedError
    return value


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object_of, parse_int=_safe_integer)

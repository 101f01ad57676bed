"""Why was this JSON refused, and where? Asked only once the answer is no.

The document is decoded again, this time keeping what a decoder throws away: members that
stand twice, and numbers as they were written.
"""

import json
import math
from dataclasses import dataclass
from typing import Final, TypeAlias

from broker.errors import Code, DocumentError, FieldProblem

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest whole number that every JSON reader agrees on (RFC 7493 section 2.2)."""
MAX_INTEGER_DIGITS: Final = 17
"""Sixteen digits and a sign."""
MAX_POINTER_CHARS: Final = 256
"""An answer names a place; it does not carry the sender's own text back at length."""
UTF8_BOM: Final = b"\xef\xbb\xbf"
WIDE_PREFIX_BYTES: Final = 4
"""ASCII in UTF-16 or UTF-32 shows a NUL among its first four bytes."""


@dataclass(frozen=True, slots=True)
class _Members:
    pairs: list[tuple[str, "_Node"]]


@dataclass(frozen=True, slots=True)
class _Number:
    is_safe: bool


_Node: TypeAlias = "_Members | _Number | list[_Node] | str | bool | None"


def find_fault(body: bytes, *, max_depth: int) -> DocumentError:
    """Name the first rule, in the order of the document, that the bytes break."""
    if body.startswith(UTF8_BOM) or b"\0" in body[:WIDE_PREFIX_BYTES]:
        return DocumentError(Code.JSON_ENCODING)
    try:
        root: _Node = DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        return DocumentError(Code.JSON_ENCODING)
    except RecursionError:
        return DocumentError(Code.JSON_DEPTH)
    except ValueError:
        return DocumentError(Code.JSON_SYNTAX)
    fault = _first_fault(root, max_depth)
    if fault is None:
        # What is left: an outermost value that is no object, or a spelling that only
        # orjson refuses.
        return DocumentError(Code.JSON_SYNTAX)
    path, code = fault
    return DocumentError(code, problems=[FieldProblem(pointer=_pointer(path), code=code.value)])


def _first_fault(root: _Node, max_depth: int) -> tuple[tuple[str, ...], Code] | None:
    # An explicit stack: Python's own would end before a hostile document does.
    stack: list[tuple[tuple[str, ...], _Node]] = [((), root)]
    while stack:
        path, node = stack.pop()
        code = _fault_of(node, len(path) >= max_depth)
        if code is Code.JSON_DUPLICATE_KEY and isinstance(node, _Members):
            return (*path, _doubled(node)), code
        if code is not None:
            return path, code
        if isinstance(node, _Members | list):
            stack.extend(((*path, name), child) for name, child in reversed(_children(node)))
    return None


def _fault_of(node: _Node, at_limit: bool) -> Code | None:  # noqa: FBT001 - a fact, not a mode
    if isinstance(node, _Members | list):
        return Code.JSON_DEPTH if at_limit else _name_fault(node)
    if isinstance(node, _Number) and not node.is_safe:
        return Code.JSON_NUMBER
    if isinstance(node, str) and not _is_whole(node):
        return Code.JSON_ENCODING
    return None


def _children(node: "_Members | list[_Node]") -> list[tuple[str, _Node]]:
    if isinstance(node, _Members):
        return node.pairs
    return [(str(index), child) for index, child in enumerate(node)]


def _name_fault(node: "_Members | list[_Node]") -> Code | None:
    if isinstance(node, list):
        return None
    names = [name for name, _ in node.pairs]
    if not all(map(_is_whole, names)):
        return Code.JSON_ENCODING
    return Code.JSON_DUPLICATE_KEY if len(set(names)) != len(names) else None


def _doubled(node: _Members) -> str:
    """The first name that was there before."""
    seen: set[str] = set()
    for name, _ in node.pairs:
        if name in seen:
            return name
        seen.add(name)
    raise RuntimeError("asked for a double where there is none")


def _is_whole(text: str) -> bool:
    """Whether no character is half a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _pointer(path: tuple[str, ...]) -> str:
    """Write the place; the nearest ancestor stands in for one that is too long to say."""
    pointer = ""
    for name in path:
        longer = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        if len(longer) > MAX_POINTER_CHARS or not _is_whole(name):
            break
        pointer = longer
    return pointer


def _integer(digits: str) -> _Number:
    is_short = len(digits) <= MAX_INTEGER_DIGITS
    return _Number(is_short and abs(int(digits)) <= MAX_SAFE_INTEGER)


def _float(digits: str) -> _Number:
    return _Number(math.isfinite(float(digits)))


def _constant(_: str) -> _Number:
    return _Number(is_safe=False)


DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=_integer, parse_float=_float, parse_constant=_constant
)

"""Does this body tell in words what codes could say (SG-10)?

A body of ``protection`` carries codes and pseudonyms. A few members must hold words: a title,
the name of a place or a service, a question. The policy lists those, each with a length in which
no story fits; what is not listed may hold none.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from broker.model.names import Json

PROSE: Final = frozenset({"note", "text", "summary"})
"""Made for words: whatever stands there counts."""
SEVERAL_WORDS: Final = re.compile(r"\s")
LONGEST_CODE: Final = 64
ANY_INDEX: Final = "*"

Path: TypeAlias = tuple[str, ...]


def tells(body: Json, allowed: Mapping[str, int]) -> bool:
    """Say whether a body has words where they are not allowed, or more than are.

    Args:
        body: Valid by its schema.
        allowed: ``title`` or ``questions/*/text``: how a member's path ends, and how many
            characters it may have at most.
    """
    ends = {tuple(end.split("/")): most for end, most in allowed.items()}
    stack: list[tuple[Path, Json]] = [((), body)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict):
            stack.extend(((*path, name), each) for name, each in node.items())
        elif isinstance(node, list):
            stack.extend(((*path, ANY_INDEX), each) for each in node)
        elif isinstance(node, str) and _has_words(path, node) and len(node) > _most(path, ends):
            return True
    return False


def length_at(end: str, allowed: Mapping[str, int]) -> int:
    """Say how many characters a member whose path ends so may have; 0 if no words at all."""
    ends = {tuple(each.split("/")): most for each, most in allowed.items()}
    return _most(tuple(end.split("/")), ends)


def _has_words(path: Path, text: str) -> bool:
    return (
        _name(path) in PROSE
        or SEVERAL_WORDS.search(text) is not None
        or (len(text) > LONGEST_CODE and "://" not in text)
    )


def _name(path: Path) -> str:
    """Name the member that a text stands in, be it in a list there."""
    return next((each for each in reversed(path) if each != ANY_INDEX), "")


def _most(path: Path, ends: Mapping[Path, int]) -> int:
    while path and path[-1] == ANY_INDEX:
        path = path[:-1]
    lengths = [ends[path[start:]] for start in range(len(path)) if path[start:] in ends]
    # The longest ending that is listed says most exactly what is meant.
    return lengths[0] if lengths else 0

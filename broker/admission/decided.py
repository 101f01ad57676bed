"""Which policy is in force: the standard one, or the last that was decided?"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from broker.admission.policy import EMPTY_POLICY, STANDARD_POLICY, Policy
from broker.admission.policy_form import PolicyError
from broker.directory import Directory
from keys.strict_json import JsonObject, parse_object, write

MOST_SKIPPED: Final = 1000
"""How many numbers a policy may leave out."""
REMEMBERED: Final = 16
"""How many decided policies a process keeps read: a desk opens what is older than the newest."""


def policy_in_force(directory: Directory) -> Policy:
    """Which rules count at the moment of this directory?"""
    return policy_of(directory.safeguards)


def policy_of(decided: Sequence[JsonObject]) -> Policy:
    """Read the last of the policies that were decided, the oldest first.

    None at all leaves the standard one. One that is empty, cannot be read, or has a version
    that is not above all before it, or is far above, denies everything: nobody could say what
    was meant.
    """
    if not decided:
        return STANDARD_POLICY
    last = read(decided[-1])
    return last if follows(last.version, highest_version(decided[:-1])) else EMPTY_POLICY


def highest_version(decided: Iterable[JsonObject]) -> int:
    """Above which version must the next one be? Versions rise, so that each names one policy."""
    highest = STANDARD_POLICY.version
    for each in decided:
        # Who numbers one so high that none could follow has not used the numbers up.
        if follows(version := _version(each), highest):
            highest = version
    return highest


def follows(version: int, highest: int) -> bool:
    """Whether this number comes after that one, with few left out."""
    return highest < version <= highest + MOST_SKIPPED


def read(decided: JsonObject) -> Policy:
    """Read a decided policy; one that is none denies everything."""
    try:
        return _read(write(decided))
    except (ValueError, RecursionError):
        # ``1e999``, or lists in lists without end: JSON that no one can write again.
        return EMPTY_POLICY


@lru_cache(maxsize=REMEMBERED)
def _read(text: bytes) -> Policy:
    try:
        return Policy.from_json(parse_object(text))
    except PolicyError:
        return EMPTY_POLICY


def _version(decided: JsonObject) -> int:
    """Tell the version that it gives itself, be the rest readable or not."""
    version = decided.get("version")
    return version if isinstance(version, int) and not isinstance(version, bool) else 0

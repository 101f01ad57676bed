"""Which policy is in force: the standard one, or the last that was decided?"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from broker.admission.policy import EMPTY_POLICY, STANDARD_POLICY, Policy
from broker.admission.policy_form import PolicyError
from broker.directory import Directory
from keys.strict_json import JsonObject, parse_object, write

REMEMBERED: Final = 16
"""How many decided policies a process keeps read: a desk opens what is older than the newest."""


def policy_in_force(directory: Directory) -> Policy:
    """Which rules count at the moment of this directory?"""
    return policy_of(directory.safeguards)


def policy_of(decided: Sequence[JsonObject]) -> Policy:
    """Read the last of the policies that were decided, the oldest first.

    None at all leaves the standard one. One that is empty, cannot be read, or has a version
    that is not above all before it, denies everything: nobody could say what was meant.
    """
    if not decided:
        return STANDARD_POLICY
    last = read(decided[-1])
    return last if last.version > highest_version(decided[:-1]) else EMPTY_POLICY


def highest_version(decided: Iterable[JsonObject]) -> int:
    """Above which version must the next one be? Versions rise, so that each names one policy."""
    return max((STANDARD_POLICY.version, *(_version(each) for each in decided)))


def read(decided: JsonObject) -> Policy:
    """Read a decided policy; one that is none denies everything."""
    return _read(write(decided))


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

"""What do we ask of keys, and of those who decide on them? Data, in ``policy.toml``."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from types import MappingProxyType
from typing import Final

from keys.errors import PolicyError
from keys.key import KeyUse
from keys.strict_json import JsonObject, JsonValue

SPAN: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
UNITS: Final = MappingProxyType({"s": "seconds", "m": "minutes", "h": "hours", "d": "days"})
LONGEST_LOCK: Final = timedelta(days=30)
LONGEST_SPAN: Final = timedelta(days=36_525)
"""With one of thousands of years no date could be reckoned any more."""
USES: Final = tuple(use for use in KeyUse if use is not KeyUse.ROOT_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePolicy:
    """What is asked of the keys of one use."""

    life: timedelta
    announce: timedelta
    overlap: timedelta
    grace: timedelta
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """All of it; see ``policy.toml`` for what each means."""

    root_life: timedelta
    time_lock: timedelta
    replacement_lock: timedelta
    ratify_within: timedelta
    warn_at_percent: int
    warn_before: tuple[timedelta, ...]
    uses: Mapping[KeyUse, UsePolicy]

    @classmethod
    def from_json(cls, value: JsonObject) -> "KeyPolicy":
        """Read a policy; each part that it leaves out is the standard one's.

        Raises:
            PolicyError: An unknown part or member, or a value of the wrong form.
        """
        whole = _merged(_STANDARD_JSON, value, "policy")
        root, decisions = _table(whole, "root"), _table(whole, "decisions")
        warnings, uses = _table(whole, "warnings"), _table(whole, "uses")
        policy = cls(
            root_life=_span(root["life"]),
            time_lock=_span(decisions["time_lock"]),
            replacement_lock=_span(decisions["replacement_lock"]),
            ratify_within=_span(decisions["ratify_within"]),
            warn_at_percent=_percent(warnings["life_percent"]),
            warn_before=tuple(sorted(map(_span, _list(warnings["before"])), reverse=True)),
            uses=MappingProxyType({use: _use(use, _table(uses, use.value)) for use in USES}),
        )
        _check(policy)
        return policy


def _merged(standard: JsonObject, given: JsonObject, where: str) -> JsonObject:
    unknown = given.keys() - standard.keys()
    if unknown:
        raise PolicyError(f"{where}: has a member that no policy has")
    merged: JsonObject = {}
    for name, usual in standard.items():
        value = given.get(name, usual)
        if isinstance(usual, dict):
            if not isinstance(value, dict):
                raise PolicyError(f"{where}.{name}: must be a table")
            value = _merged(usual, value, f"{where}.{name}")
        merged[name] = value
    return merged


def _table(value: JsonObject, name: str) -> JsonObject:
    found = value[name]
    if not isinstance(found, dict):
        raise PolicyError(f"{name}: must be a table")
    return found


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise PolicyError("expected a list")
    return value


def _span(value: JsonValue) -> timedelta:
    found = SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PolicyError("expected a span such as 24h or 30d")
    span = timedelta(**{UNITS[found[2]]: int(found[1])})
    if span > LONGEST_SPAN:
        raise PolicyError("a span is of a hundred years at most")
    return span


def _percent(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 99:  # noqa: PLR2004
        raise PolicyError("expected a percentage from 1 to 99")
    return value


def _check(policy: KeyPolicy) -> None:
    """Refuse what could not be undone: a lock that nobody lives to see the end of."""
    if max(policy.time_lock, policy.replacement_lock, policy.ratify_within) > LONGEST_LOCK:
        raise PolicyError("decisions: a lock of more than 30 days could not be undone")
    if policy.replacement_lock > policy.time_lock:
        raise PolicyError("decisions: replacement_lock is the shorter one")


def _use(use: KeyUse, value: JsonObject) -> UsePolicy:
    algorithms = frozenset(str(name) for name in _list(value["algorithms"]))
    usual = _table(_table(_STANDARD_JSON, "uses"), use.value)["algorithms"]
    if not algorithms or not algorithms <= frozenset(map(str, _list(usual))):
        raise PolicyError("algorithms: at least one, and only those that this program knows")
    return UsePolicy(
        life=_span(value["life"]),
        announce=_span(value["announce"]),
        overlap=_span(value["overlap"]),
        grace=_span(value["grace"]),
        algorithms=algorithms,
    )


_STANDARD_JSON: Final[JsonObject] = tomllib.loads(
    resources.files("keys").joinpath("policy.toml").read_text("utf-8")
)
STANDARD_KEY_POLICY: Final = KeyPolicy.from_json({})

"""How is a number said in a message, and how is one written? ``quantity`` and ``money`` only.

Money is counted in millionths, the smallest part that an ``amount`` can have, so that
nothing rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from broker.regional.bounds import UNBOUNDED, Bounds, exactly, hull, within
from broker.regional.bounds import add as add_bounds

MICRO: Final = 6
"""Decimals of an ``amount``: schemas/common/1.0.json."""
MAX_COUNT: Final = 10**12
"""The highest ``count``: schemas/common/1.0.json."""
MAX_MONEY: Final = 10 ** (16 + MICRO) - 1
"""The highest ``amount``, 16 digits before the point: schemas/common/1.0.json."""
TOTALS: Final = frozenset({None, "in_total"})
"""What ``per`` may say of a number that adds up; one per day or per person does not."""
SAID: Final = ("qualifier", "value", "amount", "minimum", "maximum", "currency", "basis", "per")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Unit:
    """In what a number is counted; only what has one unit is added."""

    currency: str = ""
    """Empty for people and things."""
    basis: str = ""
    """How money is known: counted, estimated …"""

    @property
    def limit(self) -> int:
        """The highest number that can be written."""
        return MAX_MONEY if self.currency else MAX_COUNT


PLAIN: Final = Unit()
"""People and things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One number as somebody says it. Two that mean the same are equal, however they are spelt."""

    unit: Unit = PLAIN
    bounds: Bounds = UNBOUNDED
    word: str = ""
    """``hundreds``, ``some``: a word that never becomes a number."""
    said: Mapping[str, Any] = field(compare=False)
    """A ``quantity`` or ``money`` as it was written, without ``preliminary``."""
    preliminary: bool = field(default=False, compare=False)
    difference: str = field(default="", compare=False)
    """Why its rivals differ, where the message itself says so."""

    @property
    def is_soft(self) -> bool:
        """Does it say something that an interval cannot hold?"""
        return self.word not in {"", "unknown", "not_asked"} or self.bounds.about is not None

    def written(self) -> dict[str, Any]:
        """Write it into a message."""
        return {**self.said, **({"preliminary": True} if self.preliminary else {})}


def read(said: Mapping[str, Any], *, preliminary: bool = False) -> Claim | None:
    """Read a ``quantity`` or ``money`` of a valid message.

    Args:
        said: As it stands in the message.
        preliminary: Is all of the message preliminary?

    Returns:
        None for a rate, such as so many a day: rates do not add up.
    """
    if said.get("per") not in TOTALS:
        return None
    unit = Unit(currency=said["currency"], basis=said["basis"]) if "currency" in said else PLAIN
    bounds = _bounds(said, unit)
    return Claim(
        unit=unit,
        bounds=bounds or UNBOUNDED,
        word="" if bounds else said["qualifier"],
        said={name: said[name] for name in SAID if name in said},
        preliminary=preliminary or said.get("preliminary", False),
    )


def unspoken(unit: Unit) -> Claim:
    """Make the claim of an item that says nothing of a number."""
    return Claim(unit=unit, word="unknown", said=write(UNBOUNDED, unit))


def add(claims: Sequence[Claim]) -> Claim:
    """Add claims of one unit up to one."""
    unit, bounds = claims[0].unit, add_bounds([claim.bounds for claim in claims])
    preliminary = any(claim.preliminary for claim in claims)
    return Claim(unit=unit, bounds=bounds, said=write(bounds, unit), preliminary=preliminary)


def reconcile(claims: Sequence[Claim]) -> Claim:
    """Make one claim that holds whichever of these is true; one alone stays as it was said."""
    distinct = unique(claims)
    if len(distinct) == 1:
        return distinct[0]
    unit, bounds = claims[0].unit, hull([claim.bounds for claim in claims])
    preliminary = any(claim.preliminary for claim in claims)
    return Claim(unit=unit, bounds=bounds, said=write(bounds, unit), preliminary=preliminary)


def unique(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Keep one of those that mean the same; it is preliminary if one of them is."""
    return tuple(
        replace(claim, preliminary=any(each.preliminary for each in claims if each == claim))
        for claim in dict.fromkeys(claims)
    )


def write(bounds: Bounds, unit: Unit) -> dict[str, Any]:
    """Say no more than is known, with the qualifier that says most of it."""
    known = within(bounds, unit.limit)
    tail = {"currency": unit.currency, "basis": unit.basis} if unit.currency else {}
    match known:
        case Bounds(about=int(about), high=high, high_excluded=True) if about == high:
            qualifier, value = "nearly", about
        case Bounds(about=int(about)):
            qualifier, value = "approximately", about
        case Bounds(is_exact=True, low=value):
            qualifier = "exactly"
        case Bounds(low=0, high=int(value)):
            qualifier = "less_than" if known.high_excluded else "at_most"
        case Bounds(low=low, high=int(high)):
            ends = {"minimum": _number(low, unit), "maximum": _number(high, unit)}
            return {"qualifier": "between", **ends, **tail}
        case Bounds(low=0, low_excluded=False):
            return {"qualifier": "unknown", **tail}
        case _:
            qualifier, value = "more_than" if known.low_excluded else "at_least", known.low
    member = "amount" if unit.currency else "value"
    return {"qualifier": qualifier, member: _number(value, unit), **tail}


def _bounds(said: Mapping[str, Any], unit: Unit) -> Bounds | None:
    """Read what a qualifier says; None for a word."""
    if said["qualifier"] == "between":
        ends = sorted(_whole(said[name], unit) for name in ("minimum", "maximum"))
        return Bounds(low=ends[0], high=ends[1])
    value = _whole(said.get("amount", said.get("value", 0)), unit)
    # Nothing is less than none: a slip of the pen, and no reason to claim more.
    below = Bounds(high=value, high_excluded=value > 0)
    return {
        "none": exactly(0),
        "exactly": exactly(value),
        "at_least": Bounds(low=value),
        "more_than": Bounds(low=value, low_excluded=True),
        "at_most": Bounds(high=value),
        "less_than": below,
        "nearly": replace(below, about=value),
        "approximately": Bounds(about=value),
    }.get(said["qualifier"])


def _whole(number: str | int, unit: Unit) -> int:
    return int(Decimal(number).scaleb(MICRO)) if unit.currency else int(number)


def _number(whole: int, unit: Unit) -> str | int:
    if not unit.currency:
        return whole
    digits = f"{whole // 10**MICRO}.{whole % 10**MICRO:0{MICRO}d}".rstrip("0")
    before, _, after = digits.partition(".")
    return f"{before}.{after:0<2}" if after else before

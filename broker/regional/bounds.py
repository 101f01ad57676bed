"""Between which numbers does the true one lie, and what may be said of a sum?

A total may claim no more than its parts do. So each claim is taken as an interval whose upper
end may be open, and intervals are added end by end. "Approximately" is no interval: it has a
number to lie near, and no lowest or highest one. Its numbers add up among themselves and with
exact ones; beside an open end they are no floor to stand on, and add nothing to an "at least".
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is known of one number, which is never below zero."""

    low: int = 0
    low_excluded: bool = False
    """More than ``low``, not merely as much."""
    high: int | None = None
    """None where nobody says how many at most."""
    high_excluded: bool = False
    about: int | None = None
    """Where the number lies, roughly; whoever says so gives no lowest number."""

    @property
    def is_exact(self) -> bool:
        """Is it one number and no other?"""
        return self.low == self.high

    @property
    def centre(self) -> int | None:
        """The number itself, or the one that it lies near."""
        return self.low if self.is_exact else self.about


UNBOUNDED = Bounds()
"""Nothing is known: what silence, and a word such as "hundreds", say."""


def exactly(value: int) -> Bounds:
    """Make bounds that leave no doubt."""
    return Bounds(low=value, high=value)


def add(parts: Sequence[Bounds]) -> Bounds:
    """Find what is known of a sum, whatever the order of its parts.

    Args:
        parts: What is known of each; of none, the sum is zero.

    Returns:
        The narrowest bounds that hold for every sum of values within the parts. The sum lies
        near a number where each part is exact or lies near one.
    """
    highs = [part.high for part in parts if part.high is not None]
    has_high = len(highs) == len(parts)
    centres = [part.centre for part in parts if part.centre is not None]
    is_about = len(centres) == len(parts) and not all(part.is_exact for part in parts)
    return Bounds(
        low=sum(part.low for part in parts),
        low_excluded=any(part.low_excluded for part in parts),
        high=sum(highs) if has_high else None,
        high_excluded=has_high and any(part.high_excluded for part in parts),
        about=sum(centres) if is_about else None,
    )


def hull(claims: Sequence[Bounds]) -> Bounds:
    """Find what holds whichever of these claims is true; none is preferred.

    Args:
        claims: At least one.

    Returns:
        From the lowest number that one of them allows to the highest. Claims that all lie near
        the same number still do.
    """
    low = min(claim.low for claim in claims)
    highs = [claim.high for claim in claims if claim.high is not None]
    high = max(highs) if len(highs) == len(claims) else None
    centres = {claim.centre for claim in claims}
    is_about = len(centres) == 1 and not all(claim.is_exact for claim in claims)
    return Bounds(
        low=low,
        low_excluded=all(claim.low_excluded for claim in claims if claim.low == low),
        high=high,
        high_excluded=high is not None
        and all(claim.high_excluded for claim in claims if claim.high == high),
        about=centres.pop() if is_about else None,
    )


def within(bounds: Bounds, limit: int) -> Bounds:
    """Say the same of a number that can be written up to a limit only; never more than before."""
    is_above = bounds.low > limit
    has_high = bounds.high is not None and bounds.high <= limit
    has_about = bounds.about is not None and bounds.about <= limit
    return Bounds(
        low=min(bounds.low, limit),
        low_excluded=bounds.low_excluded or is_above,
        high=bounds.high if has_high else None,
        high_excluded=bounds.high_excluded and has_high,
        about=bounds.about if has_about else None,
    )

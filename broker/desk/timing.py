"""Where time and chance come from: one value, so that a test can hold both in its hand."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from broker.ports.clock import Clock

Sleep: TypeAlias = Callable[[float], Awaitable[object]]
"""Waits so many seconds."""
Uniform: TypeAlias = Callable[[float, float], float]
"""Draws between two bounds; spreads retries, guards nothing."""


def utc_now() -> datetime:
    """Tell the time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A clock for what is signed, another for how long, a sleep, and a die."""

    clock: Clock = utc_now
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that no correction of the clock can turn back; for deadlines."""
    sleep: Sleep = asyncio.sleep
    uniform: Uniform = random.uniform


REAL_TIME = Timing()

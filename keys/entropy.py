"""Where random bytes come from: an argument, never a call made in the dark."""

from collections.abc import Callable
from typing import TypeAlias

Entropy: TypeAlias = Callable[[int], bytes]
"""Gives so many fresh random bytes; ``os.urandom`` in earnest, a counter in a test."""

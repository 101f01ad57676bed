"""Who tells the time?"""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Tells the time, aware and in UTC; read once per request or round, then passed on."""

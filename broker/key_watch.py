"""What time and people do to keys, told to operators and to the countries concerned."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog

from broker.attempt import attempt
from broker.directory import Directory
from broker.directory_watch import DirectoryWatch
from broker.notices import Notices
from broker.ports.clock import Clock
from broker.ports.keys import KeyLedger
from keys.channel_outlook import reviews_due
from keys.forecast import Due, warnings
from keys.key import KeyUse
from keys.ring import KeyState

INTERVAL: Final = timedelta(seconds=5)
"""How soon a country can read that a key was compromised."""
REMIND: Final = timedelta(hours=6)
"""How often the same warning stands in the log."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class KeyWatch:
    """Looks after the keys for one gateway process; any number of them may run."""

    directory: DirectoryWatch
    ledger: KeyLedger
    notices: Notices
    clock: Clock
    show: Callable[[Sequence[Due], Mapping[KeyUse, float], int], None] = lambda *_: None
    """Where metrics are set: what is due, the seconds until the first key of each use ends, and
    the emergency acts with which nobody has agreed in time."""
    show_reviews: Callable[[int], None] = lambda _: None
    """Where a metric is set: how many channels' charters are due for review."""
    name: str = field(default_factory=lambda: f"gateway-{uuid4()}")
    _reminded: dict[tuple[str, ...], datetime] = field(default_factory=dict)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await attempt("keys", self.look)
            await asyncio.sleep(INTERVAL.total_seconds())

    async def look(self) -> None:
        """Say which directory is in force here, what is due, and what must be told.

        Raises:
            LedgerUnavailableError: What was not done is done at the next look.
        """
        now, directory = self.clock(), self.directory.current
        unratified = directory.decisions.unratified(now)
        self._warn(directory, now, unratified=len(unratified))
        self._warn_of_reviews(directory, now)
        await self.ledger.note_pickup(self.name, directory.version, now)
        for decision in unratified:
            if self._is_news(now, "unratified", decision.act.id):
                # One person took a key out, and nobody has agreed in time.
                log.error("key:unratified", kind=decision.act.kind.value, act=decision.act.id)
        told = await self.notices.tell(directory.decisions, now)
        if told:
            log.error("key:compromised", notices=told)

    def _warn(self, directory: Directory, now: datetime, *, unratified: int) -> None:
        """Tell of keys and roots that come to their end; the command line says the same."""
        roots = [chain.newest for chain in directory.roots.values()]
        due = warnings(directory.ring, now, roots, directory.purposes())
        self.show(due, _seconds_left(directory, now), unratified)
        for one in due:
            days = None if one.before is None else one.before.days
            if self._is_news(now, "due", str(one.kid or one.owner), one.step.value, str(days)):
                log.warning(
                    "key:due",
                    key=one.kid or f"{one.owner}-root",
                    step=one.step.value,
                    ends=one.ends.isoformat(timespec="seconds"),
                    days_before=days,
                )

    def _warn_of_reviews(self, directory: Directory, now: datetime) -> None:
        """Tell of charters that somebody should look at, before their channels stop."""
        due = reviews_due(directory.channels, directory.decisions.policy(now), now)
        self.show_reviews(len(due))
        for one in due:
            days = None if one.before is None else one.before.days
            if self._is_news(now, "review", one.channel, str(one.version), str(days)):
                log.warning(
                    "channel:review-due",
                    channel=one.channel,
                    version=one.version,
                    review=one.review.isoformat(timespec="seconds"),
                    days_before=days,
                )

    def _is_news(self, now: datetime, *what: str) -> bool:
        last = self._reminded.get(what)
        if last is not None and now - last < REMIND:
            return False
        self._reminded[what] = now
        return True


def _seconds_left(directory: Directory, now: datetime) -> Mapping[KeyUse, float]:
    left: dict[KeyUse, float] = {}
    for entry in directory.ring.entries.values():
        if entry.state is KeyState.ACTIVE:
            seconds = (entry.statement.not_after - now).total_seconds()
            use = entry.statement.use
            left[use] = min(seconds, left.get(use, seconds))
    return left

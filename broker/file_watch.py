"""Edge. Has a file changed that something in force was read from? Then it is read again.

Keys, passphrases and certificates are exchanged while the program runs. Several files belong
together, and nobody replaces two files in one moment. So whatever is read is verified before
it counts, and what is in force stays until something better was read::

    watch = FileWatch(
        "gateway-keys",
        files=lambda: (settings.keys, settings.passphrase_file),
        read=lambda: read_secrets(settings),  # in a thread; raises when they do not fit
        take=holder.use,  # in the event loop; cannot fail
    )
    holder.use(await asyncio.to_thread(read_secrets, settings))
    tasks.create_task(watch.run())

Made before the files are read for the first time, so that no change falls in between.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

import structlog

from broker.errors import BrokerError, ConfigurationError
from keys.errors import KeysError

T = TypeVar("T")

INTERVAL: Final = timedelta(seconds=1)
"""A new key counts after so much; a look costs some microseconds for each file."""
REMIND_EVERY: Final = 300
"""Failures of one kind that are told once: the first of them, then one in five minutes."""

Stamp: TypeAlias = tuple[int, int, int, int, int]
Fingerprint: TypeAlias = Mapping[Path, Stamp | None]

log = structlog.get_logger()


class UnusableError(ConfigurationError):
    """What was read does not do. ``detail`` is for a person, ``reason`` for the log.

    Args:
        reason: Fixed beforehand; repeats nothing of what was read.
        detail: May name a file and a part of it.
    """

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(detail or reason)
        self.reason = reason


class FileWatch(Generic[T]):
    """Keeps one thing as new as its files, and never worse than it was.

    Args:
        what: Its name in the log.
        files: Asked at each look, because what was read may name other files.
        read: Reads and verifies everything, in a thread. Whatever it raises, nothing changes.
        take: Puts in force what was read, in the event loop.
    """

    def __init__(
        self,
        what: str,
        *,
        files: Callable[[], Iterable[Path]],
        read: Callable[[], T],
        take: Callable[[T], None],
    ) -> None:
        self._what = what
        self._files = files
        self._read = read
        self._take = take
        self._in_force = _look(files())
        self._told: tuple[Fingerprint, str] | None = None
        self._failures = 0
        self._looking = asyncio.Lock()

    async def check(self) -> bool:
        """Look now; say whether something new is in force."""
        async with self._looking:
            seen = _look(self._files())
            if seen == self._in_force:
                self._told, self._failures = None, 0
                return False
            try:
                self._take(await asyncio.to_thread(self._read))
            except Exception as error:  # noqa: BLE001 - whatever it is, the old stays in force
                self._tell(seen, reason_of(error))
                return False
            # What was seen before the reading: a change since then is found at the next look.
            self._in_force, self._told, self._failures = seen, None, 0
            log.info("reload:done", what=self._what)
            return True

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL.total_seconds())
            await self.check()

    def _tell(self, seen: Fingerprint, reason: str) -> None:
        """Log a failure when it is another one, and now and then while it lasts."""
        self._failures = self._failures + 1 if self._told == (seen, reason) else 1
        self._told = (seen, reason)
        if self._failures % REMIND_EVERY == 1:
            log.warning("reload:failed", what=self._what, reason=reason)


def reason_of(error: Exception) -> str:
    """Say what was wrong in words that were fixed beforehand."""
    match error:
        case UnusableError():
            return error.reason
        case KeysError():
            # ``keys`` promises that none of its texts repeats a value.
            return str(error)
        case BrokerError():
            return error.code.value
        case _:
            return type(error).__name__


def _look(files: Iterable[Path]) -> Fingerprint:
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> Stamp | None:
    """Tell one state of a file from another; None when it is not there.

    Links are followed: who exchanges a whole folder by a link (certbot, Kubernetes) changes
    the inode. The time of change is compared beside the time of writing, which some tools
    set back.
    """
    try:
        facts = os.stat(file)  # noqa: PTH116 - as fast as it gets, once a second
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)

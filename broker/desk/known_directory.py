"""Who takes part, as this client knows it: asked for anew, verified, and never less than before.

A gateway, or whoever writes its ledger, could leave out the act that took a key out. So a client
remembers which signed documents counted once, as gateways do.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from broker.desk import wire
from broker.desk.failures import AnswerError, TakenBackError
from broker.desk.pins import Pins
from broker.desk.session import Answer, Request
from broker.desk.timing import Timing
from broker.directory import Directory, DirectoryRecord
from broker.recollection import InFile, InMemory, Recollection

LOOKS: Final = 4
BETWEEN_LOOKS: Final = timedelta(seconds=1)
"""Gateways read the directory once a second: one has what another has not yet."""

Ask: TypeAlias = Callable[[Request], Awaitable[Answer]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """One that was verified, and against which roots."""

    etag: str | None
    directory: Directory
    pins: Pins


class KnownDirectory:
    """The newest directory of one client."""

    def __init__(self, ask: Ask, pins: Callable[[], Pins], timing: Timing) -> None:
        self._ask = ask
        self._pins = pins
        self._timing = timing
        self._recollection: Recollection = InMemory()
        self._file: Path | None = None
        self._known: _Known | None = None
        self._asking = asyncio.Lock()

    def remember_in(self, file: Path) -> None:
        """Remember across restarts.

        Raises:
            ConfigurationError: The file is there and cannot be read.
        """
        self._recollection, self._file = InFile(file), file

    @property
    def current(self) -> Directory | None:
        """The last one that was verified."""
        return None if self._known is None else self._known.directory

    async def look(self) -> Directory:
        """Ask for it; an unchanged one is neither sent nor verified again.

        Raises:
            TakenBackError: Documents that were seen are no longer served, and this client was
                started since. One that runs goes on by what it has seen.
            UnreachableError, ProblemError, AnswerError: It was not given.
        """
        # One asks while the others wait: an answer that is late would put the older one back.
        async with self._asking:
            return await self._look()

    async def _look(self) -> Directory:
        for look in range(LOOKS):
            if look:
                # Perhaps another gateway answered, which has not read yet what we have seen.
                await self._timing.sleep(BETWEEN_LOOKS.total_seconds())
            found = await self._ask_for_it()
            if self._recollection.agrees(found.directory):
                self._recollection.keep(found.directory)
                break
        else:
            found = self._behind_what_was_seen(found)
        self._known = found
        return found.directory

    async def _ask_for_it(self) -> _Known:
        known, pins = self._known, self._pins()
        if known is not None and known.pins is not pins:
            # It was verified against other roots than those that count now.
            known = None
        headers = {"If-None-Match": known.etag} if known is not None and known.etag else {}
        answer = await self._ask(Request(method="GET", path="/v1/directory", headers=headers))
        now = self._timing.clock()
        if answer.status != HTTPStatus.NOT_MODIFIED:
            return _verified(
                wire.read_directory(answer.body), answer.headers.get("ETag"), pins, now
            )
        if known is None:
            raise AnswerError("a directory that was not named is said to be unchanged")
        return replace(known, directory=known.directory.stepped(now))

    def _behind_what_was_seen(self, found: _Known) -> _Known:
        directory = found.directory
        # Perhaps it was the act that took a key out: what this client has seen goes on counting.
        log.error("directory:taken-back", version=directory.version)
        if self._known is None:
            raise TakenBackError(self._file)
        record = directory.record.behind(self._known.directory.record)
        return _verified(record, found.etag, found.pins, directory.at)


def _verified(record: DirectoryRecord, etag: str | None, pins: Pins, now: datetime) -> _Known:
    directory, left_out = Directory.verify(record, roots=pins.roots, now=now)
    if left_out:
        log.warning("directory:statements-left-out", count=len(left_out))
    # What seems to come from the future is judged again once this machine's clock is right.
    is_early = any(at is not None and at > now for at in record.recorded)
    return _Known(etag=None if is_early else etag, directory=directory, pins=pins)

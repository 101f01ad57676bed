"""Who takes part, as this client knows it: asked for anew, verified, and never less than before.

A gateway, or whoever writes its ledger, could leave out the act that took a key out. So a client
remembers which signed documents counted once, as gateways do.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

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


class _Served(NamedTuple):
    """A directory as the gateway gave it."""

    etag: str | None
    record: DirectoryRecord


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
        found = await self._ask_for_it()
        for _ in range(LOOKS - 1):
            if isinstance(found, _Known) or self._recollection.agrees(found.record.statements):
                break
            # Perhaps another gateway answered, which has not read yet what we have seen.
            await self._timing.sleep(BETWEEN_LOOKS.total_seconds())
            found = await self._ask_for_it()
        self._known = self._stepped(found) if isinstance(found, _Known) else self._verified(found)
        return self._known.directory

    async def _ask_for_it(self) -> _Served | _Known:
        known = self._known
        if known is not None and known.pins is not self._pins():
            # It was verified against other roots than those that count now.
            known = None
        headers = {"If-None-Match": known.etag} if known is not None and known.etag else {}
        answer = await self._ask(Request(method="GET", path="/v1/directory", headers=headers))
        if answer.status != HTTPStatus.NOT_MODIFIED:
            return _Served(answer.headers.get("ETag"), wire.read_directory(answer.body))
        if known is None:
            raise AnswerError("a directory that was not named is said to be unchanged")
        return known

    def _stepped(self, known: _Known) -> _Known:
        return replace(known, directory=known.directory.stepped(self._timing.clock()))

    def _verified(self, served: _Served) -> _Known:
        record, pins = served.record, self._pins()
        is_whole = self._recollection.agrees(record.statements)
        if not is_whole:
            record = self._behind_what_was_seen(record)
        directory, left_out = Directory.verify(record, roots=pins.roots, now=self._timing.clock())
        if left_out:
            log.warning("directory:statements-left-out", count=len(left_out))
        if is_whole:
            self._recollection.keep(record.statements, directory.vouched_for)
        return _Known(etag=served.etag, directory=directory, pins=pins)

    def _behind_what_was_seen(self, record: DirectoryRecord) -> DirectoryRecord:
        log.error("directory:taken-back", version=record.version)
        if self._known is None:
            raise TakenBackError(self._file)
        return record.behind(self._known.directory.record)

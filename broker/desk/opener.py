"""Which of these messages open, by what we know now, or could know if we looked again?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from broker.desk.client import EnlaceClient
from broker.desk.failures import NotReadyError, UnreachableError
from broker.desk.open import OpenedMessage, OpeningError, Trust, open_hand_over
from broker.desk.wire import ReceivedHandOver
from broker.directory import Directory
from broker.model import RefusalReason
from schemas.loader import SchemaSet

DIRECTORY_AGE: Final = timedelta(seconds=60)
"""How long a key that a country took back may still count here."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """A message that must be returned."""

    hand_over: ReceivedHandOver
    reason: RefusalReason
    step: str
    """For the operator of this desk only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of some hand-overs; what is nowhere in it comes again."""

    opened: list[OpenedMessage] = field(default_factory=list)
    unopened: list[Unopened] = field(default_factory=list)
    not_ready: list[NotReadyError] = field(default_factory=list)
    """One for each message that must not be answered before this desk is mended."""


class Opener:
    """Opens batches for one desk, against a directory that is never much out of date."""

    def __init__(self, client: EnlaceClient, schemas: SchemaSet) -> None:
        self._client = client
        self._schemas = schemas
        self._directory: Directory | None = None
        self._directory_at: datetime | None = None

    async def open(self, fresh: Sequence[ReceivedHandOver]) -> Outcome:
        """Open these, and say of each other one why not.

        Raises:
            UnreachableError: There was never a directory to hold them against.
        """
        directory = await self._recent_directory()
        first = await asyncio.to_thread(self._try_open, fresh, directory)
        if any(each.reason is RefusalReason.SIGNATURE_NOT_VALID for each in first.unopened):
            # The key may have been stated after we last looked. A refusal is final, so we
            # look again before; if we cannot, these stay unanswered and come again.
            again = [each.hand_over for each in first.unopened]
            try:
                directory = await self.refresh_directory()
            except UnreachableError:
                log.warning("directory:unreachable", postponed=len(again))
                return Outcome(opened=first.opened, not_ready=first.not_ready)
            second = await asyncio.to_thread(self._try_open, again, directory)
            return Outcome(
                opened=first.opened + second.opened,
                unopened=second.unopened,
                not_ready=first.not_ready + second.not_ready,
            )
        return first

    def _try_open(self, fresh: Sequence[ReceivedHandOver], directory: Directory) -> Outcome:
        profile, pins = self._client.profile, self._client.pins
        trust = Trust(
            directory=directory,
            receipt_keys=pins.receipt_keys,
            issuer=profile.issuer,
            schemas=self._schemas,
            roots=pins.roots,
        )
        now = self._client.timing.clock()
        outcome = Outcome()
        for each in fresh:
            try:
                outcome.opened.append(
                    open_hand_over(
                        each, self._client.keys.decryption, trust, desk=profile.desk, now=now
                    )
                )
            except OpeningError as error:
                outcome.unopened.append(
                    Unopened(hand_over=each, reason=error.reason, step=error.step)
                )
            except NotReadyError as error:
                outcome.not_ready.append(error)
        return outcome

    async def _recent_directory(self) -> Directory:
        now = self._client.timing.clock()
        if self._directory is None or self._directory_at is None:
            return await self.refresh_directory()
        if now - self._directory_at < DIRECTORY_AGE:
            return self._directory
        try:
            return await self.refresh_directory()
        except UnreachableError:
            log.warning("directory:unreachable", age_s=(now - self._directory_at).total_seconds())
            return self._directory

    async def refresh_directory(self) -> Directory:
        """Look now, whatever the age of what we have.

        Raises:
            UnreachableError: The gateway did not give one.
        """
        directory = await self._client.directory()
        self._directory, self._directory_at = directory, self._client.timing.clock()
        return directory

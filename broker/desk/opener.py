"""Which of these messages open, by what we know now, or could know if we looked again?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from broker.desk.client import EnlaceClient
from broker.desk.earlier import FindLines
from broker.desk.failures import NotReadyError, OpeningError, UnreachableError
from broker.desk.known_directory import BETWEEN_LOOKS, LOOKS
from broker.desk.membership import MEMBERS_STEP, UNKNOWN_STEP
from broker.desk.open import OpenedMessage, open_hand_over
from broker.desk.pins import Pins
from broker.desk.prove import NOT_COUNTED_STEP
from broker.desk.receipts import RECEIPT_KEY_STEP
from broker.desk.trust import Trust
from broker.desk.wire import ReceivedHandOver
from broker.directory import Directory
from broker.model.events import RefusalReason
from schemas.loader import SchemaSet

DIRECTORY_AGE: Final = timedelta(seconds=60)
"""How old a directory may be before it is asked for again.

The last one counts on while the gateway cannot be reached, or says that nothing has changed.
"""
MENDED_BY_FILES: Final = frozenset(
    {"decryption-key", "receipt-key", "root", "issuer", UNKNOWN_STEP}
)
"""What a desk lacks that its keeper may have put in place a moment ago."""

LOOKED_FOR: Final = frozenset({RECEIPT_KEY_STEP, NOT_COUNTED_STEP, UNKNOWN_STEP, MEMBERS_STEP})
"""What a gateway acts by already, and another may not show yet."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """A message that must be returned."""

    hand_over: ReceivedHandOver
    reason: RefusalReason
    step: str
    """For the operator of this desk only."""
    rule: str | None = None
    """The safeguard that it breaks, if it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of some hand-overs; what is nowhere in it comes again."""

    opened: list[OpenedMessage] = field(default_factory=list)
    unopened: list[Unopened] = field(default_factory=list)
    not_ready: list[NotReadyError] = field(default_factory=list)
    """One for each message that must not be answered before this desk is mended."""

    def left_of(self, fresh: Sequence[ReceivedHandOver]) -> Sequence[ReceivedHandOver]:
        """Which of these have not opened?"""
        opened = {each.hand_over.ref for each in self.opened}
        return [each for each in fresh if each.ref not in opened]

    def followed_by(self, again: "Outcome") -> "Outcome":
        """Take another judgement of all that had not opened."""
        return replace(again, opened=self.opened + again.opened)


class Opener:
    """Opens batches for one desk, against a directory that is never much out of date."""

    def __init__(
        self,
        client: EnlaceClient,
        schemas: SchemaSet,
        find_lines: FindLines = lambda _: (),
    ) -> None:
        self._client = client
        self._schemas = schemas
        self._find_lines = find_lines
        self._directory: Directory | None = None
        self._directory_at: datetime | None = None
        self._directory_pins: Pins | None = None

    async def open(self, fresh: Sequence[ReceivedHandOver]) -> Outcome:
        """Open these, and say of each other one why not.

        Raises:
            UnreachableError: There was never a directory to hold them against.
        """
        await self._client.wallet.refresh()
        held = self._client.wallet.current
        outcome = await self._look_on(fresh)
        if not any(each.step in MENDED_BY_FILES for each in outcome.not_ready):
            return outcome
        await self._client.wallet.look()
        if self._client.wallet.current is held:
            return outcome
        # The key, or what it is held against, came after the message.
        return outcome.followed_by(await self._look_on(outcome.left_of(fresh)))

    async def _look_on(self, fresh: Sequence[ReceivedHandOver]) -> Outcome:
        """Open by the directory that is here, and what does not open by a newer one.

        A key may have been stated, a member have joined or an agency's function have changed
        after we last looked. A refusal is final, and a desk that stops must be started by
        people, so we look again before; while what the gateway acts by is in none, we look on.
        """
        directory = await self._recent_directory()
        outcome = await asyncio.to_thread(self._try_open, fresh, directory)
        for look in range(LOOKS):
            if not (_is_looked_for(outcome) or (look == 0 and outcome.unopened)):
                break
            if look:
                await self._client.timing.sleep(BETWEEN_LOOKS.total_seconds())
            left = outcome.left_of(fresh)
            try:
                directory = await self.refresh_directory()
            except UnreachableError:
                # They stay unanswered, and come again.
                log.warning("directory:unreachable", postponed=len(left))
                return replace(outcome, unopened=[])
            again = await asyncio.to_thread(self._try_open, left, directory)
            outcome = outcome.followed_by(again)
        return outcome

    def _try_open(self, fresh: Sequence[ReceivedHandOver], directory: Directory) -> Outcome:
        held = self._client.wallet.current
        profile = held.profile
        trust = Trust(
            directory=directory,
            receipt_keys=directory.receipt_keys,
            issuer=profile.issuer,
            schemas=self._schemas,
            find_lines=self._find_lines,
            roots=directory.roots,
        )
        now = self._client.timing.clock()
        outcome = Outcome()
        for each in fresh:
            try:
                outcome.opened.append(
                    open_hand_over(each, held.keys.decryption, trust, desk=profile.desk, now=now)
                )
            except OpeningError as error:
                outcome.unopened.append(
                    Unopened(hand_over=each, reason=error.reason, step=error.step, rule=error.rule)
                )
            except NotReadyError as error:
                outcome.not_ready.append(error)
        return outcome

    async def _recent_directory(self) -> Directory:
        now = self._client.timing.clock()
        if self._directory is None or self._directory_at is None:
            return await self.refresh_directory()
        is_ours = self._directory_pins is self._client.pins
        if is_ours and now - self._directory_at < DIRECTORY_AGE:
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
        # Before: if they change meanwhile, the directory is read once more and not once less.
        self._directory_pins = self._client.pins
        directory = await self._client.directory()
        self._directory, self._directory_at = directory, self._client.timing.clock()
        return directory


def _is_looked_for(outcome: Outcome) -> bool:
    """Is something missing that every gateway shows within a second?"""
    steps = {each.step for each in outcome.unopened} | {each.step for each in outcome.not_ready}
    return not LOOKED_FOR.isdisjoint(steps)

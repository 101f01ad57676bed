"""Is it now? What is written counts from when it came, so the clock must be right."""

from datetime import datetime
from typing import TYPE_CHECKING

from broker.cli.explain import CommandError
from broker.cli.terminal import Terminal, moment
from keys.decide import CLOCKS_APART

if TYPE_CHECKING:
    from broker.directory import DirectoryRecord
    from broker.storage.ledger import Ledger


async def require_clock(ledger: "Ledger", terminal: Terminal, now: datetime) -> None:
    """Return if this machine and the ledger agree on the time.

    By a clock that is ahead a suspension would begin later; by one that is behind a time-lock
    would end sooner.

    Raises:
        CommandError: They do not; the text shows both.
    """
    at_ledger = await ledger.directory.now()
    if abs(at_ledger - now) > CLOCKS_APART:
        raise CommandError(
            terminal.text("act.clock_ledger", now=moment(now), ledger=moment(at_ledger))
        )


def require_later(record: "DirectoryRecord", terminal: Terminal, now: datetime) -> None:
    """Return if nothing came later than now: an act that counts follows all that came before.

    Not the makers' dates are asked: one of them could keep everybody else from deciding.

    Raises:
        CommandError: Something did.
    """
    newest = max((at for at in record.recorded if at is not None), default=now)
    if newest > now + CLOCKS_APART:
        raise CommandError(terminal.text("act.clock", now=moment(now), newest=moment(newest)))

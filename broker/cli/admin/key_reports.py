"""What waits for a key, and what has a lost key touched? Exact, from the ledger."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.wish import Check
from broker.cli.explain import RefusalError
from broker.cli.terminal import Record, Terminal, moment
from broker.directory import Directory
from broker.ports.keys import AffectedDelivery
from broker.storage.ledger import Ledger
from keys.identifiers import KeyId
from keys.ring import KeyState

PAGE: Final = 500
"""Affected deliveries that are read at once: some 100 KiB."""
AFFECTED: Final = ("id", "origin", "recipient", "queue", "state", "accepted_at", "kid")
WAITING: Final = ("kid", "queue", "place", "count", "oldest_accepted_at")


def require_done(kids: Sequence[KeyId], terminal: Terminal) -> Check:
    """Refuse to let keys go while something waits for them, or they are in use."""

    async def check(ledger: Ledger, directory: Directory, now: datetime) -> None:
        for kid in kids:
            entry = directory.ring.by_kid(kid)
            if entry is not None and entry.state is KeyState.ACTIVE:
                raise RefusalError(terminal.text("act.still_active", kid=kid))
        waiting = await ledger.keys.in_flight(kids)
        if waiting:
            rows: list[Record] = [
                {
                    "kid": each.kid,
                    "queue": each.queue,
                    "place": each.place.value,
                    "count": each.count,
                    "oldest_accepted_at": moment(each.oldest_accepted_at),
                }
                for each in waiting
            ]
            terminal.rows(rows, WAITING)
            number = sum(each.count for each in waiting)
            raise RefusalError(terminal.text("act.in_flight", number=number))
        await _require_grace_over(kids, ledger, directory, terminal, now)

    return check


async def _require_grace_over(
    kids: Sequence[KeyId],
    ledger: Ledger,
    directory: Directory,
    terminal: Terminal,
    now: datetime,
) -> None:
    emptied = await ledger.keys.emptied(kids)
    for kid in kids:
        entry, since = directory.ring.by_kid(kid), emptied.get(kid)
        if entry is None or since is None:
            continue
        over = since + directory.ring.policy.uses[entry.statement.use].grace
        if over > now:
            raise RefusalError(terminal.text("act.grace", kid=kid, at=moment(over)))


def show_affected(
    kids: Sequence[KeyId], since: datetime, ledger_url: str | None, terminal: Terminal
) -> None:
    """List each message and recipient that lost keys could open, or vouched for."""

    async def work(ledger: Ledger) -> list[Record]:
        found = []
        for kid in kids:
            found += [_row(kid, each) for each in await _affected(ledger, kid, since)]
        return found

    rows = on_ledger(ledger_url, terminal, work)
    terminal.rows(rows, AFFECTED)
    terminal.say("act.affected", number=len(rows))


async def _affected(ledger: Ledger, kid: KeyId, since: datetime) -> list[AffectedDelivery]:
    found: list[AffectedDelivery] = []
    while True:
        after = found[-1].number if found else None
        page = await ledger.keys.affected(kid, since=since, after=after, limit=PAGE)
        if not page:
            return found
        found += page


def _row(kid: KeyId, each: AffectedDelivery) -> Record:
    return {
        "id": each.message_id,
        "origin": str(each.origin),
        "recipient": str(each.desk),
        "queue": each.queue,
        "state": each.state.value,
        "accepted_at": moment(each.accepted_at),
        "kid": kid,
    }

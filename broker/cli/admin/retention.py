"""`enlace admin retention`: what must go, and what must be looked at again (SG-08)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from broker.cli.admin.ledger import on_ledger, run_on
from broker.cli.admin.signing import gateway_signer
from broker.cli.confirm import confirm
from broker.cli.exit_codes import ExitCode
from broker.cli.options import LedgerOption, YesOption
from broker.cli.terminal import Record, Terminal, finish, moment, terminal_of
from broker.model.names import LogPosition

if TYPE_CHECKING:
    from broker.ports.retention import Overdue
    from broker.storage.ledger import Ledger

COLUMNS: Final = (
    "id",
    "origin",
    "road",
    "expires",
    "review_by",
    "what",
    "because",
    "until",
    "content_hash",
)
PAGE: Final = 200
List: TypeAlias = "Callable[[LogPosition | None], Awaitable[Sequence[Overdue]]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the ledger says must go, or be looked at."""

    expired: "Sequence[Overdue]"
    recalled: "Sequence[Overdue]"
    """Taken back, and no desk has still to answer."""
    to_review: "Sequence[Overdue]"

    @property
    def due(self) -> "Sequence[Overdue]":
        """What may go now."""
        return [each for each in (*self.expired, *self.recalled) if each.kept is None]

    def only_due(self) -> "Found":
        """Leave out what stays, and what somebody has to look at."""
        return Found(
            expired=[each for each in self.expired if each.kept is None],
            recalled=[each for each in self.recalled if each.kept is None],
            to_review=(),
        )


def retention(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    destroy: Annotated[bool, typer.Option("--destroy")] = False,
    yes: YesOption = False,
    ledger_url: LedgerOption = None,
) -> None:
    """List what would go, or destroy it; status 7 if anything is due or waits for a review."""
    terminal = terminal_of(context)
    now = datetime.now(UTC)
    if dry_run or not destroy:
        found = on_ledger(ledger_url, terminal, lambda ledger: _look(ledger, now))
        _show(terminal, found, done=frozenset())
        finish(ExitCode.ACTION_NEEDED if found.due or found.to_review else ExitCode.OK)
        return
    _destroy(terminal, ledger_url, now, yes=yes)


def _destroy(terminal: Terminal, ledger_url: str | None, now: datetime, *, yes: bool) -> None:
    url, signer = gateway_signer(ledger_url, terminal)
    found = run_on(url, lambda ledger: _look(ledger, now))
    due = found.due
    if due:
        _show(terminal, found.only_due(), done=frozenset())
        terminal.say("retention.destroying", number=len(due))
        confirm(terminal, yes=yes, ask="retention")

    async def work(ledger: "Ledger") -> frozenset[LogPosition]:
        sign = await signer(ledger, now)
        # Judged again for each, under the ledger's lock: a hold of this very moment counts.
        return frozenset(
            [
                each.number
                for each in due
                if await ledger.retention.destroy(each.number, now=now, sign=sign)
            ]
        )

    done = run_on(url, work) if due else frozenset[LogPosition]()
    _show(terminal, found, done=done)
    left = any(each.number not in done for each in due)
    finish(ExitCode.ACTION_NEEDED if left or found.to_review else ExitCode.OK)


async def _look(ledger: "Ledger", now: datetime) -> Found:
    store = ledger.retention

    async def expired(after: LogPosition | None) -> "Sequence[Overdue]":
        return await store.expired(now=now, after=after, limit=PAGE)

    async def to_review(after: LogPosition | None) -> "Sequence[Overdue]":
        return await store.to_review(now=now, after=after, limit=PAGE)

    async def recalled(after: LogPosition | None) -> "Sequence[Overdue]":
        return await store.recalled(now=now, after=after, limit=PAGE)

    return Found(
        expired=await _all(expired),
        recalled=await _all(recalled),
        to_review=await _all(to_review),
    )


async def _all(ask: List) -> "list[Overdue]":
    found: list[Overdue] = []
    while page := await ask(found[-1].number if found else None):
        found += page
    return found


def _show(terminal: Terminal, found: Found, *, done: frozenset[LogPosition]) -> None:
    rows = [_row(each, _what(each, done), "expired") for each in found.expired]
    rows += [_row(each, _what(each, done), "recalled") for each in found.recalled]
    rows += [_row(each, "review", "review") for each in found.to_review]
    terminal.rows(rows, COLUMNS)


def _what(one: "Overdue", done: frozenset[LogPosition]) -> str:
    if one.number in done:
        return "destroyed"
    return "due" if one.kept is None else one.kept.value


def _row(one: "Overdue", what: str, because: str) -> Record:
    return {
        "id": one.id,
        "origin": str(one.origin),
        "road": ", ".join(one.roads),
        "expires": moment(one.expires),
        "review_by": None if one.review_by is None else moment(one.review_by),
        "what": what,
        "because": because,
        "until": None if one.held_until is None else moment(one.held_until),
        "content_hash": one.content_hash,
    }

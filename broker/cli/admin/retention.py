"""`enlace admin retention`: what must go, and what must be looked at again (SG-08)."""

from collections.abc import Awaitable, Callable, Sequence
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

COLUMNS: Final = ("id", "origin", "road", "expires", "review_by", "what", "until", "content_hash")
PAGE: Final = 200
List: TypeAlias = "Callable[[LogPosition | None], Awaitable[Sequence[Overdue]]]"


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
        expired, reviews = on_ledger(ledger_url, terminal, lambda ledger: _look(ledger, now))
        _show(terminal, expired, reviews, done=frozenset())
        finish(ExitCode.ACTION_NEEDED if _is_due(expired) or reviews else ExitCode.OK)
        return
    _destroy(terminal, ledger_url, now, yes=yes)


def _destroy(terminal: Terminal, ledger_url: str | None, now: datetime, *, yes: bool) -> None:
    url, signer = gateway_signer(ledger_url, terminal)
    expired, reviews = run_on(url, lambda ledger: _look(ledger, now))
    due = [each for each in expired if each.kept is None]
    if due:
        _show(terminal, due, (), done=frozenset())
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
    _show(terminal, expired, reviews, done=done)
    left = any(each.kept is None and each.number not in done for each in expired)
    finish(ExitCode.ACTION_NEEDED if left or reviews else ExitCode.OK)


async def _look(ledger: "Ledger", now: datetime) -> "tuple[list[Overdue], list[Overdue]]":
    store = ledger.retention

    async def expired(after: LogPosition | None) -> "Sequence[Overdue]":
        return await store.expired(now=now, after=after, limit=PAGE)

    async def to_review(after: LogPosition | None) -> "Sequence[Overdue]":
        return await store.to_review(now=now, after=after, limit=PAGE)

    return await _all(expired), await _all(to_review)


async def _all(ask: List) -> "list[Overdue]":
    found: list[Overdue] = []
    while page := await ask(found[-1].number if found else None):
        found += page
    return found


def _is_due(expired: "Sequence[Overdue]") -> bool:
    return any(each.kept is None for each in expired)


def _show(
    terminal: Terminal,
    expired: "Sequence[Overdue]",
    reviews: "Sequence[Overdue]",
    *,
    done: frozenset[LogPosition],
) -> None:
    rows = [_row(each, _what(each, done)) for each in expired]
    rows += [_row(each, "review") for each in reviews]
    terminal.rows(rows, COLUMNS)


def _what(one: "Overdue", done: frozenset[LogPosition]) -> str:
    if one.number in done:
        return "destroyed"
    return "due" if one.kept is None else one.kept.value


def _row(one: "Overdue", what: str) -> Record:
    return {
        "id": one.id,
        "origin": str(one.origin),
        "road": ", ".join(one.roads),
        "expires": moment(one.expires),
        "review_by": None if one.review_by is None else moment(one.review_by),
        "what": what,
        "until": None if one.held_until is None else moment(one.held_until),
        "content_hash": one.content_hash,
    }

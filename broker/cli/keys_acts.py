"""`enlace keys suspend|compromise|activate|lift|destroy`: an administrator decides on keys."""

from datetime import datetime
from typing import Annotated

import typer

from broker.cli.admin.act_command import Acting, ReasonOption, alone, proposes
from broker.cli.admin.wish import Wish
from broker.cli.options import read_kid, read_moment
from keys.act_kind import ActKind
from keys.identifiers import KeyId

KidsArgument = Annotated[list[KeyId], typer.Argument(parser=read_kid, metavar="KID")]
SinceOption = Annotated[
    datetime, typer.Option("--since", parser=read_moment, metavar="2026-11-23T12:00:00Z")
]


@alone
def suspend(acting: Acting, kids: KidsArgument, *, reason: ReasonOption) -> None:
    """Take keys out at once."""
    acting.act(Wish(kind=ActKind.SUSPEND, keys=tuple(kids), reason=reason))


@alone
def compromise(
    acting: Acting, kids: KidsArgument, *, since: SinceOption, reason: ReasonOption
) -> None:
    """Say that somebody else may hold keys, and list every message that this touches."""
    from broker.cli.admin.key_reports import show_affected  # noqa: PLC0415 - half a second

    acting.act(Wish(kind=ActKind.COMPROMISE, keys=tuple(kids), since=since, reason=reason))
    show_affected(kids, since, acting.access.ledger_url, acting.terminal)


@proposes
def activate(acting: Acting, kids: KidsArgument) -> None:
    """Propose to let encryption keys receive."""
    acting.act(Wish(kind=ActKind.ACTIVATE, keys=tuple(kids)))


@proposes
def lift(acting: Acting, kids: KidsArgument) -> None:
    """Propose to let suspended keys count again."""
    acting.act(Wish(kind=ActKind.LIFT, keys=tuple(kids)))


@proposes
def destroy(acting: Acting, kids: KidsArgument) -> None:
    """Propose that private halves may go; refused while anything waits for them."""
    from broker.cli.admin.key_reports import require_done  # noqa: PLC0415 - half a second

    wish = Wish(kind=ActKind.DESTROY, keys=tuple(kids))
    acting.act(wish, check=require_done(kids, acting.terminal))

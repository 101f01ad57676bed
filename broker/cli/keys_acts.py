"""`enlace keys suspend|compromise|activate|lift|destroy`: an administrator decides on keys."""

from datetime import datetime
from typing import Annotated

import typer

from broker.cli.admin.act_options import AsOption, KidsArgument, access_of
from broker.cli.options import (
    LedgerOption,
    PassphraseOption,
    RootsOption,
    YesOption,
    read_moment,
)
from broker.cli.terminal import terminal_of
from broker.cli.vocabulary import Reason

ReasonOption = Annotated[Reason, typer.Option("--reason")]


def suspend(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    kids: KidsArgument,
    key_file: AsOption,
    reason: ReasonOption,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Take keys out at once."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind, ActReason  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url)
    wish = Wish(kind=ActKind.SUSPEND, keys=tuple(kids), reason=ActReason(reason.value))
    act(wish, access, terminal_of(context))


def compromise(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    kids: KidsArgument,
    key_file: AsOption,
    since: Annotated[
        datetime, typer.Option("--since", parser=read_moment, metavar="2026-11-23T12:00:00Z")
    ],
    reason: ReasonOption,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Say that somebody else may hold keys, and list every message that this touches."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from broker.cli.admin.key_reports import show_affected  # noqa: PLC0415
    from keys.act_kind import ActKind, ActReason  # noqa: PLC0415

    terminal = terminal_of(context)
    access = access_of(key_file, passphrase_file, roots, ledger_url)
    wish = Wish(
        kind=ActKind.COMPROMISE,
        keys=tuple(kids),
        since=since,
        reason=ActReason(reason.value),
    )
    act(wish, access, terminal)
    show_affected(kids, since, ledger_url, terminal)


def activate(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    kids: KidsArgument,
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Propose to let encryption keys receive."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    act(Wish(kind=ActKind.ACTIVATE, keys=tuple(kids)), access, terminal_of(context))


def lift(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    kids: KidsArgument,
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Propose to let suspended keys count again."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    act(Wish(kind=ActKind.LIFT, keys=tuple(kids)), access, terminal_of(context))


def destroy(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    kids: KidsArgument,
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Propose that private halves may go; refused while anything waits for them."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from broker.cli.admin.key_reports import require_done  # noqa: PLC0415
    from keys.act_kind import ActKind  # noqa: PLC0415

    terminal = terminal_of(context)
    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    wish = Wish(kind=ActKind.DESTROY, keys=tuple(kids))
    act(wish, access, terminal, check=require_done(kids, terminal))

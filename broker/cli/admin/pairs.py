"""`enlace admin pair`: which one-way roads are open? Two open one, anybody of them closes it."""

from typing import Annotated, TypeAlias

import typer

from broker.cli.admin.act_options import AsOption, access_of
from broker.cli.options import LedgerOption, PassphraseOption, RootsOption, YesOption, read_desk
from broker.cli.terminal import terminal_of
from broker.model.names import DeskRef, Pair
from schemas.vocabulary import Country

Origin: TypeAlias = Annotated[Country, typer.Argument(case_sensitive=False, metavar="COUNTRY")]
Desk: TypeAlias = Annotated[
    DeskRef, typer.Argument(parser=read_desk, metavar="COUNTRY.COMPARTMENT")
]


def open_pair(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    origin: Origin,
    desk: Desk,
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Propose to let a country write to a desk."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    queue = Pair(origin=origin, desk=desk).queue
    act(Wish(kind=ActKind.OPEN, pairs=(queue,)), access, terminal_of(context))


def close_pair(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    origin: Origin,
    desk: Desk,
    key_file: AsOption,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Take nothing new for this road; what was accepted is still delivered."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url)
    queue = Pair(origin=origin, desk=desk).queue
    act(Wish(kind=ActKind.CLOSE, pairs=(queue,)), access, terminal_of(context))

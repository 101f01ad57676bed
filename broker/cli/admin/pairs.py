"""`enlace admin pair`: which one-way roads are open?"""

from typing import Annotated, TypeAlias

import typer

from broker.cli.admin.participants import decide
from broker.cli.options import LedgerOption, read_desk
from broker.cli.terminal import Terminal, terminal_of
from broker.model import DeskRef, Pair
from schemas.vocabulary import Country

Origin: TypeAlias = Annotated[Country, typer.Argument(case_sensitive=False, metavar="COUNTRY")]
Desk: TypeAlias = Annotated[
    DeskRef, typer.Argument(parser=read_desk, metavar="COUNTRY.COMPARTMENT")
]


def open_pair(
    context: typer.Context, origin: Origin, desk: Desk, ledger_url: LedgerOption = None
) -> None:
    """Let a country write to a desk."""
    _set(terminal_of(context), Pair(origin=origin, desk=desk), ledger_url, is_open=True)


def close_pair(
    context: typer.Context, origin: Origin, desk: Desk, ledger_url: LedgerOption = None
) -> None:
    """Take nothing new for this road; what was accepted is still delivered."""
    _set(terminal_of(context), Pair(origin=origin, desk=desk), ledger_url, is_open=False)


def _set(terminal: Terminal, pair: Pair, url: str | None, *, is_open: bool) -> None:
    decide(
        terminal,
        url,
        lambda store: store.set_pair(pair, is_open=is_open),
        {"queue": pair.queue, "open": is_open},
    )

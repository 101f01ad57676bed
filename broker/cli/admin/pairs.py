"""`enlace admin pair`: which one-way roads are open? Two open one, anybody of them closes it."""

from typing import Annotated, TypeAlias

import typer

from broker.cli.admin.act_command import Acting, alone, proposes
from broker.cli.admin.wish import Wish
from broker.cli.options import read_desk
from broker.model.names import DeskRef, Pair
from keys.act_kind import ActKind
from schemas.vocabulary import Country

Origin: TypeAlias = Annotated[Country, typer.Argument(case_sensitive=False, metavar="COUNTRY")]
Desk: TypeAlias = Annotated[
    DeskRef, typer.Argument(parser=read_desk, metavar="COUNTRY.COMPARTMENT")
]


@proposes
def open_pair(acting: Acting, origin: Origin, desk: Desk) -> None:
    """Propose to let a country write to a desk."""
    acting.act(Wish(kind=ActKind.OPEN, pairs=(Pair(origin=origin, desk=desk).queue,)))


@alone
def close_pair(acting: Acting, origin: Origin, desk: Desk) -> None:
    """Take nothing new for this road; what was accepted is still delivered."""
    acting.act(Wish(kind=ActKind.CLOSE, pairs=(Pair(origin=origin, desk=desk).queue,)))

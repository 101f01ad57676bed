"""`enlace keys certify`: whose key is this? A draft of the country's word, for holders to sign.

What is signed later decides who can read. So the fingerprints are shown first, to be compared
with what the holder reads out, and a person says yes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from broker.cli.confirm import confirm
from broker.cli.options import YesOption
from broker.cli.public_files import write_new
from broker.cli.public_keys import read_public_keys
from broker.cli.terminal import terminal_of


def certify(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE")],
    root: Annotated[Path, typer.Option("--root", metavar="FILE")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE")],
    days: Annotated[int, typer.Option("--days", min=1, max=3660, metavar="N")] = 365,
    serial: Annotated[int | None, typer.Option("--serial", min=1, metavar="N")] = None,
    after: Annotated[str | None, typer.Option("--after", metavar="FILE")] = None,
    yes: YesOption = False,
) -> None:
    """Draft a key statement for each public key."""
    from broker.cli.ceremony.drafts import Document, Draft  # noqa: PLC0415 - a tenth of a second
    from broker.cli.ceremony.files import read_root  # noqa: PLC0415
    from broker.cli.ceremony.making import check_certifiable, statement_terms  # noqa: PLC0415
    from broker.cli.ceremony.telling import show_draft  # noqa: PLC0415
    from keys.statement import issue  # noqa: PLC0415

    terminal, now = terminal_of(context), datetime.now(UTC)
    base = read_root(root, terminal)
    first = serial or max(base.first_serial, _next_serial(after, now))
    every = []
    for place, record in enumerate(read_public_keys(files)):
        terms = statement_terms(record, now=now, days=days, serial=first + place)
        check_certifiable(terms, base, terminal, now=now)
        every.append(terms)
    documents = tuple(Document(terms=each, token=issue(each, signers=())) for each in every)
    made = Draft(base=base, documents=documents)
    show_draft(made, terminal)
    confirm(terminal, yes=yes)
    write_new(output, made.lines())
    terminal.say("ceremony.next_sign", file=output)
    for each in every:
        terminal.tell_program({"kid": each.kid, "serial": each.serial})


def _next_serial(after: str | None, now: datetime) -> int:
    """Serials rise: after a file, else with the seconds since 1970, which rise anyway."""
    if after is None:
        return int(now.timestamp())
    return max(_serials(after), default=0) + 1


def _serials(file: str) -> Sequence[int]:
    from broker.cli.ceremony.files import read_tokens  # noqa: PLC0415 - loaded already
    from keys import signed  # noqa: PLC0415
    from keys.statement import STATEMENT_TYP, read  # noqa: PLC0415

    tokens = [one for one in read_tokens(file) if signed.typ_of(one) == STATEMENT_TYP]
    return [read(token).serial for token in tokens]

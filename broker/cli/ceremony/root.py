"""`enlace keys ceremony draft|finish|status`: a root's documents, from nothing to signed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from broker.cli.confirm import confirm
from broker.cli.exit_codes import ExitCode
from broker.cli.options import NamedRoot, YesOption, read_root_owner
from broker.cli.public_files import write_new
from broker.cli.terminal import finish as end
from broker.cli.terminal import terminal_of

ROOT_DAYS: Final = 1095
"""Three years: the standard policy's longest."""


def draft(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    owner: Annotated[NamedRoot, typer.Argument(parser=read_root_owner, metavar="MX|GW")],
    holders: Annotated[list[str], typer.Option("--holder", metavar="FILE")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE")],
    previous: Annotated[Path | None, typer.Option("--previous", metavar="FILE")] = None,
    threshold: Annotated[int, typer.Option("--threshold", min=2, max=9, metavar="N")] = 2,
    days: Annotated[int, typer.Option("--days", min=1, metavar="N")] = ROOT_DAYS,
    first_serial: Annotated[int | None, typer.Option("--first-serial", min=1, metavar="N")] = None,
    yes: YesOption = False,
) -> None:
    """Put a root together from its holders' public keys, for them to sign."""
    from broker.cli.ceremony.drafts import Document, Draft  # noqa: PLC0415 - a tenth of a second
    from broker.cli.ceremony.files import read_root  # noqa: PLC0415
    from broker.cli.ceremony.making import RootPlan, root_terms  # noqa: PLC0415
    from broker.cli.ceremony.telling import show_draft  # noqa: PLC0415
    from keys.root import sign  # noqa: PLC0415

    terminal = terminal_of(context)
    base = read_root(previous, terminal) if previous is not None else None
    plan = RootPlan(owner=owner.owner, threshold=threshold, days=days, first_serial=first_serial)
    terms = root_terms(plan, holders, base, datetime.now(UTC))
    made = Draft(base=base, documents=(Document(terms=terms, token=sign(terms, ())),))
    show_draft(made, terminal)
    confirm(terminal, yes=yes)
    write_new(output, made.lines())
    terminal.say("ceremony.next_sign", file=output)
    document = made.documents[0]
    terminal.tell_program({"version": terms.version, "document": document.fingerprint})


def finish(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="DRAFT")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE")],
    previous: Annotated[Path | None, typer.Option("--previous", "--root", metavar="FILE")] = None,
) -> None:
    """Check that enough holders have signed, and write what everybody takes."""
    from broker.cli.ceremony.drafts import read_draft  # noqa: PLC0415 - a tenth of a second
    from broker.cli.ceremony.files import read_root  # noqa: PLC0415
    from broker.cli.ceremony.finishing import finished  # noqa: PLC0415
    from broker.cli.ceremony.telling import say_lacking, show_draft  # noqa: PLC0415

    terminal = terminal_of(context)
    base = read_root(previous, terminal) if previous is not None else None
    found = read_draft(str(file), base)
    say_lacking(found, terminal)
    tokens = finished(found, terminal, now=datetime.now(UTC))
    show_draft(found, terminal)
    write_new(output, tokens)
    # Only a first root follows from nothing: everybody must take it from people.
    terminal.say("ceremony.next_pin" if found.base is None else "ceremony.next_add", file=output)
    for each in found.documents:
        terminal.tell_program({"document": each.fingerprint, "file": str(output)})


def status(context: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Show who has signed and who is missing; status 7 while somebody is."""
    from broker.cli.ceremony.drafts import read_draft  # noqa: PLC0415 - a tenth of a second
    from broker.cli.ceremony.telling import (  # noqa: PLC0415
        COLUMNS,
        rows,
        say_lacking,
        show_draft,
    )

    terminal = terminal_of(context)
    found = read_draft(str(file))
    show_draft(found, terminal)
    terminal.rows([*rows(found)], COLUMNS)
    if say_lacking(found, terminal):
        terminal.say("ceremony.next_sign", file=file)
        end(ExitCode.ACTION_NEEDED)
    else:
        terminal.say("ceremony.next_finish", file=file)

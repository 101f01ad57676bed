"""`enlace keys rewrap`: take what waits for this desk from its old key to its active one."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.exit_codes import ExitCode
from broker.cli.options import ProfileOption, read_kid
from broker.cli.session import open_client
from broker.cli.terminal import Terminal, finish, terminal_of
from keys.identifiers import KeyId

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient
    from broker.desk.rewrap import OnProgress, RewrapTotals

COLUMNS = ("old", "new", "rewrapped", "left")


def rewrap(
    context: typer.Context,
    old: Annotated[KeyId, typer.Argument(parser=read_kid, metavar="OLD")],
    profile: ProfileOption = Path(),
    to: Annotated[KeyId | None, typer.Option("--to", parser=read_kid, metavar="NEW")] = None,
) -> None:
    """Re-wrap what waits; called again after an interruption, it goes on."""
    terminal = terminal_of(context)
    client = open_client(profile, terminal)
    with _progress(terminal) as on_progress:
        totals = asyncio.run(_run(client, old, to, on_progress))
    for each in totals.left:
        terminal.warn("rewrap.left", id=each.ref.message_id, code=each.code)
    terminal.record(
        {
            "old": totals.old,
            "new": totals.new,
            "rewrapped": totals.rewrapped,
            "left": len(totals.left),
        },
        COLUMNS,
    )
    finish(ExitCode.ACTION_NEEDED if totals.left else ExitCode.OK)


async def _run(
    client: "EnlaceClient", old: KeyId, new: KeyId | None, on_progress: "OnProgress"
) -> "RewrapTotals":
    from broker.desk.rewrap import Rewrapper  # noqa: PLC0415 - loads the client

    async with client:
        return await Rewrapper(client).run(old, new, on_progress=on_progress)


@contextmanager
def _progress(terminal: Terminal) -> "Iterator[OnProgress]":
    """Show a bar, if somebody looks."""
    if terminal.quiet or terminal.json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import Progress  # noqa: PLC0415 - a quarter of a second

    with Progress(console=terminal.console(sys.stderr), transient=True) as bar:
        task = bar.add_task(terminal.text("rewrap.progress"), total=None)

        def show(totals: "RewrapTotals") -> None:
            done = totals.rewrapped + len(totals.left)
            bar.update(task, completed=done, total=max(totals.waiting, done))

        yield show

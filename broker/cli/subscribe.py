"""`enlace subscribe`: receive, open, keep, and only then acknowledge."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from broker.cli.exit_codes import ExitCode
from broker.cli.explain import CommandError, Explanation, show
from broker.cli.options import ProfileOption
from broker.cli.readers import PurposeOption, ReaderOption, choose_reader
from broker.cli.session import open_client
from broker.cli.terminal import Terminal, finish, terminal_of
from broker.desk.failures import NotReadyError
from broker.model.names import QueueName

if TYPE_CHECKING:
    from broker.cli.counted import Counted
    from broker.desk.client import EnlaceClient
    from broker.desk.reading import Reader
    from broker.desk.store import Store
    from broker.desk.subscribe import Totals

ONCE_IDLE: Final = timedelta(seconds=3)
"""Nothing for so long, connecting included, and ``--once`` takes the queues for empty."""

OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", envvar="ENLACE_OUTPUT", metavar="PATH")
]


def subscribe(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    profile: ProfileOption = Path(),
    queue: Annotated[list[str] | None, typer.Option("--queue", metavar="QUEUE")] = None,
    output: OutputOption = None,
    count: Annotated[int | None, typer.Option("--count", min=1, metavar="N")] = None,
    once: Annotated[bool, typer.Option("--once")] = False,
    purpose: PurposeOption = None,
    reader: ReaderOption = None,
) -> None:
    """Receive messages until stopped."""
    terminal = terminal_of(context)
    client = open_client(profile, terminal)
    queues = tuple(QueueName(each) for each in queue or ())
    idle = ONCE_IDLE if once else None
    chosen = None
    if output is None:
        chosen = choose_reader(client.profile, reader=reader, purpose=purpose)
        if chosen is None and sys.stdout.isatty():
            # What goes into a pipe is kept by a program; what goes to a screen is read.
            raise CommandError(terminal.text("read.nobody"))
    with _stores(output) as stores:
        if output is None and sys.stdout.isatty():
            terminal.say("subscribe.printed")
        try:
            totals = asyncio.run(
                _until_stopped(_receive(client, stores, queues, idle, count, chosen))
            )
        except NotReadyError as error:
            _explain(error, terminal)
            raise typer.Exit(int(ExitCode.FAILURE)) from None
    if totals is not None:
        _report(totals, terminal)
        finish(ExitCode.ACTION_NEEDED if totals.refused else ExitCode.OK)


async def _receive(
    client: "EnlaceClient",
    stores: "tuple[Store, Store]",
    queues: tuple[QueueName, ...],
    idle: timedelta | None,
    count: int | None,
    reader: "Reader | None",
) -> "Totals":
    from broker.cli.counted import Counted  # noqa: PLC0415 - loads the client
    from broker.desk.subscribe import Subscription  # noqa: PLC0415
    from schemas.loader import SchemaSet  # noqa: PLC0415

    inbox, refused = stores
    counted = Counted.of(client, at_most=count)
    async with counted:
        subscription = Subscription(
            counted, inbox=inbox, refused=refused, schemas=SchemaSet.load(), reader=reader
        )
        if count is None:
            await subscription.run(queues, idle=idle)
        else:
            running = asyncio.create_task(subscription.run(queues, idle=idle))
            await _until_counted(running, counted)
        return subscription.totals


async def _until_counted(running: "asyncio.Task[None]", counted: "Counted") -> None:
    """End the subscription when so many messages are answered."""
    answered = asyncio.create_task(counted.answered_all())
    try:
        await asyncio.wait({running, answered}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        answered.cancel()
        if not running.done():
            running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _until_stopped(work: "Coroutine[Any, Any, Totals]") -> "Totals | None":
    """Let SIGTERM end the work as a person's Control-C would, but quietly."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    with suppress(NotImplementedError, RuntimeError):
        # Absent on Windows, and outside the main thread.
        loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if stopped:
            return None
        raise


@contextmanager
def _stores(output: Path | None) -> Iterator["tuple[Store, Store]"]:
    """Open where messages go, and beside it the notes of those that were returned."""
    from broker.desk.inbox import INBOX_FILE, REFUSED_FILE, Inbox  # noqa: PLC0415
    from broker.desk.store import Printout  # noqa: PLC0415

    if output is None:
        yield Printout(sys.stdout.buffer), Printout(sys.stderr.buffer)
        return
    if output.is_dir():
        inbox, refused = output / INBOX_FILE, output / REFUSED_FILE
    else:
        inbox, refused = output, output.with_name(f"{output.stem}.{REFUSED_FILE}")
    with ExitStack() as stack:
        yield stack.enter_context(Inbox(inbox)), stack.enter_context(Inbox(refused))


def _explain(error: NotReadyError, terminal: Terminal) -> None:
    """Say what has to be mended here; no message was refused for it."""
    explanation = Explanation(
        code="not-ready",
        title=terminal.text("subscribe.not_ready", cause=str(error)),
        detail=terminal.text("subscribe.not_ready_next"),
        exit_code=ExitCode.FAILURE,
    )
    show(explanation, terminal)


def _report(totals: "Totals", terminal: Terminal) -> None:
    terminal.say(
        "subscribe.totals",
        stored=totals.stored,
        repeated=totals.repeated,
        refused=totals.refused,
    )

"""`enlace gateway`: run one, or say whether one would run."""

import asyncio
from typing import TYPE_CHECKING

import typer

from broker.cli import logs
from broker.cli.admin.ledger import read_settings
from broker.cli.help_page import HelpCommand, HelpGroup
from broker.cli.terminal import Record, terminal_of
from broker.model.names import Json

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


def make() -> typer.Typer:
    """Make the group; `enlace gateway` alone runs a gateway."""
    group = typer.Typer(cls=HelpGroup, invoke_without_command=True, rich_markup_mode=None)
    group.callback(cls=HelpGroup, invoke_without_command=True)(_gateway)
    group.command("run", cls=HelpCommand)(run)
    group.command("check-config", cls=HelpCommand)(check_config)
    return group


def _gateway(context: typer.Context) -> None:
    """Run a gateway, if nothing else was asked."""
    if context.invoked_subcommand is None:
        run(context)


def run(context: typer.Context) -> None:
    """Run a gateway until SIGTERM or SIGINT, then drain."""
    from broker.wiring.run import run_gateway  # noqa: PLC0415 - a second

    terminal = terminal_of(context)
    logs.configure(terminal, level="warning" if terminal.quiet else "info")
    settings = read_settings(None, terminal, whole=True)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(run_gateway(settings))


def check_config(context: typer.Context) -> None:
    """Read all settings, keys and roots as a gateway would, and start nothing."""
    from broker.gateway_secrets import read_secrets  # noqa: PLC0415 - a second

    terminal = terminal_of(context)
    settings = read_settings(None, terminal, whole=True)
    secrets = read_secrets(settings)
    roots = [f"{owner}-{root.version}" for owner, root in secrets.pins.roots.items()]
    record: Record = {
        "mode": settings.mode.value,
        "base_url": settings.base_url,
        "keys": list[Json](secrets.signing),
        "roots": list[Json](roots),
    }
    terminal.record(record, tuple(record))


def _new_loop() -> "AbstractEventLoop":
    try:
        import uvloop  # noqa: PLC0415 - a third faster, where it can be installed
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()

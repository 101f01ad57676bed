"""The tree of commands. Each module adds its own; what they need is imported when they run."""

from collections.abc import Callable
from typing import Any, TypeAlias

import typer

from broker.cli import (
    code_lists,
    config,
    database,
    gateway,
    keys_certify,
    keys_new,
    keys_show,
    profile,
    queues,
    schemas,
    send,
    status,
    subscribe,
    validate,
)
from broker.cli.admin import listing, pairs, participants, requeue, statements
from broker.cli.help_page import HelpCommand, HelpGroup

Command: TypeAlias = Callable[..., Any]


def make() -> typer.Typer:
    """Make the tree; new each time, since helps are written into it."""
    root = _group_of({})
    root.callback(cls=HelpGroup, no_args_is_help=True)(_enlace)
    root.command("send", cls=HelpCommand)(send.send)
    root.command("status", cls=HelpCommand)(status.status)
    root.command("queues", cls=HelpCommand)(queues.queues)
    root.command("subscribe", cls=HelpCommand)(subscribe.subscribe)
    root.command("validate", cls=HelpCommand)(validate.validate)
    root.add_typer(_group_of({"list": schemas.list_schemas, "show": schemas.show}), name="schemas")
    root.add_typer(
        _group_of({"list": code_lists.list_code_lists, "show": code_lists.show}), name="code-lists"
    )
    root.add_typer(
        _group_of(
            {
                "new": keys_new.new,
                "show": keys_show.show,
                "certify": keys_certify.certify,
                "pin": keys_show.pin,
            }
        ),
        name="keys",
    )
    root.add_typer(_group_of({"new": profile.new, "show": profile.show}), name="profile")
    root.add_typer(_group_of({"upgrade": database.upgrade, "check": database.check}), name="db")
    root.add_typer(_group_of({"show": config.show}), name="config")
    root.add_typer(gateway.make(), name="gateway")
    root.add_typer(_admin(), name="admin")
    return root


def _enlace() -> None:
    """Take the options of all commands."""


def _admin() -> typer.Typer:
    admin = _group_of({})
    admin.add_typer(_group_of({"add": participants.add_country}), name="country")
    admin.add_typer(_group_of({"add": participants.add_agency}), name="agency")
    admin.add_typer(_group_of({"add": participants.add_desk}), name="desk")
    admin.add_typer(_group_of({"add": participants.add_client}), name="client")
    admin.add_typer(_group_of({"open": pairs.open_pair, "close": pairs.close_pair}), name="pair")
    admin.add_typer(_group_of({"add": statements.add}), name="statement")
    admin.command("list", cls=HelpCommand)(listing.list_directory)
    admin.command("requeue", cls=HelpCommand)(requeue.requeue)
    return admin


def _group_of(commands: dict[str, Command]) -> typer.Typer:
    group = typer.Typer(cls=HelpGroup, no_args_is_help=True, rich_markup_mode=None)
    for verb, command in commands.items():
        group.command(verb, cls=HelpCommand)(command)
    return group

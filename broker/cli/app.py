"""The tree of commands. Each module adds its own; what they need is imported when they run."""

from collections.abc import Callable
from typing import Any, TypeAlias

import typer

from broker.cli import channels as own_channels
from broker.cli import (
    code_lists,
    config,
    database,
    gateway,
    keys_acts,
    keys_certify,
    keys_erase,
    keys_new,
    keys_passphrase,
    keys_rewrap,
    keys_show,
    keys_status,
    notices,
    operation,
    policy,
    profile,
    queues,
    read,
    recalls,
    requests,
    retention,
    review,
    schemas,
    send,
    sign,
    status,
    subscribe,
    validate,
)
from broker.cli.admin import (
    channels,
    deciding,
    holds,
    listing,
    pairs,
    participants,
    requeue,
    safeguards,
    statements,
)
from broker.cli.admin import requests as admin_requests
from broker.cli.admin import retention as admin_retention
from broker.cli.admin import review as admin_review
from broker.cli.ceremony import holder
from broker.cli.ceremony import root as ceremony
from broker.cli.help_page import HelpCommand, HelpGroup

Command: TypeAlias = Callable[..., Any]


def make() -> typer.Typer:
    """Make the tree; new each time, since helps are written into it."""
    root = _group_of({})
    root.callback(cls=HelpGroup, no_args_is_help=True)(_enlace)
    root.command("send", cls=HelpCommand)(send.send)
    root.command("sign", cls=HelpCommand)(sign.sign)
    root.command("status", cls=HelpCommand)(status.status)
    root.command("queues", cls=HelpCommand)(queues.queues)
    root.command("read", cls=HelpCommand)(read.read)
    root.command("channels", cls=HelpCommand)(own_channels.channels)
    root.command("subscribe", cls=HelpCommand)(subscribe.subscribe)
    root.command("requests", cls=HelpCommand)(requests.requests)
    root.command("notices", cls=HelpCommand)(notices.notices)
    root.add_typer(recalls.make(), name="recalls")
    root.command("retention", cls=HelpCommand)(retention.retention)
    root.add_typer(
        _group_of({"add": retention.add, "lift": retention.lift, "list": retention.list_holds}),
        name="hold",
    )
    root.add_typer(
        _group_of({"keep": review.keep, "destroy": review.destroy, "list": review.list_all}),
        name="review",
    )
    root.command("validate", cls=HelpCommand)(validate.validate)
    root.add_typer(_group_of({"list": schemas.list_schemas, "show": schemas.show}), name="schemas")
    root.add_typer(
        _group_of({"list": code_lists.list_code_lists, "show": code_lists.show}), name="code-lists"
    )
    root.add_typer(_group_of({"total": operation.total}), name="operation")
    root.add_typer(
        _group_of({"check": policy.check, "explain": policy.explain, "show": policy.show}),
        name="policy",
    )
    root.add_typer(_keys(), name="keys")
    root.add_typer(_group_of({"new": profile.new, "show": profile.show}), name="profile")
    root.add_typer(_group_of({"upgrade": database.upgrade, "check": database.check}), name="db")
    root.add_typer(_group_of({"show": config.show}), name="config")
    root.add_typer(gateway.make(), name="gateway")
    root.add_typer(_admin(), name="admin")
    return root


def _enlace() -> None:
    """Take the options of all commands."""


def _keys() -> typer.Typer:
    keys = _group_of(
        {
            "new": keys_new.new,
            "show": keys_show.show,
            "certify": keys_certify.certify,
            "pin": keys_show.pin,
            "suspend": keys_acts.suspend,
            "compromise": keys_acts.compromise,
            "activate": keys_acts.activate,
            "lift": keys_acts.lift,
            "destroy": keys_acts.destroy,
            "passphrase": keys_passphrase.passphrase,
            "rewrap": keys_rewrap.rewrap,
            "erase": keys_erase.erase,
            "status": keys_status.status,
            "forecast": keys_status.forecast,
            "needs-rotation": keys_status.needs_rotation,
        }
    )
    keys.add_typer(
        _group_of(
            {
                "holder": holder.holder,
                "draft": ceremony.draft,
                "sign": holder.sign,
                "finish": ceremony.finish,
                "status": ceremony.status,
            }
        ),
        name="ceremony",
    )
    return keys


def _admin() -> typer.Typer:
    admin = _group_of({})
    admin.add_typer(_group_of({"add": participants.add_country}), name="country")
    admin.add_typer(_group_of({"add": participants.add_agency}), name="agency")
    admin.add_typer(_group_of({"add": participants.add_desk}), name="desk")
    admin.add_typer(_group_of({"add": participants.add_client}), name="client")
    admin.add_typer(_group_of({"open": pairs.open_pair, "close": pairs.close_pair}), name="pair")
    admin.add_typer(_channel(), name="channel")
    admin.add_typer(_group_of({"add": statements.add}), name="statement")
    admin.add_typer(_group_of({"propose": deciding.propose_policy}), name="policy")
    admin.add_typer(_group_of({"propose": safeguards.propose}), name="safeguards")
    admin.command("approve", cls=HelpCommand)(deciding.approve)
    admin.command("cancel", cls=HelpCommand)(deciding.cancel)
    admin.command("acts", cls=HelpCommand)(deciding.acts)
    admin.command("list", cls=HelpCommand)(listing.list_directory)
    admin.command("requests", cls=HelpCommand)(admin_requests.requests)
    admin.command("requeue", cls=HelpCommand)(requeue.requeue)
    admin.command("retention", cls=HelpCommand)(admin_retention.retention)
    admin.add_typer(
        _group_of({"add": holds.add, "lift": holds.lift, "list": holds.list_holds}), name="hold"
    )
    admin.add_typer(
        _group_of(
            {
                "keep": admin_review.keep,
                "destroy": admin_review.destroy,
                "list": admin_review.list_all,
            }
        ),
        name="review",
    )
    return admin


def _channel() -> typer.Typer:
    return _group_of(
        {
            "propose": channels.propose,
            "consent": channels.consent,
            "leave": channels.leave,
            "suspend": channels.suspend,
            "close": channels.close,
            "resume": channels.resume,
            "list": channels.list_channels,
            "show": channels.show,
        }
    )


def _group_of(commands: dict[str, Command]) -> typer.Typer:
    # typer would show the variables of an unexpected error, and they may be secrets.
    group = typer.Typer(
        cls=HelpGroup,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        pretty_exceptions_show_locals=False,
    )
    for verb, command in commands.items():
        group.command(verb, cls=HelpCommand)(command)
    return group

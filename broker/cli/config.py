"""`enlace config show`: which setting has which value, and where does it come from?"""

import os
from typing import Final

import typer

from broker.cli.admin.ledger import read_settings
from broker.cli.terminal import Record, cell, terminal_of

COLUMNS: Final = ("setting", "value", "origin")
HIDDEN: Final = "********"


def show(context: typer.Context) -> None:
    """List the gateway's settings; secrets are hidden."""
    from pydantic import SecretStr  # noqa: PLC0415 - a third of a second

    terminal = terminal_of(context)
    settings = read_settings(None, terminal)
    rows: list[Record] = []
    for name in type(settings).model_fields:
        variable = f"ENLACE_{name.upper()}"
        value = getattr(settings, name)
        # The mode was overridden, so that a half-made configuration can be looked at.
        text = os.environ.get(variable, "production") if name == "mode" else _shown(value)
        rows.append(
            {
                "setting": variable,
                "value": HIDDEN if isinstance(value, SecretStr) else text,
                "origin": "environment" if variable in os.environ else "default",
            }
        )
    terminal.rows(rows, COLUMNS)


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, tuple):
        return cell([str(each) for each in value])
    return str(value)

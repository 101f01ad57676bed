"""`enlace code-lists`: what a coded member may say, in the reader's language."""

from collections.abc import Mapping
from typing import Annotated, Final

import typer

from broker.cli.terminal import Record, terminal_of
from broker.errors import Code, RefusedError
from broker.texts.catalogue import FALLBACK

COLUMNS: Final = ("name", "version", "codes", "title")


def list_code_lists(context: typer.Context) -> None:
    """List the code lists."""
    from schemas.loader import SchemaSet  # noqa: PLC0415 - half a second

    terminal = terminal_of(context)
    rows: list[Record] = [
        {
            "name": each.name,
            "version": each.version,
            "codes": len(each.codes),
            "title": _label(each.title, terminal.language),
            "source": each.source,
        }
        for _, each in sorted(SchemaSet.load().code_lists().items())
    ]
    terminal.rows(rows, COLUMNS)


def show(context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Show the codes of one list."""
    from schemas.loader import SchemaSet  # noqa: PLC0415 - half a second

    terminal = terminal_of(context)
    found = SchemaSet.load().code_lists().get(name)
    if found is None:
        raise RefusedError(Code.NOT_FOUND)
    rows: list[Record] = [
        {
            "code": each.code,
            "label": _label(each.labels, terminal.language),
            "labels": dict(each.labels),
            "source": each.source or found.source,
        }
        for each in found.codes
    ]
    terminal.rows(rows, ("code", "label"))


def _label(labels: Mapping[str, str], language: str) -> str:
    return labels.get(language) or labels[FALLBACK]

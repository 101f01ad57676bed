"""`enlace schemas`: the published schemas, as they travel with this program."""

import sys
from typing import Annotated, Final

import typer

from broker.cli.terminal import Record, terminal_of
from broker.errors import Code, RefusedError

COLUMNS: Final = ("schema", "version")


def list_schemas(context: typer.Context) -> None:
    """List the schemas."""
    from schemas.loader import SchemaSet  # noqa: PLC0415 - half a second

    rows: list[Record] = [
        {"schema": name, "version": version, "path": path}
        for path in sorted(SchemaSet.load().documents())
        for name, _, version in [path.partition("/")]
    ]
    terminal_of(context).rows(rows, COLUMNS)


def show(
    name: Annotated[str, typer.Argument(metavar="KIND[/VERSION]")],
) -> None:
    """Print one schema, byte for byte; of several versions the newest."""
    from schemas.loader import SchemaSet  # noqa: PLC0415 - half a second

    documents = SchemaSet.load().documents()
    matching = [path for path in documents if path == name or path.partition("/")[0] == name]
    if not matching:
        raise RefusedError(Code.NOT_FOUND)
    newest = max(matching, key=lambda path: [int(n) for n in path.partition("/")[2].split(".")])
    sys.stdout.write(documents[newest].decode("utf-8"))

"""How is a result shown: as a table to a person, as JSON lines to a program?

Whatever comes from elsewhere is stripped of control characters before a terminal sees it: a
text of another country must not move the cursor of this one.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

import typer

from broker.cli.exit_codes import ExitCode
from broker.model.names import Json
from broker.texts.catalogue import Catalogue

if TYPE_CHECKING:
    from rich.console import Console

UNLIMITED: Final = 10_000
"""Columns where nobody looks: a pipe gets every character."""

Record: TypeAlias = Mapping[str, Json]


@dataclass(kw_only=True)
class Terminal:
    """Where one call of `enlace` writes, and how."""

    language: str = "en"
    json: bool = False
    quiet: bool = False
    no_color: bool = False

    def text(self, key: str, **values: object) -> str:
        """Find a text in the reader's language."""
        return Catalogue.load("cli").text(key, self.language, **values)

    def say(self, key: str, **values: object) -> None:
        """Tell the person something, on standard error; nothing if they want quiet."""
        if not self.quiet:
            self.warn(key, **values)

    def warn(self, key: str, **values: object) -> None:
        """Tell the person something that they must not miss."""
        sys.stderr.write(printable(self.text(key, **values)) + "\n")

    def line(self, record: Record) -> None:
        """Write one JSON object on one line."""
        sys.stdout.write(json_line(record) + "\n")
        sys.stdout.flush()

    def tell_program(self, record: Record) -> None:
        """Answer a program; a person has been told in words already."""
        if self.json:
            self.line(record)

    def rows(self, rows: Sequence[Record], columns: Sequence[str]) -> None:
        """Show rows: some columns as a table, or everything as JSON lines."""
        if self.json:
            for row in rows:
                self.line(row)
        elif rows:
            self._table(rows, columns)

    def record(self, record: Record, columns: Sequence[str]) -> None:
        """Show one thing: a name and a value on each line, or one JSON line."""
        if self.json:
            self.line(record)
            return
        names = {column: self.text(f"column.{column}") for column in columns}
        width = max(map(len, names.values()))
        for column, name in names.items():
            sys.stdout.write(f"{name:<{width}}  {cell(record.get(column))}\n")

    def console(self, stream: TextIO) -> "Console":
        """Make a rich console on a stream, for tables and progress."""
        from rich.console import Console  # noqa: PLC0415 - a tenth of a second

        return Console(
            file=stream,
            no_color=self.no_color or None,
            highlight=False,
            width=None if stream.isatty() else UNLIMITED,
        )

    def _table(self, rows: Sequence[Record], columns: Sequence[str]) -> None:
        from rich.table import Table  # noqa: PLC0415 - a tenth of a second
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(self.text(f"column.{column}"), overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell(row.get(column))) for column in columns))
        self.console(sys.stdout).print(table)


def terminal_of(context: typer.Context) -> Terminal:
    """Find the terminal of this call."""
    terminal = context.find_root().obj
    if not isinstance(terminal, Terminal):
        raise TypeError("a command is run without a terminal")
    return terminal


def finish(code: ExitCode) -> None:
    """End the command with this status."""
    if code is not ExitCode.OK:
        raise typer.Exit(int(code))


def json_line(record: Record) -> str:
    """Write JSON in ASCII, so that no terminal and no locale can harm it."""
    return json.dumps(record, separators=(",", ":"))


def cell(value: Json) -> str:
    """Write one value for a person."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return ", ".join(cell(each) for each in value)
    return json_line(value) if isinstance(value, dict) else json.dumps(value)


def printable(text: str) -> str:
    """Show control characters as escapes; line ends stay."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def moment(value: datetime) -> str:
    """Write a moment as the wire does."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

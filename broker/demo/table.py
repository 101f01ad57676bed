"""The table that fills as it happens; without a terminal, one line for each case."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from broker.demo.progress import Progress
from broker.demo.words import Words

COLUMNS: Final = ("case", "kind", "road", "accepted", "routed", "opened", "acknowledged", "ms")
NUMBERS: Final = frozenset(COLUMNS[3:])
WIDTH_WITHOUT_TERMINAL: Final = 160
NARROWEST: Final = 8
LINES_AROUND: Final = 8
"""Of a terminal's height: for heading, borders and the steps above."""


def make_console() -> Console:
    """Write to stdout; wide where no terminal sets the width."""
    console = Console(highlight=False)
    return (
        console if console.is_terminal else Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)
    )


@dataclass(slots=True, kw_only=True)
class Screen:
    """Shows the cases; a ``progress.Board``."""

    console: Console
    words: Words
    cases: Sequence[Progress]
    live: Live | None = None
    finished: set[str] = field(default_factory=set)

    def changed(self, progress: Progress) -> None:
        """Show what is new; without a terminal a case is told once, when it is finished."""
        if progress.is_finished and progress.scene.id not in self.finished:
            self.finished.add(progress.scene.id)
            if self.live is None:
                self.console.print(
                    "  ".join(_cells(progress, self.words)), soft_wrap=True, markup=False
                )
        if self.live is not None:
            self.live.update(self._table(self._window()))

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the table on the screen while the context lasts, then leave it there whole."""
        if not self.console.is_terminal:
            yield
        else:
            with Live(
                console=self.console, transient=True, redirect_stderr=_shares_terminal()
            ) as live:
                self.live = live
                yield
            self.live = None
        self.console.print(self._table(self.cases))

    def _window(self) -> Sequence[Progress]:
        """What fits on the screen: around the first case that is not finished."""
        fits = max(self.console.size.height - LINES_AROUND, 3)
        first = next((i for i, one in enumerate(self.cases) if not one.is_finished), 0)
        start = max(min(first - fits // 2, len(self.cases) - fits), 0)
        return self.cases[start : start + fits]

    def _table(self, cases: Sequence[Progress]) -> Table:
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for name in COLUMNS:
            heading = self.words.text(f"column.{name}")
            is_number = name in NUMBERS
            table.add_column(
                heading,
                justify="right" if is_number else "left",
                no_wrap=is_number,
                min_width=None if is_number else NARROWEST,
            )
        for progress in cases:
            style = "red" if progress.problem else "green" if progress.is_complete else ""
            cells = _cells(progress, self.words)
            table.add_row(
                *(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells), style=style
            )
        return table


def _cells(progress: Progress, words: Words) -> tuple[str, ...]:
    scene, desks = progress.scene, len(progress.scene.desks)
    to = " ".join(desk.country.value for desk in scene.desks)
    return (
        scene.name,
        scene.kind.value,
        f"{scene.sender.country} → {to} ({scene.desks[0].compartment.value})",
        _accepted(progress, words),
        _share(progress.routed, desks),
        _share(len(progress.opened), desks),
        _share(progress.acknowledged, desks),
        _total(progress, words),
    )


def _accepted(progress: Progress, words: Words) -> str:
    if progress.accept_ms is not None:
        return f"✓ {progress.accept_ms:.0f} ms"
    if progress.problem is not None:
        return words.text("cell.refused", reason=progress.problem)
    return "…" if progress.posted_at else ""


def _share(done: int, of: int) -> str:
    return f"✓ {done}/{of}" if done == of else f"{done}/{of}" if done else ""


def _total(progress: Progress, words: Words) -> str:
    if progress.problem is not None:
        return words.text("cell.failed")
    if progress.total_ms is None:
        return ""
    if progress.is_finished and not progress.is_complete:
        return words.text("cell.failed")
    return words.text("cell.held") if progress.is_held else f"{progress.total_ms:.0f}"


def _shares_terminal() -> bool:
    return sys.stderr.isatty()

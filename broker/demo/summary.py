"""What the reader takes home: the checks, and the numbers."""

import math
from collections.abc import Sequence

from rich.console import Console

from broker.demo.progress import Progress
from broker.demo.proofs import Check
from broker.demo.scenario import Outcome
from broker.demo.words import Words


def print_checks(console: Console, checks: Sequence[Check], words: Words) -> None:
    """Print each thing that must hold, and whether it does."""
    console.print()
    console.print(words.text("summary.checks"))
    for check in checks:
        print_check(console, check, words)


def print_check(console: Console, check: Check, words: Words) -> None:
    """Print one thing that must hold."""
    mark, style = ("✓", "green") if check.holds else ("✗", "red")
    text = words.text(check.key, **check.values) if check.values else words.text(check.key)
    console.print(f"  {mark} {text}", style=style, soft_wrap=True, markup=False)


def print_failures(console: Console, cases: Sequence[Progress]) -> None:
    """Name each case that did not reach everybody, and why."""
    for progress in cases:
        if progress.failure is not None:
            line = f"  ✗ {progress.scene.name}: {progress.failure}"
            console.print(line, style="red", soft_wrap=True, markup=False)


def print_summary(
    console: Console,
    outcome: Outcome,
    words: Words,
    *,
    holds: bool,
    transport: str,
    seconds: float,
) -> None:
    """Print counts, times, and what carried and kept the messages."""
    cases = outcome.cases
    pairs = {pair for one in cases for pair in one.scene.pairs}
    countries = {one.scene.sender.country for one in cases} | {pair.desk.country for pair in pairs}
    lines = [
        words.text(
            "summary.counts",
            done=sum(one.is_complete for one in cases),
            cases=len(cases),
            copies=sum(len(one.scene.desks) for one in cases),
            pairs=len(pairs),
            countries=len(countries),
            kinds=len({one.scene.kind for one in cases}),
        ),
        _times("summary.accept", [one.accept_ms for one in cases], words),
        _times("summary.total", [one.total_ms for one in cases if not one.is_held], words),
        words.text("summary.means", transport=transport, ledger="SQLite"),
        words.text("summary.verdict-good" if holds else "summary.verdict-bad"),
    ]
    console.print()
    console.print(words.text("summary.title", seconds=f"{seconds:.1f}"))
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)


def _times(key: str, measured: Sequence[float | None], words: Words) -> str:
    times = sorted(each for each in measured if each is not None)
    if not times:
        return words.text("summary.no-times")
    return words.text(key, p50=_percentile(times, 50), p99=_percentile(times, 99))


def _percentile(ordered: Sequence[float], percent: int) -> str:
    """The nearest-rank percentile."""
    return f"{ordered[math.ceil(percent / 100 * len(ordered)) - 1]:.0f}"

"""Make every small mistake in a rule, one at a time, and see whether a test notices.

Each mutant is tried in a process of its own, forked from one that has everything else loaded
already. What no test notices must stand in ``explained.toml`` with the reason why nobody could;
what stands there and is noticed is out of date. Both end the run with status 1.
"""

import argparse
import gc
import importlib
import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.mutation.mutants import Mutant, mutants  # noqa: E402 - found by the line above

EXPLAINED: Final = Path(__file__).with_name("explained.toml")
SECONDS: Final = 10
"""A mutant that computes for so long goes in circles, and somebody would notice. Not by the clock
on the wall: on a busy machine each is slow. The tests of a module take less than one."""
RULES: Final = ("tests/admission/rules", "tests/desk/test_judge.py")
PEOPLE: Final = ("tests/admission/test_people.py", "tests/admission/test_firewall.py")
POLICY: Final = (
    "tests/admission/test_decided.py",
    "tests/admission/test_policy.py",
    "tests/admission/rules",
)
TARGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "broker.admission.rules.compartments": RULES,
    "broker.admission.rules.protection": RULES,
    "broker.admission.rules.people": RULES,
    "broker.admission.rules.purposes": RULES,
    "broker.admission.rules.lineage": RULES,
    "broker.admission.rules.originator": RULES,
    "broker.admission.rules.reporting": RULES,
    "broker.admission.rules.table": RULES,
    "broker.admission.rules.rule": RULES,
    "broker.admission.rules.charter": RULES,
    "broker.admission.threads": ("tests/admission/test_threads.py",),
    "broker.admission.authorise": (*RULES, "tests/admission/test_recall.py"),
    "broker.admission.explaining": ("tests/admission/test_explaining.py",),
    "broker.admission.policy_changes": (
        "tests/admission/test_policy_changes.py",
        "tests/admission/test_decided.py",
    ),
    "broker.admission.firewall": PEOPLE,
    "broker.admission.people": PEOPLE,
    "broker.admission.narrative": ("tests/admission/test_narrative.py",),
    "broker.admission.origins": (*PEOPLE, "tests/admission/test_origins.py"),
    "broker.admission.facts": ("tests/admission/test_facts.py",),
    "broker.admission.facts_form": ("tests/admission/test_facts_form.py",),
    "broker.admission.schema_rules": ("tests/admission/test_schema_rules.py",),
    "broker.admission.sealed_document": ("tests/admission/test_sealed_document.py",),
    "broker.admission.recipients": ("tests/admission/test_recipients.py",),
    "broker.admission.recall": (
        "tests/admission/test_recall.py",
        "tests/admission/rules/test_table.py",
    ),
    "broker.admission.reply_clock": ("tests/admission/test_reply_clock.py",),
    "broker.admission.use": ("tests/admission/test_use.py",),
    "broker.admission.policy": POLICY,
    "broker.admission.policy_form": ("tests/admission/test_policy_form.py", *POLICY),
    "broker.admission.decided": POLICY,
    "broker.desk.judge": ("tests/desk/test_judge.py",),
}
"""Each module that decides, and the tests that must notice."""
LOADED_BEFORE: Final = ("schemas.loader", "schemas.examples", "broker.directory", "broker.errors")
"""What no target is part of, loaded once for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One mutant of one module."""

    module: str
    mutant: Mutant

    @property
    def name(self) -> str:
        """As ``explained.toml`` has it."""
        return f"{self.module.removeprefix('broker.')}: {self.mutant.name}"


class Mutated(MetaPathFinder, Loader):
    """Gives the mutant where the module is asked for."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Answer for the one module."""
        del path, target
        return spec_from_loader(fullname, self) if fullname == self._task.module else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make it as usual."""
        del spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's source."""
        exec(compile(self._task.mutant.source, self._task.module, "exec"), module.__dict__)  # noqa: S102


def tasks(only: str) -> Iterator[Task]:
    """List all mutants of the modules whose name contains this text."""
    for module in TARGETS:
        if only in module:
            path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
            for each in mutants(path.read_text(encoding="utf-8")):
                yield Task(module=module, mutant=each)


def is_noticed(task: Task | None, tests: tuple[str, ...]) -> bool:
    """Run the tests in a process of their own; True if one fails."""
    child = os.fork()
    if child == 0:
        _be_quiet()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        os._exit(_try(task, tests))
    _, status = os.waitpid(child, 0)
    return status != 0


def _try(task: Task | None, tests: tuple[str, ...]) -> int:
    if task is not None:
        sys.meta_path.insert(0, Mutated(task))
    # Nothing that only a person would read, and no plugin: these tests need none.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["-c", os.devnull, "--rootdir", str(ROOT), "--noconftest"]
    options += ["--import-mode=importlib", "--assert=plain", "--tb=no", "-x", "-q"]
    options += ["-p", "no:cacheprovider"]
    return int(pytest.main([*options, *(str(ROOT / each) for each in tests)]))


def _be_quiet() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def run(all_tasks: list[Task], *, processes: int) -> list[Task]:
    """Try all; give those that nobody noticed."""
    # What is there already is left alone in each process, and so need not be copied into it.
    gc.freeze()
    pieces = [all_tasks[number::processes] for number in range(processes)]
    readers = []
    for piece in pieces:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            survived = [each.name for each in piece if not is_noticed(each, TARGETS[each.module])]
            os.write(writer, "\n".join(survived).encode())
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    names: set[str] = set()
    for reader in readers:
        with os.fdopen(reader) as stream:
            names |= {line for line in stream.read().split("\n") if line}
    for _ in pieces:
        os.wait()
    return [each for each in all_tasks if each.name in names]


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run, compare with what is explained, and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a module's name")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    for each in LOADED_BEFORE:
        importlib.import_module(each)
    started = time.monotonic()
    for tests in sorted({each for name, each in TARGETS.items() if given.only in name}):
        if is_noticed(None, tests):
            say(f"{' '.join(tests)} fail without any mistake, or take too long")
            return 1
    every = list(tasks(given.only))
    survived = run(every, processes=given.processes)
    explained = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["why"]
    open_ = [each for each in survived if each.name not in explained]
    stale = {
        name
        for name in explained
        if any(
            name.startswith(f"{m.removeprefix('broker.')}: ") for m in TARGETS if given.only in m
        )
    } - {each.name for each in survived}
    for each in open_:
        say(f"not noticed, line {each.mutant.line}: {each.name!r}")
    for name in sorted(stale):
        say(f"explained, but noticed or gone: {name!r}")
    seconds = time.monotonic() - started
    say(
        f"{len(every)} mistakes: {len(every) - len(survived)} noticed, "
        f"{len(survived) - len(open_)} explained, {len(open_)} open; {seconds:.0f} s"
    )
    return 1 if open_ or stale else 0


if __name__ == "__main__":
    sys.exit(main())

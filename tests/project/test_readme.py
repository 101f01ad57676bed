"""Does every command in the README work?

Each line of its ``sh`` blocks is on the list below with the way in which it is tried: by CI
itself, or here. A command that is on no list fails, and so does a list that the README outgrew.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

RUN_BY_CI = {
    "make demo": "make demo",
    "make test": "make test",
    # The same program; --stay only leaves it running until it is interrupted.
    "make demo ARGS=--stay": "make demo",
}
"""Each of these is a step of ``.ci/run``."""
HELD_AGAINST_ITS_HELP = ("enlace subscribe", "enlace send")
"""Each of these is a command that exists and has the options that the README gives it; the
tests of the command line run it."""


def commands(path: Path) -> list[str]:
    """Every line of the ``sh`` blocks; continued lines are one."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def enlace_help(words: list[str]) -> str:
    """What a command of ``enlace`` says of itself."""
    return subprocess.run(
        [sys.executable, "-c", "from broker.cli.main import run; run()", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"},
    ).stdout


def test_readme_gives_commands_that_are_tried_when_it_is_read(root: Path) -> None:
    """No command stands in the README that nothing tries."""
    written = {line.removeprefix(".venv/bin/") for line in commands(root / "README.md")}
    enlace = {line for line in written if line.startswith(HELD_AGAINST_ITS_HELP)}

    assert written - enlace == set(RUN_BY_CI)
    assert len(enlace) == len(HELD_AGAINST_ITS_HELP)


@pytest.mark.parametrize("step", sorted(set(RUN_BY_CI.values())))
def test_ci_runs_the_command_when_the_readme_promises_it(root: Path, step: str) -> None:
    """What the README says first is what CI does."""
    text = (root / ".ci" / "run").read_text(encoding="utf-8")

    assert re.search(rf"^step \d+ {step}$", text, re.MULTILINE)


@pytest.mark.parametrize("command", HELD_AGAINST_ITS_HELP)
def test_command_has_its_options_when_the_readme_gives_them(root: Path, command: str) -> None:
    """A command of the README exists, and knows each option that stands there."""
    line = next(line for line in commands(root / "README.md") if f"/{command} " in line)
    options = [word.partition("=")[0] for word in shlex.split(line) if word.startswith("--")]

    said = enlace_help(command.split()[1:])

    assert [option for option in options if option not in said] == []

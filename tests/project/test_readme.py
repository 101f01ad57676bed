"""Does every command in the README work?

Each line of its ``sh`` blocks is on the list below with the way in which it is tried: by CI
itself, or here. A command that is on no list fails, and so does a list that the README outgrew.
"""

import re
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
RUN_HERE = (
    "enlace validate schemas/route-report/examples/accept/caribbean-boat-to-corn-island.json",
)
"""Each of these is quick, and run as it stands. What ``--stay`` prints, tests/demo runs."""


def commands(path: Path) -> list[str]:
    """Every line of the ``sh`` blocks; continued lines are one."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_readme_gives_commands_that_are_tried_when_it_is_read(root: Path) -> None:
    """No command stands in the README that nothing tries."""
    written = {line.removeprefix(".venv/bin/") for line in commands(root / "README.md")}

    assert written == {*RUN_BY_CI, *RUN_HERE}


@pytest.mark.parametrize("step", sorted(set(RUN_BY_CI.values())))
def test_ci_runs_the_command_when_the_readme_promises_it(root: Path, step: str) -> None:
    """What the README says first is what CI does."""
    text = (root / ".ci" / "run").read_text(encoding="utf-8")

    assert re.search(rf"^step \d+ {step}$", text, re.MULTILINE)


@pytest.mark.parametrize("command", RUN_HERE)
def test_command_ends_well_when_it_is_typed_as_the_readme_says(root: Path, command: str) -> None:
    """A quick command of the README is run, from the folder in which its reader stands."""
    done = subprocess.run(
        [sys.executable, "-c", "from broker.cli.main import run; run()", *command.split()[1:]],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr

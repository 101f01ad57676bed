"""An error that nobody expected shows where it happened, and no variable."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from broker.cli import main
from broker.cli.terminal import Terminal
def careless(*_, **__):
    held = b"correct-horse-battery"
    raise RuntimeError("a defect")
main.localise = careless if sys.argv[1] == "building" else main.localise
import broker.cli.keys_passphrase as command
command.read_passphrase = careless
sys.exit(main.run(["keys", "passphrase", "x"]))
"""


def test_run_shows_no_variable_when_a_command_has_a_defect() -> None:
    """Neither typer nor rich takes over the traceback."""
    for place in ("building", "running"):
        command = [sys.executable, "-c", PROGRAM, place]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
        )

        assert done.returncode == 1
        assert "RuntimeError: a defect" in done.stderr
        assert "correct-horse" not in done.stderr + done.stdout

"""The outermost edge: usage, languages, processes."""

import os
import subprocess
import sys
import time

import pytest

from broker.cli.terminal import printable
from tests.cli.conftest import Cli

ENLACE = (sys.executable, "-m", "broker.cli.main")
ROOT = os.path.realpath(f"{__file__}/../../..")


def _process(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ENLACE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT, "LANG": "C", **environ},
    )


def test_enlace_shows_its_help_when_asked_for_nothing(cli: Cli) -> None:
    """Nobody has to know `--help` to find it; a script sees that nothing was done."""
    ran = cli()

    assert ran.code == 2
    assert "subscribe" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nope"], "--nope"),
        (["nope"], "nope"),
        (["send"], "FILE is missing"),
        (["send", "--jobs", "0", "x"], "--jobs"),
        (["admin", "country", "add", "FR"], "COUNTRY"),
        (["admin", "desk", "add", "GT.kitchen"], "COUNTRY.COMPARTMENT"),
        (["admin", "agency", "add", "MX/FGE", "--function", "prosecution", "--name", "x"], "MX"),
        (["admin", "requeue", "GT.intelligence"], "QUEUE"),
        (["admin", "requeue", "hlsg-mx-gt.FR"], "QUEUE"),
        (["admin", "requeue", "hlsg-mx-gt"], "QUEUE"),
        (["status", "1234"], "ID"),
    ],
)
def test_enlace_names_the_fault_of_a_command_line(
    arguments: list[str], said: str, cli: Cli
) -> None:
    """What is wrong, where the help is, status 2, nothing on standard output."""
    ran = cli(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err or "COUNTRY/AGENCY" in ran.err
    assert "--help" in ran.err
    assert "Traceback" not in ran.err


def test_enlace_speaks_spanish_of_a_faulty_command_line(cli: Cli) -> None:
    """No English is mixed in."""
    ran = cli("send", "--lang", "es")

    assert ran.err == "enlace: falta FILE (usage)\n  Vea: enlace send --help\n"


def test_enlace_tells_errors_as_json_to_a_program(cli: Cli) -> None:
    """With --json the talk is JSON too, with stable members."""
    ran = cli("schemas", "show", "nope", "--json")

    assert ran.code == 3
    assert ran.err.startswith('{"error":{"code":"not-found"')


def test_enlace_runs_as_a_process() -> None:
    """The module is an entry point, and --json works before the command as after it."""
    ran = _process("--json", "schemas", "list")

    assert ran.returncode == 0
    assert ran.stdout.startswith('{"schema":')


def test_enlace_helps_quickly() -> None:
    """Heavy parts are loaded by who needs them: half a second of work at most."""
    script = "import sys, broker.cli.main as m; m.build('en'); print(*sys.modules)"
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert time.monotonic() - started < 5
    heavy = {"cryptography", "sqlalchemy", "aiohttp", "jsonschema_rs", "structlog", "rich"}
    assert heavy.isdisjoint(ran.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_enlace_completes_its_commands_in_every_shell(shell: str) -> None:
    """The completion that typer installs finds the commands."""
    ran = _process(
        _ENLACE_COMPLETE=f"complete_{shell}",
        _TYPER_COMPLETE_ARGS="enlace sub",
        _TYPER_COMPLETE_WORD_TO_COMPLETE="sub",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        COMP_WORDS="enlace sub",
        COMP_CWORD="1",
    )

    assert "subscribe" in ran.stdout


def test_printable_shows_control_characters_instead_of_sending_them() -> None:
    """A text of another country cannot move this one's cursor."""
    assert printable("a\x1b[2Jb\u202ec\nd") == "a\\x1b[2Jb\\u202ec\nd"

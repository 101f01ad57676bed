"""``make demo ARGS=--stay``: what it prints can be typed, and works."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READY = "Ctrl-C"
START_SECONDS = 120
PROGRAM = "from broker.cli.main import run; raise SystemExit(run())"
ATTENTION = 7
"""Something needs attention: a request was overdue."""
COMMAND = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """The commands of a demonstration that stays up, by their programs' verbs."""
    out = tmp_path_factory.mktemp("stay") / "out.txt"
    folder = out.parent / "exchange-folder"
    with out.open("wb") as stream:
        demo = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "broker.demo",
                "--stay",
                "--transport",
                "local",
                "--lang",
                "en",
                "--folder",
                str(folder),
            ],
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "enlace notices" not in out.read_text() and time.monotonic() < deadline:
            assert demo.poll() is None, out.read_text()
            time.sleep(0.2)
        time.sleep(0.5)
        yield _by_verb(COMMAND.findall(out.read_text()))
    finally:
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(timeout=40) == 0, out.read_text()


def _by_verb(commands: list[str]) -> dict[str, list[str]]:
    words = [shlex.split(command) for command in commands]
    return {
        (line[1] if Path(line[0]).name == "enlace" else f"curl {line[-1].rsplit('/', 1)[1]}"): line
        for line in words
        if Path(line[0]).name in ("enlace", "curl")
    }


def run(words: list[str], *more: str, status: int = 0) -> str:
    """Run a printed command as it stands; its program may not be installed beside Python."""
    if Path(words[0]).name == "enlace":
        words = [sys.executable, "-c", PROGRAM, *words[1:]]
    done = subprocess.run(
        [*words, *more], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def test_stay_prints_commands_that_send_receive_and_prove(printed: dict[str, list[str]]) -> None:
    """The three commands of a message's life work in the order in which one would try them."""
    sent = run(printed["send"], "--json")
    received = run(printed["subscribe"], "--count", "1")
    proved = run(printed["status"], "--json")

    assert '"accepted"' in sent or '"receipt"' in sent
    assert '"message"' in received
    assert "acknowledged" in proved


def test_stay_prints_commands_that_look_back_at_the_second_act(
    printed: dict[str, list[str]],
) -> None:
    """A member sees its channels, the total, what was recalled, and what it was told of."""
    assert "hlsg-mx-gt" not in (channels := run(printed["channels"]))
    assert "trinational-pa-cr-do" in channels
    assert "at least 45" in run(printed["operation"])
    assert "destroyed" in run(printed["recalls"], "--json")
    assert "request-overdue" in run(printed["notices"], "--json", status=ATTENTION)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("verb", ["curl oauth-authorization-server", "curl schemas"])
def test_stay_prints_a_curl_command_that_answers(printed: dict[str, list[str]], verb: str) -> None:
    """What is public is served to a stock client that trusts the sandbox's authority."""
    assert run(printed[verb], "--silent", "--fail").startswith("{")

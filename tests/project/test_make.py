"""Do the commands that people type first do what they say?"""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = ("help", "demo", "test", "check", "mutate", "bench", "lock")
SHELL_SCRIPTS = (".ci/run", ".ci/audit", ".ci/lock", ".ci/make-venv", "deploy/make-secrets")
NEWER_THAN_3_81 = re.compile(r"!=|::=|\$\(file |&:|^\.ONESHELL|^define .*=$", re.MULTILINE)


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """A folder in which a virtual environment can be made and nothing is installed yet."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(root / ".ci" / "make-venv", tmp_path / ".ci")
    return tmp_path


def make_venv(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script that makes the virtual environment."""
    return subprocess.run(
        [clone / ".ci" / "make-venv", "requirements.txt"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], **environment},
    )


def test_make_lists_its_commands_when_called_alone(root: Path) -> None:
    """``make`` is help, in English and Spanish, and changes nothing."""
    if shutil.which("make") is None:
        pytest.skip("needs make")

    said = subprocess.run(
        ["make"], cwd=root, capture_output=True, text=True, check=True, timeout=30
    ).stdout

    for target in TARGETS:
        assert re.search(rf"^  make {target} +\S", said, re.MULTILINE), target
    assert "Ejecutar las pruebas" in said


def test_makefile_runs_on_old_make_when_a_mac_has_it(root: Path) -> None:
    """Nothing in it is newer than GNU make 3.81."""
    text = (root / "Makefile").read_text(encoding="utf-8")

    assert NEWER_THAN_3_81.findall(text) == []
    assert set(re.findall(r"^([a-z]+):", text, re.MULTILINE)) == set(TARGETS)


@pytest.mark.parametrize("name", SHELL_SCRIPTS)
def test_script_can_be_run_when_cloned(root: Path, name: str) -> None:
    """It is executable, its shell can read it, and it stops at the first mistake."""
    script = root / name
    shell = script.read_text(encoding="utf-8").splitlines()[0].split("/")[-1].split()[-1]

    read = subprocess.run([shell, "-n", script], capture_output=True, check=False, timeout=30)

    assert script.stat().st_mode & stat.S_IXUSR
    assert read.returncode == 0
    assert re.search(r"^set -[eu]*u", script.read_text(encoding="utf-8"), re.MULTILINE)


def test_make_venv_says_what_to_install_when_there_is_no_python(clone: Path) -> None:
    """Without a Python that is new enough the newcomer learns what to do, in two languages."""
    done = make_venv(clone, PYTHON="/nowhere/python3")

    assert done.returncode == 1
    assert "Python 3.11" in done.stderr
    assert "necesita" in done.stderr
    assert not (clone / ".venv").exists()


def test_make_venv_names_the_package_when_debian_left_out_ensurepip(
    clone: Path, tmp_path: Path
) -> None:
    """A Python without ``ensurepip`` and no stand-in ends with the name of the package."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "head"):
        (tools / name).symlink_to(shutil.which(name) or name)
    python = tools / "python3"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n',
        encoding="utf-8",
    )
    python.chmod(0o755)

    done = make_venv(clone, PATH=str(tools), PYTHON="python3")

    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (clone / ".venv").exists()


def test_ci_runs_what_contributors_run_when_it_judges(root: Path) -> None:
    """CI calls the targets that people call, and insists on the services."""
    text = (root / ".ci" / "run").read_text(encoding="utf-8")

    for target in ("demo", "test", "check"):
        assert re.search(rf"^step \d+ make {target}$", text, re.MULTILINE)
    assert "ENLACE_REQUIRE_SERVICES=1" in text
    # Deadlines, not durations: it takes some 40 minutes on two cores.
    assert sum(map(int, re.findall(r"^ *step (\d+)", text, re.MULTILINE))) <= 80 * 60

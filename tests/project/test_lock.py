"""Is what gets installed exactly what was tested?"""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")


def read_lock(path: Path) -> dict[str, str]:
    """Each package of a lock file, with its version."""
    return {
        canonicalize_name(name): version
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_every_package_by_hash(root: Path, name: str) -> None:
    """No file is installed whose hash is not known beforehand."""
    text = (root / name).read_text(encoding="utf-8")
    entries = [
        line for line in text.replace("\\\n", " ").splitlines() if line[:1] not in {"", "#", " "}
    ]

    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+ ", entry), entry[:60]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:60]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_address_when_it_was_made(root: Path, name: str) -> None:
    """Where packages come from is the installer's own choice."""
    text = (root / name).read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash", ""), re.MULTILINE)


def test_lock_holds_what_pyproject_asks_for_when_compared(root: Path) -> None:
    """Every dependency is locked, at a version above its floor."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = [*project["project"]["dependencies"]]
    runtime += project["project"]["optional-dependencies"]["postgresql"]
    development = [one for group in project["dependency-groups"].values() for one in group]
    build = project["build-system"]["requires"]

    for name, asked in zip(LOCKS, (runtime, runtime + development, build), strict=True):
        locked = read_lock(root / name)
        for requirement in map(Requirement, asked):
            version = locked[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), (name, requirement.name)


def test_lock_tests_what_runs_when_versions_are_compared(root: Path) -> None:
    """The development set contains the runtime's, version by version."""
    runtime, development, build = (read_lock(root / name) for name in LOCKS)

    assert runtime.items() <= development.items()
    assert {name: build[name] for name in build.keys() & development} == {
        name: development[name] for name in build.keys() & development
    }

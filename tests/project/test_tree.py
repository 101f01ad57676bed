"""Does the tree stand on its own, wherever it is cloned?"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

# One letter of each stands in brackets, so that this file is not its own finding.
FOREIGN = re.compile(
    r"/wor[k]/|\.\./share[d]|/roo[t]/|/home/[a-z]\w*/|/User[s]/\w|\.pyen[v]/"
    r"|pyp[i]\.org|pythonhoste[d]\.|npmj[s]\.(org|com)|--(extra-)?index-ur[l]|--find-link[s]"
)
NOT_OUR_WORDS = {"LICENSE"}


def files(root: Path) -> Iterator[Path]:
    """Every file that is, or would be, part of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    for name in filter(None, listed.split("\0")):
        path = root / name
        if path.is_file() and not path.is_symlink() and path.name not in NOT_OUR_WORDS:
            yield path


def test_tree_names_no_machine_when_it_is_searched(root: Path) -> None:
    """No file names a path of somebody's machine, or where packages come from."""
    found = []
    for path in files(root):
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(root)}: {hit.group()}" for hit in FOREIGN.finditer(text)]

    assert found == []


def test_tree_holds_no_private_key_when_it_is_searched(root: Path) -> None:
    """No secret of a deployment, and no private key in PEM, is part of the project."""
    begin = b"-----BEGIN " + b"PRIVATE KEY-----"

    secrets = [path.name for path in files(root) if path.parent.name == "secrets"]

    assert secrets in ([], [".gitignore"])
    assert [path.name for path in files(root) if begin in path.read_bytes()] == []

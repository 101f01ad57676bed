"""Does what docs/custody.md tells a newcomer to type work?"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.softhsm import MODULES, SoftToken

ROOT = Path(__file__).parents[2]
DOCUMENTED = "/usr/lib/softhsm/libsofthsm2.so"
SHIM = '#!/bin/sh\nexec "{python}" -m broker.cli.main "$@"\n'


@pytest.mark.softhsm
def test_custody_document_makes_keys_in_a_token_when_it_is_followed(
    tmp_path: Path,
    softhsm: SoftToken,  # noqa: ARG001 - finds out whether there is a SoftHSM2
) -> None:
    """Every line of its one ``sh`` block is run as it stands, but for two paths."""
    text = (ROOT / "docs" / "custody.md").read_text("utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    module = next(each for each in MODULES if each.exists())
    commands = block.replace("/var/lib/enlace", str(tmp_path)).replace(DOCUMENTED, str(module))
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    (tmp_path / "enlace").write_text(SHIM.format(python=sys.executable))
    (tmp_path / "enlace").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"),
    }

    done = subprocess.run(
        ["sh", "-euc", commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("GT-desk-judicial-1") >= 2
    assert (tmp_path / "desk.seeds").stat().st_mode & 0o7777 == 0o600

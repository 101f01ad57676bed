"""Does the measurement run, whatever it measures?"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 110


@pytest.mark.slow
def test_bench_prints_ratios_when_it_is_quick(tmp_path: Path) -> None:
    """A few messages go through every side that needs no service; no time is judged."""
    if find_spec("psutil") is None:
        pytest.skip("needs psutil, of the dependency group bench")
    written = tmp_path / "result.json"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ENLACE_")
    }

    done = subprocess.run(
        [sys.executable, "bench/run.py", "--quick", "--messages", "20", "--json", written],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )

    assert done.returncode == 0, done.stderr
    assert "CPU of the accept path / sum of its parts, 16 clients:" in done.stdout
    assert "re-wrap, on the desk:" in done.stdout
    (result,) = json.loads(written.read_text(encoding="utf-8"))["results"]
    assert (result["transport"], result["ledger"]) == ("local", "sqlite")
    assert {row["clients"] for row in result["rows"]} >= {1, 16, 64}
    assert all(ratio["value"] > 0 for ratio in result["ratios"])
    assert result["gateway_peak_kib"] > 0
    assert "key ring, the look-ups of one message:" in done.stdout
    assert "suspend to first refusal" in done.stdout

"""Logs tell operators where something failed, and nothing of what was in its hands."""

import json

import pytest
import structlog

from broker.cli import logs
from broker.cli.terminal import Terminal

SECRET = "testigo-protegido"


def test_log_names_the_place_of_a_failure_and_no_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither the error's text nor a variable of its frames reaches the log."""
    logs.configure(Terminal(json=True), level="info")

    def fail(witness: str) -> None:
        raise ValueError(witness)

    try:
        fail(SECRET)
    except ValueError:
        structlog.get_logger().exception("request:failed")

    written = capsys.readouterr().err
    event = json.loads(written)
    assert SECRET not in written
    assert event["error"] == "ValueError"
    assert event["where"][-1].endswith(" fail")
    structlog.reset_defaults()

"""Does the demonstration keep what it promises, and fail where it must?"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.model.delivery import Outgoing
from broker.model.names import ContentHash, DeliveryNumber, MessageId, QueueName
from broker.sandbox.rabbitmq_node import private_rabbitmq_node
from broker.transport.rabbitmq import open_rabbitmq
from broker.wiring.clock import utc_now
from schemas.vocabulary import Urgency
from tests.services.rabbitmq import private_folder

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 200
QUEUE = QueueName("MX.GT.intelligence")


def run_demo(*arguments: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run it as ``make demo`` does, in a folder of ours, with no settings but these."""
    return subprocess.run(
        [sys.executable, "-m", "broker.demo", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LONGEST_SECONDS,
        cwd=folder,
        env=environment(variables),
        check=False,
    )


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Our own environment without its language and its Enlace settings, and with these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ENLACE_", "LC_", "LANG"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **variables}


def test_demo_delivers_and_proves_every_case_over_the_local_transport(tmp_path: Path) -> None:
    """Without a terminal it runs once, says in numbers that all arrived, and leaves nothing."""
    done = run_demo("--transport", "local", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    counts = re.search(
        r"(\d+) of (\d+) cases delivered: (\d+) copies over (\d+) pairs", done.stdout
    )
    assert counts is not None
    assert counts[1] == counts[2]
    assert int(counts[1]) >= 34
    assert "Everything held." in done.stdout
    assert "✗" not in done.stdout
    for scene in ("A channel", "would betray", "recall", "joint operation", "clock"):
        assert scene in done.stdout
    assert [*(tmp_path / ".demo").iterdir()] == []


def test_demo_speaks_spanish_when_the_environment_asks_for_it(tmp_path: Path) -> None:
    """``LANG=es_MX.UTF-8`` is served in Spanish."""
    done = run_demo("--transport", "local", folder=tmp_path, LANG="es_MX.UTF-8")

    assert done.returncode == 0, done.stderr
    assert "Todo se cumplió." in done.stdout
    assert "Una carpeta privada" in done.stderr


def test_demo_fails_with_the_reason_when_the_named_rabbitmq_is_away(tmp_path: Path) -> None:
    """What was asked for is never replaced in silence; no password and no traceback is shown."""
    done = run_demo(folder=tmp_path, ENLACE_AMQP_URL="amqp://user:hunter2@127.0.0.1:1/")

    assert done.returncode == 1
    assert "RabbitMQ at 127.0.0.1:1 cannot be used (Connection refused)" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_demo_fails_with_the_reason_when_its_folder_is_not_empty(tmp_path: Path) -> None:
    """It never writes among files that it did not make."""
    (tmp_path / "mine.txt").touch()

    done = run_demo("--folder", str(tmp_path), folder=tmp_path)

    assert done.returncode == 1
    assert "expected a new or an empty folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.rabbitmq
@pytest.mark.slow
async def test_demo_uses_a_named_rabbitmq_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    """It says which one, looks into its queues, and removes them; what is in use it leaves."""
    async with private_rabbitmq_node(private_folder(tmp_path)) as node:
        done = await asyncio.to_thread(run_demo, folder=tmp_path, ENLACE_AMQP_URL=node.url)

        assert done.returncode == 0, done.stderr
        assert f"transport: RabbitMQ at 127.0.0.1:{node.port};" in done.stdout
        assert "The queues cannot be read" in done.stdout

        async with open_rabbitmq(node.url, clock=utc_now) as transport:
            await transport.declare([QUEUE])
            await transport.publish([outgoing()], timeout=timedelta(seconds=10))
        again = await asyncio.to_thread(run_demo, folder=tmp_path, ENLACE_AMQP_URL=node.url)

        assert again.returncode == 1
        assert f"an exchange uses this virtual host ({QUEUE} has messages" in again.stderr


def outgoing() -> Outgoing:
    """Make what another exchange might have there."""
    return Outgoing(
        number=DeliveryNumber(1),
        queue=QUEUE,
        message_id=MessageId("01950105-5c00-7a00-8a00-000000000105"),
        content_hash=ContentHash("A" * 43),
        urgency=Urgency.ROUTINE,
        expires=datetime.now(UTC) + timedelta(days=1),
        sealed=b"{}",
    )

"""The private node: what it needs, what it leaves behind, what it says when it fails."""

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest

from broker.errors import ConfigurationError, TransportUnavailableError
from broker.sandbox import rabbitmq_node
from broker.sandbox.rabbitmq_node import PrivateRabbitNode, private_rabbitmq_node

EPMD = "#!/bin/sh\nexec sleep 60\n"


def program(folder: Path, name: str, text: str) -> Path:
    """Write an executable."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


async def test_start_says_what_the_node_logged_when_it_does_not_come_up(tmp_path: Path) -> None:
    """The reason is in the note, without the password, and long before the deadline."""
    script = '#!/bin/sh\necho no room on the disk; cat "$RABBITMQ_CONFIG_FILE"; exit 1\n'
    server = program(tmp_path, "rabbitmq-server", script)
    node = PrivateRabbitNode(tmp_path / "node", server=server, epmd=program(tmp_path, "epmd", EPMD))

    with pytest.raises(TransportUnavailableError) as failed:
        await node.start()

    assert "no room on the disk" in failed.value.__notes__[0]
    assert node.password not in failed.value.__notes__[0]
    assert stat.S_IMODE((tmp_path / "node" / "rabbitmq.conf").stat().st_mode) == 0o600


async def test_stop_ends_every_process_when_the_server_ignores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that does not stop when asked is killed, and epmd with it."""
    monkeypatch.setattr(rabbitmq_node, "STOP_DEADLINE", rabbitmq_node.PROBE_INTERVAL * 5)
    script = "#!/bin/sh\ntrap '' TERM\necho $$ >stubborn.pid\nwhile :; do sleep 1; done\n"
    server = program(tmp_path, "rabbitmq-server", script)
    node = PrivateRabbitNode(tmp_path / "node", server=server, epmd=program(tmp_path, "epmd", EPMD))
    starting = asyncio.create_task(node.start())
    pid_file = tmp_path / "node" / "stubborn.pid"
    await asyncio.to_thread(wait_for_text, pid_file)

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    await asyncio.sleep(0.1)
    assert not is_running(int(pid_file.read_text()))


async def test_private_node_says_what_to_install_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing installed is an answer, not a traceback."""
    monkeypatch.setattr(rabbitmq_node, "find_rabbitmq_server", lambda: None)

    with pytest.raises(ConfigurationError, match="install"):
        async with private_rabbitmq_node(tmp_path / "node"):
            pytest.fail("started")


def wait_for_text(path: Path) -> None:
    """Return when a file has been written by another process."""
    while not (path.exists() and path.read_text()):
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process of this number runs; one that nobody has reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"

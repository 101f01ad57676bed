"""A private RabbitMQ node: whatever is installed here, run by us, in one folder of ours.

Nothing outside the folder is read or written, and nothing listens beyond 127.0.0.1, so it
works for root and for anybody else, beside a system-wide RabbitMQ or without one. It is for
trying and testing; production uses a cluster that somebody operates.
"""

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import NewType

from broker.errors import Code, ConfigurationError, TransportUnavailableError
from broker.sandbox.ports import free_ports

AmqpUrl = NewType("AmqpUrl", str)
"""``amqp://user:password@127.0.0.1:port/``."""

START_DEADLINE = timedelta(seconds=60)
"""A cold start takes 4 to 8 seconds; a machine that is ten times slower still makes it."""
STOP_DEADLINE = timedelta(seconds=30)
"""An idle node stops in about 3 seconds; after this it is killed."""
PROBE_INTERVAL = timedelta(milliseconds=100)
LOG_TAIL_LINES = 20
OTHER_PLACES = [Path("/opt/homebrew/sbin"), Path("/usr/local/sbin"), Path("/opt/rabbitmq/sbin")]
"""Homebrew on either kind of Mac, and the container image of RabbitMQ."""

# The parent holds the other end of stdin and never writes. When it closes, because we stop
# or because we were killed, everything in this process group is asked to end: portable,
# where PR_SET_PDEATHSIG is not. epmd runs in front, or it would outlive us all.
SUPERVISE = """
exec 3<&0 </dev/null
"$1" -address 127.0.0.1 -port "$ERL_EPMD_PORT" 3<&- &
( read -r _ <&3; kill -TERM 0 ) &
"$2" 3<&- &
server=$!
trap : TERM
while kill -0 "$server" 2>/dev/null; do wait "$server"; done
kill -KILL 0
"""


def find_rabbitmq_server() -> Path | None:
    """Find an installed ``rabbitmq-server`` script that an ordinary user may run."""
    # Debian's wrapper on the PATH insists on root or its own user; the real script does not.
    newest_first = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin"), reverse=True)
    for place in [*newest_first, *OTHER_PLACES]:
        if (place / "rabbitmq-server").is_file():
            return place / "rabbitmq-server"
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path) if on_path else None


class PrivateRabbitNode:
    """One node in one folder; stopping and starting it keeps its URL and its messages."""

    def __init__(self, folder: Path, *, server: Path, epmd: Path) -> None:
        self.folder = folder.absolute()
        self.server = server
        self.epmd = epmd
        (self.port,) = free_ports(1)
        self.password = secrets.token_urlsafe(24)
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> AmqpUrl:
        """Where it listens, with its password."""
        return AmqpUrl(f"amqp://enlace:{self.password}@127.0.0.1:{self.port}/")

    async def start(self) -> None:
        """Start the node and return once it answers.

        Raises:
            TransportUnavailableError: It did not come up; a note has the end of its log.
        """
        if self.process is not None:
            raise RuntimeError("this node is running")
        self.write_configuration()
        with (self.folder / "console.log").open("ab") as console:
            self.process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                SUPERVISE,
                "rabbitmq-node",
                str(self.epmd),
                str(self.server),
                stdin=asyncio.subprocess.PIPE,
                stdout=console,
                stderr=console,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_DEADLINE.total_seconds()):
                await self.wait_until_it_answers()
        except (TimeoutError, TransportUnavailableError) as error:
            await self.stop()
            unavailable = TransportUnavailableError(Code.TRANSPORT_UNAVAILABLE)
            unavailable.add_note(f"rabbitmq-server did not start:\n{self.log_tail()}")
            raise unavailable from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the node and everything that belongs to it; what it stored stays."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_DEADLINE.total_seconds()):
                    await process.wait()
        finally:
            # Also when cancelled or too slow: nobody may find our node running later.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def write_configuration(self) -> None:
        """Write the configuration; only our user may read the password in it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "default_user = enlace",
            f"default_pass = {self.password}",
            "log.console = false",
            "disk_free_limit.absolute = 50MB",
            # The default of 512 MB is meant for a machine of its own.
            "raft.wal_max_size_bytes = 64000000",
        ]
        configuration = self.folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join([*lines, ""]), encoding="ascii")
        (self.folder / "enabled_plugins").write_text("[].\n", encoding="ascii")

    def environment(self) -> Mapping[str, str]:
        """Point every path and every port of the node at what is ours."""
        folder = str(self.folder)
        dist_port, epmd_port = free_ports(2)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": folder,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/rabbitmq.pid",
            "RABBITMQ_NODENAME": "enlace@localhost",
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
            ),
            # Without this the script stops its node by rabbitmqctl, which takes seconds more.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd_port),
        }

    async def wait_until_it_answers(self) -> None:
        """Ask for the AMQP greeting until it comes, or until the process is gone."""
        while not await self.greets():
            if self.process is None or self.process.returncode is not None:
                raise TransportUnavailableError(Code.TRANSPORT_UNAVAILABLE)
            await asyncio.sleep(PROBE_INTERVAL.total_seconds())

    async def greets(self) -> bool:
        """Whether somebody speaks AMQP 0-9-1 on our port."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"AMQP\x00\x00\x09\x01")
                return await reader.readexactly(1) == b"\x01"  # a method frame: Connection.Start
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False
        finally:
            if writer is not None:
                writer.close()

    def log_tail(self) -> str:
        """Return the last lines that the node wrote, for an error message."""
        logs = [self.folder / "console.log", *sorted((self.folder / "log").glob("*.log"))]
        texts = [log.read_text(errors="replace") for log in logs if log.is_file()]
        lines = "\n".join(texts).splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(lines).replace(self.password, "******")


@asynccontextmanager
async def private_rabbitmq_node(folder: Path) -> AsyncIterator[PrivateRabbitNode]:
    """Run a node in ``folder``, which should be new and private, for as long as you need it.

    Raises:
        ConfigurationError: No RabbitMQ is installed here.
        TransportUnavailableError: It is, but did not start.
    """
    server, epmd = find_rabbitmq_server(), shutil.which("epmd")
    if server is None or epmd is None:
        raise ConfigurationError(
            "no rabbitmq-server (with Erlang's epmd) is installed here: "
            "apt install rabbitmq-server, or brew install rabbitmq"
        )
    node = PrivateRabbitNode(folder, server=server, epmd=Path(epmd))
    await node.start()
    try:
        yield node
    finally:
        await node.stop()

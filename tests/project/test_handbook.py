"""Does what docs/keys.md tells administrators to type work, from nothing to a mended desk?

All its blocks are run in order, in one folder, as several people would type them. What the test
brings along: a country that is there already, a certificate, a gateway that runs, a person who
says yes, and a policy whose days are over at once.
"""

import asyncio
import json
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import structlog

from broker.cli.main import run
from broker.desk.profile import Profile
from broker.gateway.context import Gateway
from broker.model.names import AgencyRef
from broker.sandbox.authority import make_tls
from broker.sandbox.countries import CountryKit, Holding
from broker.sandbox.ports import free_ports
from broker.settings import load_settings
from broker.storage.ledger import open_ledger
from broker.wiring.run import running_gateway
from keys.custody.bundle import write_bundle
from keys.policy import KeyPolicy
from keys.secret import Passphrase
from schemas.vocabulary import Country
from tests.flow.conftest import GT_DESK, as_bytes, message

TEXT: Final = (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8")
BLOCK: Final = re.compile(r"^## ([^\n]+)$|^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN: Final = ("systemd-creds", "systemctl", "certbot")
"""What the blocks that are not run begin with: they need a machine of their own."""
FGR: Final = AgencyRef(country=Country.MEXICO, agency="fgr")
PASSPHRASE: Final = "correct horse"
SOON: Final = KeyPolicy.from_json(
    {
        "decisions": {"time_lock": "0s", "replacement_lock": "0s"},
        "uses": {"desk_encryption": {"announce": "0s", "grace": "0s"}},
    }
)
SETTLED_WITHIN: Final = 20.0
FEWEST_LINES: Final = 80
"""A handbook of less than this was cut short, or its blocks are no longer found."""


class Yes:
    """A person at the terminal who has compared what is shown."""

    def isatty(self) -> bool:
        """Somebody is there."""
        return True

    def readline(self) -> str:
        """Answer the one question that is asked."""
        return "yes\n"


@dataclass
class Handbook:
    """Runs lines of the handbook in one folder."""

    folder: Path
    port: int
    captured: "pytest.CaptureFixture[str]"
    since: datetime
    gateway: Gateway | None = None
    said: list[str] = field(default_factory=list)

    def type(self, line: str) -> None:
        """Do as one person does who types a line, and waits until it is in force."""
        words, comment = line.partition(" # ")[::2]
        expected = int(comment.removeprefix("status ") or 0)
        for placeholder, value in (
            ("exchange.example.org", f"localhost:{self.port}"),
            ("2026-11-23T12:00:00Z", self.since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ):
            words = words.replace(placeholder, value)
        if "ACT_ID" in words:
            words = words.replace("ACT_ID", self._open_act())
        if words.startswith("enlace "):
            self._enlace(words, expected)
            self._let_serials_pass(words)
        else:
            subprocess.run(["sh", "-euc", words], cwd=self.folder, check=True, timeout=10)
        if self.gateway is not None:
            self._settle()

    def _enlace(self, words: str, expected: int) -> None:
        """Run a command until it ends as it should; what ends with 0 does so at once."""
        until = time.monotonic() + (SETTLED_WITHIN if expected else 0)
        while (code := self._run(words)) != expected and time.monotonic() < until:
            time.sleep(1)
        assert code == expected, f"{words}\n{self.said[-1]}"

    def _run(self, words: str) -> int:
        """Run a command in this process; ``> FILE`` at its end is the only shell it needs."""
        command, _, target = words.partition(" > ")
        with ExitStack() as stack:
            if target:
                opened = stack.enter_context((self.folder / target).open("w"))
                stack.enter_context(redirect_stdout(opened))
            code = run(shlex.split(command)[1:])
        out, err = self.captured.readouterr()
        self.said.append(out + err)
        return code

    def _open_act(self) -> str:
        """Find the newest act that waits for a second person."""
        assert run(["admin", "acts", "--json"]) in {0, 7}
        rows = [json.loads(line) for line in self.captured.readouterr().out.splitlines()]
        return str([row["id"] for row in rows if row["state"] in {"proposed", "to-ratify"}][-1])

    def _let_serials_pass(self, words: str) -> None:
        """People take longer between two drafts than a second for each key, which serials count."""
        drafted = re.search(r" certify .* -o (\S+)", words)
        if drafted is not None:
            time.sleep(len((self.folder / drafted[1]).read_text().splitlines()))

    def _settle(self) -> None:
        """Wait until the gateway goes by what the ledger holds."""
        until = time.monotonic() + SETTLED_WITHIN
        version = asyncio.run(_version(f"sqlite:///{self.folder / 'ledger.sqlite'}"))
        while self.gateway is not None and self.gateway.directory.current.version < version:
            assert time.monotonic() < until, "the gateway does not take the change up"
            time.sleep(0.1)


async def _version(url: str) -> int:
    async with open_ledger(url) as ledger:
        return await ledger.directory.version()


@pytest.fixture
def handbook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Handbook:
    """A fresh folder with what the handbook takes for granted."""
    now = datetime.now(UTC).replace(microsecond=0)
    port, management = free_ports(2)
    make_tls(tmp_path, now=now)
    (tmp_path / "ca.pem").write_bytes((tmp_path / "tls" / "ca.pem").read_bytes())
    for name, value in {
        "MODE": "development",
        "HOME": str(tmp_path),
        "BASE_URL": f"https://localhost:{port}",
        "LISTEN": f"127.0.0.1:{port}",
        "MANAGEMENT_LISTEN": f"127.0.0.1:{management}",
        "LANG": "en",
    }.items():
        monkeypatch.setenv(f"ENLACE_{name}", value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Yes())
    monkeypatch.setattr("broker.cli.passphrases.getpass", lambda _, **__: PASSPHRASE)
    monkeypatch.setattr("keys.decisions.STANDARD_KEY_POLICY", SOON)
    return Handbook(folder=tmp_path, port=port, captured=capsys, since=now - timedelta(hours=1))


@dataclass(frozen=True)
class Mexico:
    """A country that is there already, with one agency."""

    handbook: Handbook
    kit: CountryKit
    agency: Holding

    def write(self) -> None:
        """Put what its people keep into the folder."""
        folder = self.handbook.folder
        (folder / "mx-root-1.json").write_text(self.kit.root.token + "\n")
        (folder / "mx.statements").write_text("\n".join(self.kit.statements) + "\n")
        self.compose()
        profile = folder / "mx-fgr"
        profile.mkdir(mode=0o700)
        write_bundle(profile / "client.key", self.agency.bundle, Passphrase.from_text(PASSPHRASE))
        Profile(
            gateway=f"https://localhost:{self.handbook.port}",
            issuer=f"https://localhost:{self.handbook.port}",
            client_id=self.agency.client_id,
            subject=FGR,
            authentication_key=self.agency.authentication.kid,
            signature_key=self.agency.signature.kid,
            key_file=profile / "client.key",
            roots_file=folder / "roots.json",
            ca_file=folder / "ca.pem",
            passphrase_file=None,
        ).write(profile)

    def compose(self) -> None:
        """Write another message to Guatemala's desk."""
        (self.handbook.folder / "message.json").write_bytes(as_bytes(message()))

    def send(self) -> None:
        """Send one that waits while the desk is broken into."""
        self.compose()
        self.handbook.type("enlace send message.json --profile mx-fgr")

    def join(self) -> None:
        """Register it, as was done long before."""
        for line in (
            "enlace admin country add MX",
            "enlace admin agency add MX/fgr --function prosecution --name FGR",
            f"enlace admin client add {self.agency.client_id} MX/fgr",
            "enlace admin statement add mx.statements",
        ):
            self.handbook.type(line)


@pytest.fixture
def mexico(handbook: Handbook) -> Mexico:
    """A country that is there already; its root lies beside the others."""
    kit = CountryKit(country=Country.MEXICO, now=datetime.now(UTC).replace(microsecond=0))
    made = Mexico(handbook, kit, kit.agency(FGR))
    made.write()
    return made


@pytest.fixture
def serving(handbook: Handbook) -> Iterator[Callable[[], None]]:
    """Start the gateway, when it is time; from a thread, since a command has a loop of its own."""
    started, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with running_gateway(load_settings()) as handbook.gateway:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))

    def start() -> None:
        thread.start()
        assert started.wait(30)

    yield start
    if thread.is_alive():
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
    loop.close()
    structlog.reset_defaults()


def lines(block: str) -> Iterator[str]:
    """Each line that is typed."""
    yield from (line for line in block.splitlines() if line.strip())


def test_handbook_works_when_it_is_followed_from_its_first_line(
    handbook: Handbook, mexico: Mexico, serving: Callable[[], None]
) -> None:
    """A country joins, rotates, loses a holder, a laptop and a desk, and no message is lost."""
    before = {
        "Onboarding a country": mexico.join,
        "A compromised desk": mexico.send,
    }
    typed = 0

    for section, block in BLOCK.findall(TEXT):
        before.get(section, lambda: None)()
        for line in lines(block):
            if handbook.gateway is None and " send " in line:
                serving()
            handbook.type(line)
            typed += 1

    assert typed > FEWEST_LINES
    assert handbook.gateway is not None
    directory = handbook.gateway.directory.current
    now = datetime.now(UTC)
    active = directory.encryption_key(GT_DESK, now).kid
    assert active == "GT-desk-intelligence-3"
    assert directory.roots[Country.GUATEMALA].newest.version == 2
    assert not any(one.is_pending(now) for one in directory.decisions.by_id.values())
    assert all(one.approved_by for one in directory.decisions.by_id.values())
    assert any(re.search(r"re-wrapped +1\s*$", each, re.MULTILINE) for each in handbook.said)
    assert len((handbook.folder / "inbox.jsonl").read_text().splitlines()) == 2


def test_handbook_names_what_is_not_run_when_it_needs_a_machine() -> None:
    """Nothing hides from the test above in a block of another name."""
    names = re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)
    blocks = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

    assert set(names) == {"", "sh", "console"}
    assert {line.split()[0] for block in blocks for line in lines(block)} == set(NOT_RUN)

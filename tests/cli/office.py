"""Administrators with their key files, and a ledger that they write to."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from broker.desk.pins import Pins
from broker.directory import Directory
from broker.gateway import render
from broker.model.names import DeskRef
from broker.sandbox.countries import CountryKit
from broker.sandbox.kits import APPROVED, PROPOSED, STATED, ExchangeKit, Kit
from broker.storage.ledger import open_ledger
from keys.custody.bundle import KeyBundle, write_bundle
from keys.secret import Passphrase
from schemas.vocabulary import Compartment, Country
from tests.cli.conftest import Cli, Ran

DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL)
QUEUE = "MX.GT.judicial"
PASSPHRASE = "correct horse"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Office:
    """The exchange and Guatemala, with two administrators each."""

    folder: Path
    cli: Cli
    ledger: str
    passphrase: Path
    exchange: ExchangeKit
    guatemala: CountryKit

    @property
    def desk_key(self) -> str:
        """Guatemala's encryption key."""
        return self.guatemala.desk_keys[0]

    def key_file(self, kit: Kit, name: str) -> Path:
        """Write an administrator's key file, once."""
        file = self.folder / f"{kit.owner}-{name}.key"
        if not file.exists():
            bundle = KeyBundle.of([kit.administrators[name]])
            write_bundle(file, bundle, Passphrase.from_text(PASSPHRASE))
        return file

    def run(self, *arguments: object) -> Ran:
        """Run a command on the ledger; options stand before what comes behind ``--``."""
        end = arguments.index("--") if "--" in arguments else len(arguments)
        common = ("--roots", self.folder / "roots.json", "--ledger-url", self.ledger, "--json")
        return self.cli(*arguments[:end], *common, *arguments[end:])

    def act(self, kit: Kit, name: str, *arguments: object) -> Ran:
        """Run a command as an administrator."""
        key = ("--as", self.key_file(kit, name), "--passphrase-file", self.passphrase)
        end = arguments.index("--") if "--" in arguments else len(arguments)
        return self.run(*arguments[:end], *key, *arguments[end:])

    def add(self, tokens: Iterable[str]) -> Ran:
        """Add signed documents."""
        file = self.folder / "documents"
        file.write_text("".join(f"{token}\n" for token in tokens))
        return self.run("admin", "statement", "add", file)

    def record(self, tokens: Iterable[str], *, at: datetime) -> None:
        """Let documents have come at another time than now."""

        async def write() -> None:
            async with open_ledger(self.ledger) as ledger:
                await ledger.directory.add_statements(list(tokens), at=at)

        asyncio.run(write())

    def decided(self, *decisions: tuple[str, str]) -> None:
        """Let two administrators have decided, so long ago that the time-lock is over."""
        now = self.exchange.now
        self.record([proposal for proposal, _ in decisions], at=now - PROPOSED)
        self.record([approval for _, approval in decisions], at=now - APPROVED)

    def states(self) -> dict[str, str]:
        """What became of each act, by its kind."""
        return {each["act"]: each["state"] for each in self.run("admin", "acts").lines}

    def snapshot(self) -> bytes:
        """The directory as the gateway gives it to a member."""

        async def read() -> bytes:
            async with open_ledger(self.ledger) as ledger:
                record = await ledger.directory.load()
            pins = Pins.load(self.folder / "roots.json")
            known, _ = Directory.verify(record, roots=pins.roots, now=datetime.now(UTC))
            return json.dumps(render.directory(known)).encode()

        return asyncio.run(read())

    def documents(self) -> int:
        """How many signed documents lie in the ledger."""
        whats = [each["what"] for each in self.run("admin", "list").lines]
        return sum(what in {"root", "statement", "act"} for what in whats)


def clock_off_by(off: timedelta) -> type[datetime]:
    """Make a clock that is wrong, to put in the place of a module's ``datetime``."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return super().now(tz) + off

    return Clock


def open_office(folder: Path, cli: Cli, ledger: str, passphrase: Path) -> Office:
    """Make it: everything stated, nothing decided."""
    now = datetime.now(UTC).replace(microsecond=0)
    guatemala = CountryKit(country=Country.GUATEMALA, now=now)
    guatemala.desk(DESK)
    office = Office(
        folder=folder,
        cli=cli,
        ledger=ledger,
        passphrase=passphrase,
        exchange=ExchangeKit(now=now),
        guatemala=guatemala,
    )
    kits = (office.exchange, guatemala)
    pins = Pins(roots={kit.owner: kit.root for kit in kits})
    (folder / "roots.json").write_bytes(pins.to_bytes())
    for country in ("MX", "GT"):
        assert cli("admin", "country", "add", country, "--ledger-url", ledger).code == 0
    assert cli("admin", "desk", "add", str(DESK), "--ledger-url", ledger).code == 0
    office.record([token for kit in kits for token in kit.statements], at=now - STATED)
    return office

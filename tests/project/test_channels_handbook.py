"""Does what docs/channels.md tells administrators to type work, from nothing to the end?

All its blocks are run in order, in one folder. What the test brings along: three countries that
have joined, with their desks, agencies and administrators; a gateway that runs; a person who
says yes; and a time-lock that is over at once.
"""

import asyncio
import re
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from broker.cli import logs
from broker.cli.terminal import Terminal
from broker.model.names import AgencyRef, DeskRef
from broker.sandbox.world import Plan, World, make_world
from keys.channel import ChannelState
from keys.charter import ChannelName
from keys.custody.bundle import KeyBundle, write_bundle
from keys.secret import Passphrase
from schemas.vocabulary import AgencyFunction, Compartment, Country
from tests.flow.conftest import as_bytes, message
from tests.project.test_handbook import BLOCK, PASSPHRASE, SOON, Handbook, Yes, lines, serving

__all__ = ["serving"]

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "docs" / "channels.md").read_text("utf-8")
FILE: Final = Path("deploy", "channels", "hlsg-mx-gt.toml")
NAME: Final = ChannelName("hlsg-mx-gt")
FEWEST_LINES: Final = 30
MX, GT, SV = Country.MEXICO, Country.GUATEMALA, Country.EL_SALVADOR
AGENCIES: Final = (
    AgencyRef(country=MX, agency="fgr"),
    AgencyRef(country=MX, agency="uif"),
    AgencyRef(country=GT, agency="mp"),
    AgencyRef(country=GT, agency="ive"),
    AgencyRef(country=SV, agency="fgr"),
)
PLAN: Final = Plan(
    agencies={agency: (AgencyFunction.PROSECUTION, agency.agency) for agency in AGENCIES},
    desks=frozenset(
        DeskRef(country=country, compartment=Compartment.INTELLIGENCE) for country in (MX, GT, SV)
    ),
    pairs=frozenset(),
)


@pytest.fixture
def handbook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Handbook:
    """A folder of an exchange that three countries have joined."""
    world = asyncio.run(make_world(tmp_path / "world", PLAN))
    folder, port = world.folder, int(world.settings.base_url.rpartition(":")[2])
    for name, value in {
        "MODE": "development",
        "HOME": str(folder),
        "BASE_URL": world.settings.base_url,
        "LISTEN": world.settings.listen,
        "MANAGEMENT_LISTEN": world.settings.management_listen,
        "LEDGER_URL": f"sqlite:///{folder / 'ledger.sqlite'}",
        "LANG": "en",
    }.items():
        monkeypatch.setenv(f"ENLACE_{name}", str(value))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", Yes())
    monkeypatch.setattr("broker.cli.passphrases.getpass", lambda _, **__: PASSPHRASE)
    monkeypatch.setattr("keys.decisions.STANDARD_KEY_POLICY", SOON)
    _furnish(world)
    return Handbook(folder=folder, port=port, captured=capsys, since=world.exchange.now)


def _furnish(world: World) -> None:
    """Lay out what people keep, under the names that the handbook uses."""
    folder = world.folder
    for subject in (*AGENCIES, *PLAN.desks):
        name = subject.agency if isinstance(subject, AgencyRef) else "desk"
        (folder / f"{subject.country.lower()}-{name}").symlink_to(world.folder_of(subject))
    for country, kit in world.kits.items():
        for name, key in kit.administrators.items():
            bundle, secret = KeyBundle.of([key]), Passphrase.from_text(PASSPHRASE)
            write_bundle(folder / f"{country.lower()}-{name}.key", bundle, secret)
    (folder / FILE.parent).mkdir(parents=True)
    shutil.copy(ROOT / FILE, folder / FILE)
    # The shipped day will be past one day.
    review = (datetime.now(UTC) + timedelta(days=400)).date().isoformat()
    shipped = (folder / FILE).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^review = .*$", f"review = {review}", shipped)
    (folder / FILE).write_text(text)
    (folder / "message.json").write_bytes(as_bytes(message(to={"channel": NAME})))


def test_channels_work_when_the_handbook_is_followed_from_its_first_line(
    handbook: Handbook, serving: Callable[[], None]
) -> None:
    """Two countries begin, a third joins and leaves; it is suspended, resumed, renewed, closed."""
    # What the gateway logs belongs to nobody's answer.
    logs.configure(Terminal())
    serving()
    typed = 0

    for _, block in BLOCK.findall(TEXT):
        for line in lines(block):
            handbook.type(line)
            typed += 1
            # Acts count by the second; people take longer between two of them.
            time.sleep(1)

    assert typed > FEWEST_LINES
    assert handbook.gateway is not None
    directory, now = handbook.gateway.directory.current, datetime.now(UTC)
    channel = directory.channel(NAME)
    assert channel is not None
    assert channel.state(now) is ChannelState.CLOSED
    assert [term.charter.version for term in channel.terms] == [1, 2, 3]
    assert [country for _, country in channel.left] == [SV]
    assert channel.proposals == ()
    assert len((handbook.folder / "inbox.jsonl").read_text().splitlines()) == 1


def test_channels_handbook_hides_nothing_from_the_test() -> None:
    """Every block with a name is run."""
    names = set(re.findall(r"^```(\w*)$", TEXT, re.MULTILINE))

    assert names == {"", "sh"}

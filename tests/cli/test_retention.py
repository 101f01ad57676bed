"""`enlace retention`, `hold` and their `admin` twins: first a list, then a question."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.cli.exit_codes import ExitCode
from broker.desk.inbox import Inbox
from broker.evidence.receipts import verify_receipt
from broker.model.events import EventKind
from broker.sandbox.world import Plan, World, make_world
from broker.storage.ledger import Ledger, open_ledger
from schemas.vocabulary import AgencyFunction
from tests.cli.conftest import Cli
from tests.contract.ledger.test_recalls import taking_back
from tests.contract.ledger.world import FISCALIA, GUATEMALA, Maker
from tests.desk.test_retention import LATER, PAST, SECRET, entry

HOLD = ("--origin", "MX/fgr", "--reason", "court_order", "--until")


def day(**ahead: int) -> str:
    """Write a day from today on."""
    return (datetime.now(UTC) + timedelta(**ahead)).date().isoformat()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Have one message that has expired, and one that has not."""
    path, now = tmp_path / "inbox.jsonl", datetime.now(UTC)
    past, later = now - timedelta(days=1), now + timedelta(days=9)
    with Inbox(path) as store:
        store.append(
            [
                entry(1, PAST, expires=past, review_by=past),
                entry(2, LATER, expires=later, review_by=later),
            ]
        )
    return path


def test_retention_lists_first_and_destroys_when_told(inbox: Path, cli: Cli) -> None:
    """Status 7 while something is due; nobody destroys by accident."""
    ran = cli("retention", "--inbox", inbox, "--json")
    assert ran.code == ExitCode.ACTION_NEEDED
    assert [(each["id"], each["what"]) for each in ran.lines] == [(PAST, "due")]

    unasked = cli("retention", "--inbox", inbox, "--destroy")
    assert unasked.code == ExitCode.USAGE
    assert inbox.read_text().count(SECRET) == 2

    done = cli("retention", "--inbox", inbox, "--destroy", "--yes")
    assert done.code == 0, done.err
    assert inbox.read_text().count(SECRET) == 1
    assert cli("retention", "--inbox", inbox).code == 0


def test_hold_keeps_a_message_of_an_inbox(inbox: Path, cli: Cli) -> None:
    """Held, listed, lifted: and then it goes."""
    assert cli("hold", "add", PAST, *HOLD, day(days=30), "--inbox", inbox).code == 0
    ran = cli("retention", "--inbox", inbox, "--destroy", "--yes", "--json")
    assert (ran.code, ran.lines[0]["what"]) == (0, "hold")
    assert inbox.read_text().count(SECRET) == 2

    assert cli("hold", "list", "--inbox", inbox, "--json").lines[0]["state"] == "runs"
    assert cli("hold", "lift", PAST, "--origin", "MX/fgr", "--inbox", inbox).code == 0
    again = cli("hold", "lift", PAST, "--origin", "MX/fgr", "--inbox", inbox)
    assert again.code == ExitCode.NOT_FOUND
    assert cli("hold", "list", "--inbox", inbox, "--json").lines[0]["state"] == "lifted"
    assert cli("retention", "--inbox", inbox, "--destroy", "--yes").code == 0
    assert inbox.read_text().count(SECRET) == 1


@pytest.mark.parametrize("until", [day(days=-2), day(days=400), "tomorrow"])
@pytest.mark.parametrize("where", ["desk", "admin"])
def test_hold_is_refused_without_a_near_end(
    inbox: Path, ledger: str, cli: Cli, until: str, where: str
) -> None:
    """A hold has an end, within a year: else nobody ever looks at it again."""
    words = ["hold", "add", PAST, *HOLD, until]
    ran = (
        cli(*words, "--inbox", inbox)
        if where == "desk"
        else cli("admin", *words, "--ledger-url", ledger)
    )

    assert ran.code == ExitCode.USAGE


def on(url: str, work: Callable[[Ledger], Awaitable[None]]) -> None:
    """Do something to a ledger."""

    async def run() -> None:
        async with open_ledger(url) as ledger:
            await work(ledger)

    asyncio.run(run())


def test_admin_retention_lists_and_holds(ledger: str, cli: Cli) -> None:
    """What would go, and why something does not; the message is named by id and origin."""
    make = Maker()
    acceptance = make.acceptance()

    async def fill(opened: Ledger) -> None:
        await opened.messages.record(acceptance, sign=make.sign)
        await opened.deliveries.expire(now=datetime.now(UTC), limit=10, sign=make.sign)

    on(ledger, fill)
    url = ("--ledger-url", ledger)
    ran = cli("admin", "retention", *url, "--json")
    assert ran.code == ExitCode.ACTION_NEEDED
    [row] = ran.lines
    assert (row["id"], row["what"], row["road"]) == (
        acceptance.message_id,
        "due",
        "MX.GT.intelligence",
    )
    assert row["content_hash"] == acceptance.content_hash

    held = ["--origin", "MX/fiscalia", "--reason", "evidence", "--until", day(days=300)]
    assert cli("admin", "hold", "add", acceptance.message_id, *held, *url).code == 0
    ran = cli("admin", "retention", "--dry-run", *url, "--json")
    assert (ran.code, ran.lines[0]["what"]) == (0, "hold")
    [hold] = cli("admin", "hold", "list", *url, "--json").lines
    assert (hold["id"], hold["state"], hold["reason"]) == (
        acceptance.message_id,
        "runs",
        "evidence",
    )

    origin = ["--origin", "MX/fiscalia"]
    assert cli("admin", "hold", "lift", acceptance.message_id, *origin, *url).code == 0
    again = cli("admin", "hold", "lift", acceptance.message_id, *origin, *url)
    assert again.code == ExitCode.NOT_FOUND
    unknown = cli("admin", "hold", "add", PAST, *HOLD, day(days=3), *url)
    assert unknown.code == ExitCode.NOT_FOUND
    assert cli("admin", "retention", *url).code == ExitCode.ACTION_NEEDED


def at_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Let the settings be those of a gateway, whose keys are at hand."""
    plan = Plan(
        agencies={FISCALIA: (AgencyFunction.PROSECUTION, "x")},
        desks=frozenset({GUATEMALA}),
        pairs=frozenset(),
    )
    world = asyncio.run(make_world(tmp_path / "exchange", plan))
    for name, value in {
        "MODE": "development",
        "HOME": str(world.folder),
        "BASE_URL": world.settings.base_url,
        "LISTEN": world.settings.listen,
    }.items():
        monkeypatch.setenv(f"ENLACE_{name}", value)
    return world


def test_admin_retention_destroys_what_was_recalled(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before its time, when no desk has still to answer; the list says why."""
    make = Maker()
    subject = make.acceptance(expires=datetime.now(UTC) + timedelta(days=300))

    async def fill(opened: Ledger) -> None:
        await opened.messages.record(subject, sign=make.sign)
        recall = replace(taking_back(make, subject), expires=subject.expires)
        await opened.messages.record(recall, sign=make.sign)

    world = at_a_gateway(tmp_path, monkeypatch)
    on(world.settings.database_url, fill)

    ran = cli("admin", "retention", "--json")
    done = cli("admin", "retention", "--destroy", "--yes", "--json")

    assert ran.code == ExitCode.ACTION_NEEDED
    assert [(row["id"], row["what"], row["because"]) for row in ran.lines] == [
        (subject.message_id, "due", "recalled")
    ]
    assert done.code == 0, done.err
    assert done.lines[-1]["what"] == "destroyed"
    assert cli("admin", "retention").code == 0


def test_admin_retention_destroys_with_the_gateways_signature(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Confirmed, it destroys what may go; each leaves a signed event, and a second run nothing."""
    make = Maker()

    async def fill(opened: Ledger) -> None:
        await opened.messages.record(make.acceptance(), sign=make.sign)
        await opened.deliveries.expire(now=datetime.now(UTC), limit=10, sign=make.sign)

    world = at_a_gateway(tmp_path, monkeypatch)
    on(world.settings.database_url, fill)

    assert cli("admin", "retention", "--destroy").code == ExitCode.USAGE
    ran = cli("admin", "retention", "--destroy", "--yes", "--json")

    assert ran.code == 0, ran.err
    assert ran.lines[-1]["what"] == "destroyed"
    ledger = sqlite3.connect(world.folder / "ledger.sqlite")
    [(sealed,)] = ledger.execute("SELECT sealed FROM messages").fetchall()
    [(token,)] = ledger.execute("SELECT token FROM log WHERE event = 'destroyed'").fetchall()
    ledger.close()
    assert sealed == b""
    key = world.exchange.receipt_key
    proven = verify_receipt(token, find_key={key.kid: key.public}.get)
    assert proven.event is EventKind.DESTROYED
    assert cli("admin", "retention").code == 0

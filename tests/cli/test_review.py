"""`enlace review` and its `admin` twin: who looked keeps a message until a day, or ends it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.cli.exit_codes import ExitCode
from broker.desk.inbox import Inbox
from broker.model.facts import Facts
from broker.model.message import Acceptance
from broker.storage.ledger import Ledger
from schemas.vocabulary import HandlingCode
from tests.cli.conftest import Cli
from tests.cli.test_retention import at_a_gateway, day, on
from tests.contract.ledger.world import Maker
from tests.desk.test_retention import LATER, PAST, REVIEW, SECRET, entry

DAY = timedelta(days=1)
KEPT = ("--origin", "MX/fgr", "--reason", "evidence", "--until")
FISCALIA = ("--origin", "MX/fiscalia")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Have one message that is to be reviewed and expires in nine days, and one that is not."""
    path, now = tmp_path / "inbox.jsonl", datetime.now(UTC)
    with Inbox(path) as store:
        store.append(
            [
                entry(1, REVIEW, expires=now + 9 * DAY, review_by=now - DAY),
                entry(2, LATER, expires=now + 9 * DAY, review_by=now + DAY),
            ]
        )
    return path


def test_review_keep_ends_status_7(inbox: Path, cli: Cli) -> None:
    """Listed before, not listed after; who, why and until when stays on record."""
    where = ("--inbox", inbox)
    before = cli("retention", *where, "--json")

    kept = cli("review", "keep", REVIEW, *KEPT, day(days=9), *where)
    after = cli("retention", *where, "--json")

    assert (before.code, before.lines[0]["what"]) == (ExitCode.ACTION_NEEDED, "review")
    assert kept.code == 0, kept.err
    assert (after.code, after.lines) == (0, [])
    [row] = cli("review", "list", *where, "--json").lines
    assert (row["id"], row["what"], row["reason"], row["until"]) == (
        REVIEW,
        "kept",
        "evidence",
        day(days=9),
    )
    assert row["by"]


def test_review_destroy_leaves_who_said_so(inbox: Path, cli: Cli) -> None:
    """Nobody does it by accident; then the content is gone, and nothing waits."""
    words = ("review", "destroy", REVIEW, "--origin", "MX/fgr", "--inbox", inbox)

    unasked = cli(*words)
    done = cli(*words, "--yes")

    assert unasked.code == ExitCode.USAGE
    assert done.code == 0, done.err
    assert inbox.read_text().count(SECRET) == 1
    assert cli("retention", "--inbox", inbox).code == 0
    [row] = cli("review", "list", "--inbox", inbox, "--json").lines
    assert (row["id"], row["origin"], row["what"]) == (REVIEW, "MX/fgr", "destroyed")
    assert cli(*words, "--yes").code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("until", [day(days=-1), day(days=10), day(days=400)])
def test_review_keeps_nothing_past_its_end(inbox: Path, cli: Cli, until: str) -> None:
    """A day from today on, and not past the day on which it expires."""
    ran = cli("review", "keep", REVIEW, *KEPT, until, "--inbox", inbox)

    assert ran.code == ExitCode.USAGE
    assert cli("retention", "--inbox", inbox).code == ExitCode.ACTION_NEEDED


@pytest.mark.parametrize("name", [LATER, PAST])
def test_review_knows_only_what_is_due(inbox: Path, cli: Cli, name: str) -> None:
    """Before its day, or unknown: nobody reviews it."""
    ran = cli("review", "keep", name, *KEPT, day(days=1), "--inbox", inbox)

    assert ran.code == ExitCode.NOT_FOUND


def test_review_destroys_nothing_that_is_held(inbox: Path, cli: Cli) -> None:
    """The hold is lifted first, by whoever may."""
    assert cli("hold", "add", REVIEW, *KEPT, day(days=3), "--inbox", inbox).code == 0

    ran = cli("review", "destroy", REVIEW, "--origin", "MX/fgr", "--inbox", inbox, "--yes")

    assert ran.code == ExitCode.VALIDATION
    assert "legal hold" in ran.err
    assert inbox.read_text().count(SECRET) == 2


def to_review(make: Maker, *, ends_in: timedelta = 9 * DAY) -> Acceptance:
    """Make a message whose review is due."""
    now = datetime.now(UTC)
    facts = Facts(handling=HandlingCode.H1, purpose="investigation", review_by=now - DAY)
    return replace(make.acceptance(expires=now + ends_in), facts=facts)


def test_admin_review_keeps_and_destroys(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept it leaves the list; destroyed it is a tombstone; both stay on record with a name."""
    make = Maker()
    first, second, unread = (to_review(make) for _ in range(3))

    async def fill(opened: Ledger) -> None:
        for handed in await make.handed(opened, first, second):
            await opened.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)
        await opened.messages.record(unread, sign=make.sign)

    world = at_a_gateway(tmp_path, monkeypatch)
    on(world.settings.database_url, fill)
    listed = cli("admin", "retention", "--json")
    words = (*FISCALIA, "--reason", "ongoing_proceedings", "--until")

    kept = cli("admin", "review", "keep", first.message_id, *words, day(days=9))
    too_long = cli("admin", "review", "keep", unread.message_id, *words, day(days=11))
    unasked = cli("admin", "review", "destroy", second.message_id, *FISCALIA)
    gone = cli("admin", "review", "destroy", second.message_id, *FISCALIA, "--yes")
    again = cli("admin", "review", "destroy", second.message_id, *FISCALIA, "--yes")
    refused = cli("admin", "review", "destroy", unread.message_id, *FISCALIA, "--yes")
    left = cli("admin", "retention", "--json")

    assert [row["what"] for row in listed.lines] == ["review"] * 3
    assert (kept.code, gone.code) == (0, 0), kept.err + gone.err
    assert (too_long.code, unasked.code) == (ExitCode.USAGE, ExitCode.USAGE)
    assert (again.code, refused.code) == (ExitCode.NOT_FOUND, ExitCode.VALIDATION)
    assert [row["id"] for row in left.lines] == [unread.message_id]
    rows = cli("admin", "review", "list", "--json").lines
    assert [(row["id"], row["what"], row["reason"]) for row in rows] == [
        (first.message_id, "kept", "ongoing_proceedings"),
        (second.message_id, "destroyed", None),
    ]
    assert all(row["by"] for row in rows)
    assert cli("admin", "review", "keep", unread.message_id, *words, day(days=9)).code == 0
    assert cli("admin", "retention").code == 0

"""What waits for an answer, as people and programs see it."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.storage.ledger import open_ledger
from schemas.vocabulary import Kind
from tests.cli.conftest import Cli
from tests.contract.ledger.world import Maker
from tests.desk.test_asked import asked, convened, notice, page, signed
from tests.fakes.gateway import FakeGateway, Fault

MEMBERS = {
    "road",
    "state",
    "due",
    "urgency",
    "kind",
    "id",
    "origin",
    "recipient",
    "channel",
    "asked_at",
    "outcome",
    "ground",
    "escalated_at",
}
OPEN: dict[str, Any] = {"state": "open", "escalated_at": None, "outcome": None}


def _answers(gateway: FakeGateway, path: str, *documents: object) -> None:
    gateway.faults[path] += [
        Fault(status=200, raw=json.dumps(document).encode()) for document in documents
    ]


def test_requests_lists_what_an_agency_has_asked(as_agency: FakeGateway, cli: Cli) -> None:
    """Overdue and open, by road and due time; status 7, since somebody should see to it."""
    _answers(
        as_agency,
        "/v1/requests",
        page(asked(1), asked(2, channel="hlsg-mx-gt")),
        page(asked(3, **OPEN)),
    )

    ran = cli("requests", "--json")

    assert ran.code == 7, ran.err
    assert [each["road"] for each in ran.lines] == [
        "MX.GT.intelligence",
        "MX.GT.intelligence",
        "hlsg-mx-gt.GT",
    ]
    assert {each["state"] for each in ran.lines} == {"overdue", "open"}
    assert all(each.keys() == MEMBERS for each in ran.lines)
    assert [query for query in as_agency.queries if "direction" in query] == [
        "direction=sent&state=overdue&cursor=0",
        "direction=sent&state=open&cursor=0",
    ]


def test_requests_asks_for_what_a_desk_received(as_desk: FakeGateway, cli: Cli) -> None:
    """Nothing overdue is status 0; `--overdue` asks for nothing else."""
    _answers(as_desk, "/v1/requests", page(), page(asked(1, **OPEN)), page(), page())

    everything = cli("requests", "--json")
    late = cli("requests", "--overdue", "--json")
    said = cli("requests", "--sent", "--overdue")

    assert (everything.code, late.code, said.code) == (0, 0, 0)
    assert len(everything.lines) == 1
    assert late.lines == []
    assert [query for query in as_desk.queries if "direction" in query] == [
        "direction=received&state=overdue&cursor=0",
        "direction=received&state=open&cursor=0",
        "direction=received&state=overdue&cursor=0",
        "direction=sent&state=overdue&cursor=0",
    ]


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("road", "last word")), ("es", ("vía", "última respuesta"))]
)
def test_requests_shows_a_table_for_each_road(
    as_agency: FakeGateway, cli: Cli, language: str, words: tuple[str, str]
) -> None:
    """A person reads pair by pair, in his language."""
    late = (asked(1), asked(2), asked(3, channel="hlsg-mx-gt"))
    _answers(as_agency, "/v1/requests", page(*late), page())

    ran = cli("requests", "--lang", language)

    assert [line.split()[0] for line in ran.out.splitlines()] == [
        words[0],
        "MX.GT.intelligence",
        "MX.GT.intelligence",
        words[0],
        "hlsg-mx-gt.GT",
    ]
    assert words[1] in ran.out


def test_requests_sums_up_each_road(as_agency: FakeGateway, cli: Cli) -> None:
    """How many are late and how many are not, on each pair and channel."""
    late = (asked(1), asked(2, due="2026-11-22T12:00:00.000Z"), asked(3, channel="hlsg-mx-gt"))
    _answers(as_agency, "/v1/requests", page(*late), page(asked(4, **OPEN)))

    ran = cli("requests", "--sums", "--json")

    assert ran.code == 7, ran.err
    assert ran.lines == [
        {
            "road": "MX.GT.intelligence",
            "not_due": 1,
            "overdue": 2,
            "first_due": "2026-11-22T12:00:00Z",
        },
        {
            "road": "hlsg-mx-gt",
            "not_due": 0,
            "overdue": 1,
            "first_due": "2026-11-23T12:00:00Z",
        },
    ]


def test_requests_shows_a_convener_his_channel(as_agency: FakeGateway, cli: Cli) -> None:
    """How many have not answered; who they are, only where it may be said."""
    path = "/v1/requests/convened"
    pages = [page(convened(1), convened(2, desks=[]), convened(3, state="open"))] * 2
    _answers(as_agency, path, *pages, page())

    ran, sums = cli("requests", "--convened", "--json"), cli("requests", "--convened", "--sums")
    nothing = cli("requests", "--convened", "--overdue")
    both = cli("requests", "--convened", "--sent")

    assert (ran.code, sums.code, nothing.code, both.code) == (7, 7, 0, 2), ran.err
    assert [(each["road"], each["waiting"], each["recipient"]) for each in ran.lines] == [
        ("hlsg-mx-gt", 2, "GT.intelligence"),
        ("hlsg-mx-gt", 2, None),
        ("hlsg-mx-gt", 2, "GT.intelligence"),
    ]
    assert sums.out.split()[-4:-1] == ["hlsg-mx-gt", "2", "4"]
    assert [query for query in as_agency.queries if query.startswith("state=")] == [
        "state=all&cursor=0",
        "state=all&cursor=0",
        "state=overdue&cursor=0",
    ]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "request overdue"), ("es", "solicitud vencida")]
)
def test_notices_tell_of_an_overdue_request(
    as_agency: FakeGateway, cli: Cli, language: str, words: str
) -> None:
    """Verified, in words to a person and by its code to a program; status 7."""
    found = {"notices": [{"number": 1, "notice": signed(notice(channel="hlsg-mx-gt"))}]}
    nothing: dict[str, Any] = {"notices": []}
    _answers(as_agency, "/v1/notices", found, nothing, found, nothing)

    shown, told = cli("notices", "--lang", language), cli("notices", "--json")

    assert (shown.code, told.code) == (7, 7), shown.err
    assert words in shown.out
    assert "hlsg-mx-gt" in shown.out
    [line] = told.lines
    assert (line["event"], line["channel"]) == ("request-overdue", "hlsg-mx-gt")
    assert (line["kid"], line["since"], line["due"]) == (None, None, "2026-11-24T00:00:00Z")


def test_notices_go_on_behind_an_empty_page(as_agency: FakeGateway, cli: Cli) -> None:
    """What the gateway passed over is not the end of the list, nor is a list without end one."""
    signed_one = {"number": 7, "notice": signed(notice())}
    passed_over: dict[str, Any] = {"notices": [], "cursor": 6}
    _answers(as_agency, "/v1/notices", passed_over, {"notices": [signed_one], "cursor": None})
    told = cli("notices", "--json")
    _answers(as_agency, "/v1/notices", passed_over, passed_over)
    endless = cli("notices", "--json")

    assert [each["number"] for each in told.lines] == [7]
    assert endless.code not in {0, 7}


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "content refused by its desk"), ("es", "contenido rechazado por la mesa")],
)
def test_notices_tell_of_a_content_that_a_desk_refused(
    as_agency: FakeGateway, cli: Cli, language: str, words: str
) -> None:
    """Which message, which desk and its reason, and nothing that the message says."""
    refused = notice(event="content-refused", reason="facts-not-true")
    found = {"notices": [{"number": 1, "notice": signed(refused)}]}
    nothing: dict[str, Any] = {"notices": []}
    _answers(as_agency, "/v1/notices", found, nothing, found, nothing)

    shown, told = cli("notices", "--lang", language), cli("notices", "--json")

    assert (shown.code, told.code) == (7, 7), shown.err
    for word in (words, "facts-not-true"):
        assert word in shown.out
    [line] = told.lines
    assert (line["event"], line["reason"]) == ("content-refused", "facts-not-true")
    assert line.keys() >= {"id", "origin", "recipient"}


def test_admin_requests_counts_by_road(ledger: str, cli: Cli) -> None:
    """What is late and what is not yet, and status 7 as soon as anything is late."""
    make, now = Maker(), datetime.now(UTC)
    recent = replace(make.acceptance(), kind=Kind.INFORMATION_REQUEST, accepted_at=now)
    old = replace(
        make.acceptance(), kind=Kind.JUDICIAL_REQUEST, accepted_at=now - timedelta(days=9)
    )

    def record(one: Any) -> None:
        async def work() -> None:
            async with open_ledger(ledger) as opened:
                await opened.messages.record(one, sign=make.sign)

        asyncio.run(work())

    nothing = cli("admin", "requests", "--ledger-url", ledger, "--json")
    record(recent)
    waiting = cli("admin", "requests", "--ledger-url", ledger, "--json")
    record(old)
    late = cli("admin", "requests", "--ledger-url", ledger, "--json")

    assert (nothing.code, nothing.lines) == (0, [])
    assert waiting.code == 0
    assert (waiting.lines[0]["not_due"], waiting.lines[0]["overdue"]) == (1, 0)
    assert late.code == 7
    [line] = late.lines
    assert line.keys() == {"road", "channel", "not_due", "overdue", "first_due"}
    assert (line["road"], line["not_due"], line["overdue"]) == ("MX.GT.intelligence", 1, 1)

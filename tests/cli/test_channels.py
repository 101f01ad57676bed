"""Two countries set up a channel from nothing, change it and end it: at the command line."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.desk.pins import Pins
from broker.sandbox.charters import FOLDER
from broker.sandbox.countries import CountryKit
from broker.sandbox.kits import STATED
from keys.charter import ChannelName, Charter, Sealing
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind
from tests.cli.conftest import Cli, Ran
from tests.cli.office import DAY, HOUR, Office, open_office

NAME = "hlsg-mx-gt"
FILE = FOLDER / f"{NAME}.toml"


@dataclass(frozen=True, kw_only=True)
class Both:
    """Mexico and Guatemala, with two administrators each, and the exchange."""

    office: Office
    mexico: CountryKit

    def channel(self, who: str, *arguments: object) -> Ran:
        """Run ``enlace admin channel`` as ``MX ana``."""
        owner, name = who.split()
        kits = {"MX": self.mexico, "GT": self.office.guatemala, "GW": self.office.exchange}
        return self.office.act(kits[owner], name, "admin", "channel", *arguments)

    def look(self, *arguments: object) -> Ran:
        """Run what needs no key."""
        return self.office.run("admin", "channel", *arguments)

    def propose(self, who: str = "MX ana", file: Path = FILE) -> str:
        """Propose a charter; give the act's id."""
        ran = self.channel(who, "propose", file, "--yes")
        assert ran.code == 0, ran.err
        return str(ran.lines[0]["id"])

    def begun(self, *, review: timedelta = 300 * DAY) -> None:
        """Let both have consented so long ago that the time-lock is over."""
        at = self.office.exchange.now - 2 * DAY
        proposal = self.mexico.propose(self.charter(review), at=at)
        consents = [kit.consent(proposal, at=at) for kit in (self.mexico, self.office.guatemala)]
        self.office.record([proposal, *consents], at=at)

    def charter(self, review: timedelta) -> Charter:
        """Write the group's charter."""
        return Charter(
            channel=ChannelName(NAME),
            version=1,
            title="High-Level Security Group",
            purpose="Act together",
            legal_basis="Article 10",
            compartment=Compartment.JUDICIAL,
            kinds=frozenset({Kind.REPLY}),
            ceiling=HandlingCode.H1,
            sealing=Sealing.GATEWAY,
            shows_recipients=True,
            review=self.office.exchange.now + review,
            conveners=frozenset({Country.MEXICO, Country.GUATEMALA}),
            members={Country.MEXICO: ("fgr",), Country.GUATEMALA: ("mp", "ive")},
        )

    def row(self) -> dict[str, object]:
        """Show where the channel stands."""
        (row,) = self.look("list").lines
        return dict(row)


@pytest.fixture
def both(tmp_path: Path, cli: Cli, ledger: str, passphrase: Path) -> Both:
    """Give both countries, with nothing decided yet."""
    office = open_office(tmp_path, cli, ledger, passphrase)
    mexico = CountryKit(country=Country.MEXICO, now=office.exchange.now)
    kits = (office.exchange, office.guatemala, mexico)
    pins = Pins(roots={kit.owner: kit.root for kit in kits})
    (tmp_path / "roots.json").write_bytes(pins.to_bytes())
    office.record(mexico.statements, at=mexico.now - STATED)
    return Both(office=office, mexico=mexico)


def test_channel_is_proposed_and_consented_to_by_both(both: Both) -> None:
    """Each step says what comes next, and the list shows where it stands."""
    proposed = both.channel("MX ana", "propose", FILE, "--yes")
    assert proposed.code == 0, proposed.err
    (row,) = proposed.lines
    assert (row["act"], row["state"]) == ("charter", "proposed")
    assert row["what"] == f"{NAME} 1: GT, MX"
    assert f"GT, MX:\n  enlace admin channel consent --as KEYS -- {row['id']}" in proposed.err
    assert both.row()["next"] == ["consent 1 GT,MX"]

    mexican = both.channel("MX luis", "consent", "--yes", "--", row["id"])
    assert mexican.lines[0]["missing"] == ["GT"]
    guatemalan = both.channel("GT ana", "consent", "--yes", "--", row["id"][:12])

    assert guatemalan.lines[0]["state"] == "locked"
    assert guatemalan.lines[0]["approved_by"] == "MX/administrator/luis, GT/administrator/ana"
    assert "admin cancel" in guatemalan.err
    listed = both.row()
    assert (listed["state"], listed["version"]) == ("consented", 1)
    assert str(listed["next"]).startswith("['time-lock 1 ")


def test_propose_shows_the_whole_charter_and_what_is_missing(both: Both) -> None:
    """Whoever signs reads it first: also that nobody could send or receive yet."""
    ran = both.channel("MX ana", "propose", FILE)

    assert ran.code == 2
    for text in ("High-Level Security Group", "H3", "MX: fgr, uif", "2027-11-01T00:00:00Z"):
        assert text in ran.err
    assert "GT.intelligence: there is no such desk" in ran.err
    assert "MX/uif: is not registered" in ran.err
    assert both.look("list").lines == []


def test_propose_names_an_agency_that_may_not_read(both: Both) -> None:
    """Its name in the charter would close the channel to every message (SG-02)."""
    office = both.office
    for name, function in (("fgr", "prosecution"), ("uif", "child_protection")):
        added = office.cli(
            *("admin", "agency", "add", f"MX/{name}", "--function", function, "--name", name),
            *("--ledger-url", office.ledger),
        )
        assert added.code == 0, added.err

    ran = both.channel("MX ana", "propose", FILE)

    assert "MX/uif: an agency for child_protection may not read intelligence" in ran.err
    assert "MX/fgr: an agency" not in ran.err


def test_consent_shows_the_charter_to_whoever_consents(both: Both) -> None:
    """Nobody consents to a name."""
    name = both.propose()

    ran = both.channel("GT ana", "consent", "--", name)

    assert ran.code == 2
    assert "Smuggling of Migrants Protocol" in ran.err


@pytest.mark.parametrize(
    ("who", "arguments", "said"),
    [
        ("MX ana", ("consent", "--yes", "--", "{id}"), "own act"),
        ("GW ana", ("consent", "--yes", "--", "{id}"), "other countries"),
        ("MX ana", ("suspend", NAME), "not known"),
        ("GW ana", ("leave", "nobody-knows-it"), "not known"),
        ("GT luis", ("consent", "--yes", "--", "AAAAAAAA"), "0 acts"),
        ("MX ana", ("propose", "--yes", "{bad}"), "charter's kinds"),
        ("MX ana", ("propose", "--yes", "{old}"), "review is past"),
    ],
)
def test_channel_acts_are_refused_that_would_not_count(
    both: Both, who: str, arguments: tuple[str, ...], said: str
) -> None:
    """Status 6, the reason, and nothing written."""
    text = FILE.read_text("utf-8")
    bad, old = both.office.folder / "bad.toml", both.office.folder / "old.toml"
    bad.write_text(text.replace('"reply"', '"gossip"'))
    old.write_text(text.replace("2027-11-01", "2020-11-01"))
    values = {"{id}": both.propose(), "{bad}": str(bad), "{old}": str(old)}
    before = both.office.documents()

    ran = both.channel(who, *(values.get(each, each) for each in arguments))

    assert ran.code == 6, ran.err
    assert said in ran.err
    assert both.office.documents() == before


def test_propose_takes_the_next_version_when_the_file_names_none(both: Both) -> None:
    """A member joins by another version; nobody has to count."""
    both.begun()
    file = both.office.folder / "next.toml"
    text = FILE.read_text("utf-8").replace("version = 1\n", "")
    file.write_text(text.replace('"intelligence"', '"judicial"'))

    ran = both.channel("MX ana", "propose", file, "--yes")

    assert ran.code == 0, ran.err
    assert ran.lines[0]["what"] == f"{NAME} 2: GT, MX"
    assert both.row()["next"] == ["consent 2 GT,MX"]


def test_channel_is_suspended_resumed_left_and_closed(both: Both) -> None:
    """One takes away, two of two owners give."""
    both.begun()
    assert both.row()["state"] == "active"

    suspended = both.channel("GT ana", "suspend", NAME, "--reason", "suspected")
    assert (suspended.code, suspended.lines[0]["what"]) == (0, NAME)
    assert suspended.lines[0]["reason"] == "suspected"
    assert (both.row()["state"], both.row()["next"]) == ("suspended", ["resume 1"])

    resumed = both.channel("GT ana", "resume", NAME, "--yes")
    assert resumed.lines[0]["state"] == "proposed"
    own = both.office.act(
        both.office.guatemala, "luis", "admin", "approve", "--yes", "--", resumed.lines[0]["id"]
    )
    assert own.code == 6
    assert "two owners" in own.err
    left = both.channel("GT luis", "leave", NAME)
    assert left.lines[0]["state"] == "in-force"
    assert (both.row()["members"], both.row()["state"]) == ({"MX": ["fgr"]}, "suspended")
    closed = both.channel("MX luis", "close", NAME)
    assert closed.code == 0, closed.err
    assert (both.row()["state"], both.row()["next"]) == ("closed", [])


def test_show_tells_of_charter_consents_and_changes(both: Both, cli: Cli) -> None:
    """What waits, who consented, and each act with its date and its signer."""
    both.begun()
    both.channel("GT ana", "suspend", NAME)

    (shown,) = both.look("show", NAME).lines

    assert shown["title"] == "High-Level Security Group"
    assert shown["members"] == {"GT": ["mp", "ive"], "MX": ["fgr"]}
    assert [(each["act"], each["by"]) for each in shown["changes"]] == [
        ("charter", "MX/administrator/ana"),
        ("suspend-channel", "GT/administrator/ana"),
    ]
    assert shown["changes"][0]["approved_by"] == "MX/administrator/luis, GT/administrator/luis"
    assert shown["consents"] == []
    for language, word in (("en", "legal basis"), ("es", "fundamento legal")):
        ran = cli(
            *("admin", "channel", "show", NAME, "--lang", language),
            *("--roots", both.office.folder / "roots.json", "--ledger-url", both.office.ledger),
        )
        assert ran.code == 0
        assert word in ran.out
        assert "suspend-channel" in ran.out


def test_show_names_whose_consent_is_missing(both: Both) -> None:
    """So that somebody calls them."""
    name = both.propose()
    both.channel("MX luis", "consent", "--yes", "--", name)

    (shown,) = both.look("show", NAME).lines

    states = [(each["country"], each["state"]) for each in shown["consents"]]
    assert states == [("MX", "consented"), ("GT", "missing")]
    assert shown["state"] == "proposed"


def test_show_refuses_a_channel_that_nobody_proposed(both: Both) -> None:
    """And a name that can be none."""
    assert both.look("show", "nobody-knows-it").code == 6
    assert both.look("show", "GANSEG!").code == 2


@pytest.mark.parametrize(
    ("left", "code"),
    [(300 * DAY, 0), (29 * DAY, 7), (-HOUR, 7)],
    ids=["there is time", "a month is left", "past"],
)
def test_list_says_when_a_review_is_due(both: Both, left: timedelta, code: int) -> None:
    """Status 7 as soon as somebody should write the next version."""
    both.begun(review=left)

    ran = both.look("list")

    assert ran.code == code, ran.err
    assert (NAME in ran.err) is (code == 7)
    (row,) = ran.lines
    assert any(each.startswith("review 1 ") for each in row["next"]) is (code == 7)
    assert row["state"] == ("active" if left > timedelta(0) else "suspended")


def test_forecast_names_the_channels_that_go_dark(both: Both) -> None:
    """One desk that cannot read stops the whole channel; so does the exchange's own key."""
    both.office.decided(both.office.guatemala.acts)
    both.begun()

    soon = both.office.run("keys", "forecast", "--days", 7)
    late = both.office.run("keys", "forecast", "--days", 400)

    assert [row["channels"] for row in soon.lines if row["use"] == "desk_encryption"] == []
    channels = {
        row["use"]: row["channels"] for row in late.lines if row["holder"].startswith("GT/desk")
    }
    assert channels == {"desk_encryption": [NAME], "desk_signature": [NAME]}
    receipts = [row for row in late.lines if row["use"] == "receipt_signature"]
    assert [row["channels"] for row in receipts] == [[NAME]]


def test_acts_show_what_was_decided_of_channels(both: Both, cli: Cli) -> None:
    """In words for people, with the whole charter for programs."""
    both.begun()
    both.channel("GT ana", "leave", NAME)

    rows = both.office.run("admin", "acts").lines
    table = cli(
        *("admin", "acts", "--roots", both.office.folder / "roots.json"),
        *("--ledger-url", both.office.ledger),
    )

    assert [each["what"] for each in rows] == [f"{NAME} 1: GT, MX", NAME]
    assert rows[0]["charter"]["ceiling"] == "H1"
    assert f"{NAME} 1: GT, MX" in table.out


def test_list_has_a_table_for_people(both: Both, cli: Cli) -> None:
    """Countries without their agencies, for the table has no room."""
    both.begun()

    ran = cli(
        *("admin", "channel", "list", "--roots", both.office.folder / "roots.json"),
        *("--ledger-url", both.office.ledger),
    )

    assert ran.code == 0, ran.err
    assert "GT, MX" in ran.out
    assert datetime.now(UTC).strftime("%Y") not in ran.err

"""Is this a charter? One form, every member, no value that is not of its list."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keys import act, strict_json
from keys.act import ActTerms
from keys.act_kind import ActKind
from keys.charter import MAX_AGENCIES, MAX_TEXT_CHARS, MEMBERS, Charter
from keys.errors import ActError
from keys.holder import Holder
from keys.key import SigningKey
from schemas.vocabulary import Country, Kind
from tests.keys.assembly import GT, MX, charter_of
from tests.keys.conftest import MakeSigningKey

ANA = Holder.administrator(MX, "ana")


@pytest.fixture
def charter(now: datetime) -> Charter:
    """Give a charter of Mexico and Guatemala."""
    return charter_of(MX, GT, now=now)


@pytest.fixture
def key(make_signing_key: MakeSigningKey) -> SigningKey:
    """Give Ana's key."""
    return make_signing_key("MX-admin-ana-1")


def test_from_json_gives_back_what_was_written(charter: Charter) -> None:
    """Written, signed and read, it is the same charter."""
    members = strict_json.parse_object(strict_json.write(charter.to_json()))

    assert Charter.from_json(members) == charter
    assert members.keys() == MEMBERS


MALFORMED: dict[str, tuple[str, Any]] = {
    "a channel of one letter": ("channel", "x"),
    "a channel of 29 letters": ("channel", "x" * 29),
    "a channel in capitals": ("channel", "HLSG"),
    "a channel with a dot": ("channel", "hlsg.gt"),
    "a channel with a slash": ("channel", "hlsg/gt"),
    "a channel with a line end": ("channel", "hlsg\n"),
    "a channel that begins with a hyphen": ("channel", "-hlsg"),
    "a channel that ends with a hyphen": ("channel", "hlsg-"),
    "a channel with a letter that looks like another": ("channel", "hlsg-mх-gt"),  # noqa: RUF001
    "a channel that is no text": ("channel", 7),
    "version 0": ("version", 0),
    "a negative version": ("version", -1),
    "a version that is a truth": ("version", True),
    "a version that is a text": ("version", "1"),
    "a version of a half": ("version", 1.5),
    "no title": ("title", ""),
    "a title that is a blank": ("title", " "),
    "a title that ends with a blank": ("title", "HLSG "),
    "a title that is too long": ("title", "x" * (MAX_TEXT_CHARS + 1)),
    "a title that moves the cursor": ("title", "a\x1b[2J"),
    "a title that turns round": ("title", "a\u202eb"),
    "a purpose of two lines": ("purpose", "a\nb"),
    "a purpose that is a list": ("purpose", ["a"]),
    "a legal basis that is nothing": ("legal_basis", None),
    "an unknown compartment": ("compartment", "secret"),
    "two compartments": ("compartment", ["judicial", "intelligence"]),
    "no kinds": ("kinds", []),
    "an unknown kind": ("kinds", ["gossip"]),
    "a kind twice": ("kinds", ["reply", "reply"]),
    "kinds in one text": ("kinds", "reply"),
    "a kind that is a number": ("kinds", [1]),
    "an unknown ceiling": ("ceiling", "H9"),
    "unknown sealing": ("sealing", "nobody"),
    "a truth that is a text": ("shows_recipients", "yes"),
    "a truth that is a number": ("shows_recipients", 1),
    "a review that is a text": ("review", "2027-01-01"),
    "a review before all times": ("review", -1),
    "a review after all times": ("review", 10**12),
    "no convener": ("conveners", []),
    "a convener twice": ("conveners", ["MX", "MX"]),
    "a convener that is no member": ("conveners", ["HN"]),
    "an unknown convener": ("conveners", ["XX"]),
    "the exchange as a convener": ("conveners", ["GW"]),
    "one member": ("members", {"MX": ["fgr"]}),
    "members in a list": ("members", ["MX", "GT"]),
    "an unknown member": ("members", {"MX": ["fgr"], "XX": ["mp"]}),
    "the exchange as a member": ("members", {"MX": ["fgr"], "GT": ["mp"], "GW": ["x"]}),
    "a member without agencies": ("members", {"MX": ["fgr"], "GT": []}),
    "a member with too many agencies": (
        "members", {"MX": ["fgr"], "GT": [f"a{n}" for n in range(MAX_AGENCIES + 1)]},
    ),
    "an agency twice": ("members", {"MX": ["fgr"], "GT": ["mp", "mp"]}),
    "an agency in capitals": ("members", {"MX": ["fgr"], "GT": ["MP"]}),
    "an agency of 33 letters": ("members", {"MX": ["fgr"], "GT": ["m" * 33]}),
    "an agency that is a number": ("members", {"MX": ["fgr"], "GT": [5]}),
    "agencies in one text": ("members", {"MX": ["fgr"], "GT": "mp"}),
}  # fmt: skip


@pytest.mark.parametrize(("member", "value"), MALFORMED.values(), ids=MALFORMED.keys())
def test_from_json_refuses_what_is_malformed(charter: Charter, member: str, value: Any) -> None:
    """With one error, which names the member and repeats nothing of what it read."""
    with pytest.raises(ActError) as refused:
        Charter.from_json({**charter.to_json(), member: value})

    assert f"the charter's {member} is malformed" in str(refused.value)
    assert not isinstance(value, str) or not value.strip() or value not in str(refused.value)


def test_malformed_rows_name_every_member() -> None:
    """No member is left untried."""
    assert {member for member, _ in MALFORMED.values()} == MEMBERS


@pytest.mark.parametrize("member", sorted(MEMBERS))
def test_from_json_refuses_a_charter_that_lacks_a_member(charter: Charter, member: str) -> None:
    """Nothing has a default: what nobody wrote, nobody consented to."""
    members = charter.to_json()
    del members[member]

    with pytest.raises(ActError, match="too many or too few"):
        Charter.from_json(members)


def test_from_json_refuses_a_member_that_is_not_known(charter: Charter) -> None:
    """What one reader would understand and another not, nobody reads."""
    with pytest.raises(ActError, match="too many or too few"):
        Charter.from_json({**charter.to_json(), "exceptions": []})


def test_largest_charter_fits_into_an_act(now: datetime, key: SigningKey) -> None:
    """Eleven members with twenty agencies of the longest names, and three texts of accents."""
    largest = charter_of(
        *Country,
        now=now,
        channel="x" * 28,
        title="ñ" * MAX_TEXT_CHARS,
        purpose="ñ" * MAX_TEXT_CHARS,
        legal_basis="ñ" * MAX_TEXT_CHARS,
        kinds=frozenset(Kind),
        conveners=frozenset(Country),
        members={country: tuple(f"{n:032}" for n in range(MAX_AGENCIES)) for country in Country},
    )
    terms = ActTerms(kind=ActKind.CHARTER, by=ANA, at=now, charter=largest.to_json())

    token = act.sign(terms, key)

    read = act.verify(token, find_key={key.kid: key.public}.get)
    assert Charter.from_json(read.charter or {}) == largest


def test_sign_refuses_an_act_that_nobody_would_read(
    now: datetime, charter: Charter, key: SigningKey
) -> None:
    """Whoever wrote it learns it before it is sent, and what to do."""
    long = {**charter.to_json(), "title": "x" * act.MAX_ACT_CHARS}
    terms = ActTerms(kind=ActKind.CHARTER, by=ANA, at=now, charter=long)

    with pytest.raises(ActError, match="make two of it"):
        act.sign(terms, key)


def test_charter_differs_when_one_member_differs(charter: Charter) -> None:
    """Two charters are one only if every member is the same."""
    later = replace(charter, review=datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=1))

    assert later != charter
    assert Charter.from_json(later.to_json()) == later

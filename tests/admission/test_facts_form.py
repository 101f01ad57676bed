"""Facts travel in one spelling, whole: a fact that is lost on the way is a rule that sleeps."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from broker.admission import facts_form
from broker.model.facts import Evaluation, Facts, Grant
from broker.model.names import AgencyRef, MessageId
from keys.errors import KeyFormatError
from keys.strict_json import JsonValue
from schemas.vocabulary import Country, HandlingCode

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ONE, TWO = (MessageId(f"0193574e-0000-7000-8000-00000000000{n}") for n in (1, 2))
FULL = Facts(
    handling=HandlingCode.H2,
    purpose="investigation",
    review_by=NOW + timedelta(days=20),
    reply_by=NOW + timedelta(days=2),
    evaluation=Evaluation(scheme="4x4", source="A", information="1"),
    in_reply_to=ONE,
    lineage=(ONE, TWO),
    concerns=TWO,
    replaced_by=ONE,
    reply_outcome="refused",
    refusal_ground="national_security",
    grant=Grant(
        of=frozenset({ONE}),
        to_countries=frozenset({Country.MEXICO}),
        purposes=frozenset({"investigation"}),
        until=NOW,
    ),
    marked_origins=frozenset({Country.HONDURAS}),
    all_origins=frozenset({Country.HONDURAS, Country.MEXICO}),
    has_marked=True,
    has_children=True,
    exposes_child=True,
    criminalises=True,
    addressed_to=AgencyRef(country=Country.MEXICO, agency="dif"),
    needs_second_officer=True,
    has_narrative=True,
)
PLAIN = Facts(handling=HandlingCode.H0, purpose="prevention", review_by=NOW)


@pytest.mark.parametrize("facts", [FULL, PLAIN], ids=["all of them", "as few as there can be"])
def test_read_returns_the_facts_that_were_written(facts: Facts) -> None:
    """What a sender states is what the gateway judges."""
    assert facts_form.from_json(facts_form.to_json(facts)) == facts


def test_read_returns_facts_that_name_as_many_messages_as_a_message_may() -> None:
    """The schemas let fifty stand there; one more is refused below."""
    most = replace(PLAIN, lineage=(ONE,) * 50)

    assert facts_form.from_json(facts_form.to_json(most)) == most


@pytest.mark.parametrize("name", [each.name for each in fields(Facts)])
def test_write_tells_each_fact(name: str) -> None:
    """Two contents that differ in one fact differ in what is said of them."""
    other = replace(FULL, **{name: getattr(PLAIN, name)})

    assert facts_form.to_json(other) != facts_form.to_json(FULL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("handling", "H9"),
        ("handling", 1),
        ("purpose", None),
        ("review_by", "2026-11-25T12:00:00"),
        ("review_by", "yesterday"),
        ("lineage", "all"),
        ("lineage", 1),
        ("lineage", ["not-an-id"]),
        ("lineage", [ONE] * 51),
        ("evaluation", {"scheme": "4x4"}),
        ("grant", []),
        ("marked_origins", ["XX"]),
        ("marked_origins", "HN"),
        ("marked_origins", None),
        ("has_marked", 1),
        ("has_children", None),
        ("more", True),
    ],
)
def test_read_refuses_facts_that_are_not_written_so(name: str, value: JsonValue) -> None:
    """Nothing is guessed: a fact that cannot be read is no fact."""
    with pytest.raises((KeyFormatError, ValueError)):
        facts_form.from_json({**facts_form.to_json(FULL), name: value})


@pytest.mark.parametrize("name", facts_form.MEMBERS)
def test_read_refuses_facts_that_leave_one_out(name: str) -> None:
    """Left out is not the same as not so."""
    members = facts_form.to_json(FULL)
    del members[name]

    with pytest.raises(KeyFormatError):
        facts_form.from_json(members)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("all_origins", ["MX", "HN"]),
        ("all_origins", ["HN", "HN", "MX"]),
        ("review_by", "2026-12-15T12:00:00Z"),
        ("review_by", "20261215T120000+00:00"),
        ("review_by", "2026-12-15 12:00:00+00:00"),
        ("reply_by", "2026-11-27T12:00:00.000+00:00"),
        ("grant", {"of": [ONE, ONE], "to_countries": [], "purposes": [], "until": None}),
    ],
)
def test_read_refuses_another_spelling(name: str, value: JsonValue) -> None:
    """One fact, one text: else a desk that writes it the other way calls the sender a liar."""
    with pytest.raises(KeyFormatError):
        facts_form.from_json({**facts_form.to_json(FULL), name: value})

"""What leaves a content for the rules: each fact, as it was said, and nothing that was not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from broker.admission.facts import facts_of, named_messages
from broker.model.facts import Evaluation, Facts, Grant
from broker.model.names import AgencyRef, Json, MessageId
from schemas.vocabulary import Country, HandlingCode

ONE, TWO, THREE, FOUR = (MessageId(f"0193574e-0000-7000-8000-00000000000{n}") for n in range(1, 5))
INTELLIGENCE = {"countries": ["GT"], "compartment": "intelligence"}
PROTECTION = {"countries": ["GT"], "compartment": "protection"}
CHANNEL = {"channel": "trinational"}
NARRATIVE = {"note": "What happened to him"}
REFUGEE = {"category": "other", "protection_status": "refugee"}
HONDURANS = {"category": "other", "nationalities": [{"country": "HN"}]}
GUIDE = {"category": "smuggled_migrant", "age_group": "adult", "roles": ["guide"]}
PLAIN = Facts(
    handling=HandlingCode.H1,
    purpose="investigation",
    review_by=datetime(2027, 1, 1, tzinfo=UTC),
)


def document(**members: Any) -> dict[str, Json]:
    """A message that says no more than every message must."""
    return {
        "created": "2026-11-25T12:00:00Z",
        "to": INTELLIGENCE,
        "handling": {"code": "H1"},
        "purpose": {"code": "investigation"},
        "review_by": "2027-01-01T00:00:00Z",
        "body": {},
        **members,
    }


def of_body(**body: Any) -> Facts:
    """Read the facts of a message with this body."""
    return facts_of(document(body=body))


def test_facts_of_says_nothing_more_when_nothing_more_is_said() -> None:
    """Nobody in it, no earlier message, no time but its own."""
    assert facts_of(document()) == PLAIN


@pytest.mark.parametrize(
    ("members", "name", "fact"),
    [
        ({"handling": {"code": "H3"}}, "handling", HandlingCode.H3),
        ({"purpose": {"code": "prevention"}}, "purpose", "prevention"),
        (
            {"review_by": "2028-02-29T06:00:00-06:00"},
            "review_by",
            datetime(2028, 2, 29, 12, tzinfo=UTC),
        ),
        ({"reply_by": "2026-11-26T00:00:00Z"}, "reply_by", datetime(2026, 11, 26, tzinfo=UTC)),
        (
            {"evaluation": {"scheme": "4x4", "source": "A", "information": "1"}},
            "evaluation",
            Evaluation(scheme="4x4", source="A", information="1"),
        ),
        ({"in_reply_to": ONE}, "in_reply_to", ONE),
        ({"lineage": [ONE, TWO]}, "lineage", (ONE, TWO)),
        ({"body": {"of": ONE}}, "concerns", ONE),
        ({"body": {"replaced_by": ONE}}, "replaced_by", ONE),
        ({"body": {"outcome": "refused"}}, "reply_outcome", "refused"),
        ({"body": {"refusal_ground": "no_record"}}, "refusal_ground", "no_record"),
        (
            {"body": {"receiving_service": {"agency": "casa", "country": "MX"}}},
            "addressed_to",
            AgencyRef(country=Country.MEXICO, agency="casa"),
        ),
    ],
)
def test_facts_of_tells_what_the_message_says(
    members: dict[str, Any], name: str, fact: object
) -> None:
    """A fact that is lost is a rule that sleeps."""
    assert getattr(facts_of(document(**members)), name) == fact


@pytest.mark.parametrize("name", ["of", "replaced_by", "outcome", "refusal_ground"])
@pytest.mark.parametrize("other", [["x"], {"x": "y"}, 3])
def test_facts_of_takes_a_member_for_what_it_is(name: str, other: Json) -> None:
    """Another kind may call something else by this name: that is no id and no code."""
    assert of_body(**{name: other}) == PLAIN


@pytest.mark.parametrize("service", [None, "casa", {"agency": "casa", "country": "VE"}])
def test_facts_of_addresses_nobody_when_the_service_is_none_of_ours(service: Json) -> None:
    """A service outside the Member Countries is nobody's reader here."""
    assert of_body(receiving_service=service).addressed_to is None


def test_facts_of_reads_the_terms_of_a_permission() -> None:
    """For which messages, to whom, for what, and to the last second of the day."""
    permission: Json = {
        "for": [ONE, TWO],
        "to_countries": ["SV", "HN"],
        "for_purposes": ["prosecution"],
        "until": "2027-01-31",
    }

    assert of_body(outcome="permission_granted", permission=permission).grant == Grant(
        of=frozenset({ONE, TWO}),
        to_countries=frozenset({Country.EL_SALVADOR, Country.HONDURAS}),
        purposes=frozenset({"prosecution"}),
        until=datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC),
    )


def test_facts_of_reads_no_limit_when_a_permission_has_none() -> None:
    """Left out, each of the terms is the asker's own."""
    assert of_body(outcome="permission_granted", permission={"for": [ONE]}).grant == Grant(
        of=frozenset({ONE}), to_countries=frozenset(), purposes=frozenset(), until=None
    )


@pytest.mark.parametrize(
    "body",
    [
        {"outcome": "permission_refused", "permission": {"for": [ONE]}},
        {"permission": {"for": [ONE]}},
        {"outcome": "permission_granted"},
        {"outcome": "permission_granted", "permission": "yes"},
    ],
)
def test_facts_of_reads_no_permission_when_none_was_granted(body: dict[str, Any]) -> None:
    """Terms beside another outcome permit nothing, and neither does an outcome without terms."""
    assert of_body(**body).grant is None


@pytest.mark.parametrize(
    ("body", "marks"),
    [
        ({"groups": [REFUGEE]}, {"has_marked"}),
        ({"groups": [{"category": "other", "ages": {"maximum": 17}}]}, {"has_children"}),
        (
            {"persons": [{"category": "victim", "age_group": "child", "name": {"family": "X"}}]},
            {"has_children", "exposes_child"},
        ),
        ({"groups": [GUIDE]}, {"needs_second_officer"}),
        ({"persons": [GUIDE]}, {"needs_second_officer", "criminalises"}),
    ],
)
def test_facts_of_tells_what_is_said_of_people(body: dict[str, Any], marks: set[str]) -> None:
    """Each mark of its own, and no other."""
    facts = of_body(**body)

    told = {
        "has_marked": facts.has_marked,
        "has_children": facts.has_children,
        "exposes_child": facts.exposes_child,
        "criminalises": facts.criminalises,
        "needs_second_officer": facts.needs_second_officer,
    }
    assert {name for name, is_so in told.items() if is_so} == marks


def test_facts_of_asks_of_whoever_was_born_in_the_year_of_the_message() -> None:
    """Who was a child when it was written was one, whenever it is read."""
    person = {"category": "witness", "age_group": "adult", "birth_date": "2008"}

    def exposes_child(created: str) -> bool:
        return facts_of(document(created=created, body={"persons": [person]})).exposes_child

    assert exposes_child("2026-11-25T12:00:00Z")
    assert not exposes_child("2027-11-25T12:00:00Z")


@pytest.mark.parametrize(
    ("groups", "marked", "everybody"),
    [
        ([HONDURANS], set(), {Country.HONDURAS}),
        ([{**REFUGEE, **HONDURANS}], {Country.HONDURAS}, {Country.HONDURAS}),
        # One who may come from anywhere is kept from all, though others come from one country.
        ([REFUGEE, HONDURANS], set(Country), set(Country)),
        ([REFUGEE], set(Country), set(Country)),
    ],
)
def test_facts_of_counts_the_marked_among_everybody(
    groups: list[Json], marked: set[Country], everybody: set[Country]
) -> None:
    """In protection everybody counts, and so one of whom nothing is said."""
    facts = of_body(groups=groups)

    assert (facts.marked_origins, facts.all_origins) == (marked, everybody)


@pytest.mark.parametrize(
    ("to", "body", "has_narrative"),
    [
        (PROTECTION, NARRATIVE, True),
        (PROTECTION, {"code": "shelter"}, False),
        # Of a channel the charter says whether it is protection; until then it may be.
        (CHANNEL, NARRATIVE, True),
        (CHANNEL, {"code": "shelter"}, False),
        (INTELLIGENCE, NARRATIVE, False),
        (INTELLIGENCE, {"code": "shelter"}, False),
    ],
)
def test_facts_of_looks_for_a_narrative_where_it_may_be_protection(
    to: Json, body: dict[str, Any], *, has_narrative: bool
) -> None:
    """Elsewhere officers write what they must."""
    assert facts_of(document(to=to, body=body)).has_narrative is has_narrative


def test_facts_of_counts_words_by_the_policy_in_force() -> None:
    """What one policy allows is a narrative by another."""
    told = document(to=PROTECTION, body={"title": "Two words"})

    assert facts_of(told, words={}).has_narrative
    assert not facts_of(told, words={"title": 20}).has_narrative
    assert not facts_of(told).has_narrative


@pytest.mark.parametrize("name", ["body", "to", "handling", "purpose", "evaluation"])
def test_facts_of_is_not_asked_before_the_schema(name: str) -> None:
    """A defect of ours, and no refusal."""
    with pytest.raises(RuntimeError):
        facts_of(document(**{name: ["x"]}))


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, set()),
        ({"in_reply_to": ONE}, {ONE}),
        ({"body": {"of": ONE}}, {ONE}),
        ({"lineage": [ONE, TWO]}, {ONE, TWO}),
        (
            {"body": {"outcome": "permission_granted", "permission": {"for": [ONE, TWO]}}},
            {ONE, TWO},
        ),
        (
            {
                "in_reply_to": ONE,
                "lineage": [TWO],
                "body": {
                    "of": THREE,
                    "outcome": "permission_granted",
                    "permission": {"for": [FOUR]},
                },
            },
            {ONE, TWO, THREE, FOUR},
        ),
    ],
)
def test_named_messages_are_all_that_the_rules_ask_of(
    said: dict[str, Any], named: set[MessageId]
) -> None:
    """What it answers, derives from, takes back or permits is looked up before it is judged."""
    assert named_messages(facts_of(document(**said))) == named

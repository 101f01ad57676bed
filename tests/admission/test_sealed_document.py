"""What is told of a sealed message is held against the schemas, as far as it goes."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from broker.admission.facts import facts_of
from broker.admission.sealed_document import check_document
from broker.errors import Code, DocumentError
from broker.model.facts import Evaluation, Grant
from broker.model.message import Address, Envelope
from broker.model.names import AgencyRef, MessageId
from keys.charter import ChannelName
from schemas.examples import accepted
from schemas.loader import SchemaSet
from schemas.vocabulary import Compartment, Country, Kind, Urgency

SCHEMAS = SchemaSet.load()
ID = MessageId("0193574e-0000-7000-8000-000000000001")
EXAMPLES = [
    pytest.param(example.message, id=f"{kind}/{example.name}")
    for kind in Kind
    for example in accepted(kind.value)
]


def envelope_of(document: dict[str, Any]) -> Envelope:
    """Read of a valid message what its route and its facts tell."""
    facts, to = facts_of(document), document["to"]
    return Envelope(
        id=MessageId(document["id"]),
        kind=Kind(document["kind"]),
        version=document["version"],
        sender=AgencyRef(
            country=Country(document["from"]["country"]), agency=document["from"]["agency"]
        ),
        to=Address(
            countries=tuple(Country(each) for each in to.get("countries", ())),
            compartment=Compartment(to["compartment"]) if "compartment" in to else None,
            channel=ChannelName(to["channel"]) if "channel" in to else None,
            own_copy=to.get("own_copy", False),
        ),
        created=datetime.fromisoformat(document["created"]),
        created_text=document["created"],
        expires=datetime.fromisoformat(document["expires"]),
        expires_text=document["expires"],
        urgency=Urgency(document["urgency"]),
        handling=facts.handling,
        facts=facts,
    )


def grant(**terms: Any) -> Grant:
    """A permission for one message; ``terms`` replace its own."""
    whole = {
        "of": frozenset({ID}),
        "to_countries": frozenset[Country](),
        "purposes": frozenset[str](),
        "until": None,
        **terms,
    }
    return Grant(**whole)


def example(kind: Kind) -> Envelope:
    """The first accepted message of a kind."""
    return envelope_of(next(iter(accepted(kind.value))).message)


@pytest.mark.parametrize("document", EXAMPLES)
def test_check_returns_what_a_valid_message_would_tell(document: dict[str, Any]) -> None:
    """No message that is valid in the open is refused because it is sealed."""
    check_document(envelope_of(document), SCHEMAS)


@pytest.mark.parametrize(
    ("facts", "pointer"),
    [
        ({"purpose": "because"}, "/purpose/code"),
        ({"purpose": "investigation prevention"}, "/purpose/code"),
        ({"purpose": "p" * 5000}, "/purpose/code"),
        ({"purpose": "\ud800"}, ""),
        (
            {"evaluation": Evaluation(scheme="5x5x5", source="A", information="1")},
            "/evaluation/scheme",
        ),
        (
            {"evaluation": Evaluation(scheme="4x4", source="4/B", information="1")},
            "/evaluation/source",
        ),
        ({"evaluation": None}, "/evaluation"),
        # A clock is minutes off Greenwich; with seconds it is no time that a message could hold.
        (
            {"reply_by": datetime(2026, 11, 27, tzinfo=timezone(timedelta(seconds=30)))},
            "/reply_by",
        ),
        ({"lineage": (ID, ID)}, "/lineage"),
        ({"concerns": ID}, "/body/of"),
        ({"replaced_by": ID}, "/body/replaced_by"),
        ({"reply_outcome": "answered"}, "/body/outcome"),
        ({"refusal_ground": "national_security"}, "/body/refusal_ground"),
        ({"grant": grant()}, "/body/permission"),
    ],
)
def test_check_refuses_facts_that_no_route_report_has(facts: dict[str, Any], pointer: str) -> None:
    """A code of no list, and a member that this kind does not know."""
    message = example(Kind.ROUTE_REPORT)
    told = replace(message, facts=replace(message.facts, **facts))

    with pytest.raises(DocumentError) as caught:
        check_document(told, SCHEMAS)

    assert caught.value.code is Code.SCHEMA_VIOLATION
    assert pointer in [each.pointer for each in caught.value.problems]


@pytest.mark.parametrize(
    ("kind", "facts", "pointer"),
    [
        (Kind.RECALL, {"concerns": None}, "/body/of"),
        (Kind.RECTIFICATION, {"concerns": None}, "/body/of"),
        (Kind.REPLY, {"reply_outcome": None}, "/body/outcome"),
        (Kind.REPLY, {"reply_outcome": "perhaps"}, "/body/outcome"),
        (Kind.REPLY, {"in_reply_to": None}, "/in_reply_to"),
        (
            Kind.REPLY,
            {"reply_outcome": "refused", "refusal_ground": None},
            "/body/refusal_ground",
        ),
        (
            Kind.REPLY,
            {"reply_outcome": "permission_granted", "grant": None},
            "/body/permission",
        ),
        (Kind.REPLY, {"grant": grant(of=frozenset())}, "/body/permission/for"),
        (
            Kind.REPLY,
            {"grant": grant(purposes=frozenset({"a b"}))},
            "/body/permission/for_purposes/0",
        ),
        (
            Kind.REPLY,
            {
                "grant": grant(
                    until=datetime.fromisoformat("9999-12-31T23:59:59-14:00"),
                )
            },
            "/body/permission/until",
        ),
    ],
)
def test_check_refuses_facts_without_what_their_kind_is_about(
    kind: Kind, facts: dict[str, Any], pointer: str
) -> None:
    """A recall of nothing, a reply to nothing, a permission for nothing or for a strange time."""
    message = example(kind)
    told = replace(message, facts=replace(message.facts, **facts))

    with pytest.raises(DocumentError) as caught:
        check_document(told, SCHEMAS)

    assert pointer in [each.pointer for each in caught.value.problems]


@pytest.mark.parametrize(
    ("route", "pointer"),
    [
        ({"id": MessageId("not-an-id")}, "/id"),
        ({"id": MessageId("i" * 64)}, "/id"),
        ({"created_text": "20261125T120000Z"}, "/created"),
        ({"expires_text": "2027-W01-1T00:00:00Z"}, "/expires"),
    ],
)
def test_check_refuses_a_route_that_no_message_has(route: dict[str, Any], pointer: str) -> None:
    """No desk could answer an id that is none, and no ledger could keep it."""
    with pytest.raises(DocumentError) as caught:
        check_document(replace(example(Kind.ROUTE_REPORT), **route), SCHEMAS)

    assert pointer in [each.pointer for each in caught.value.problems]


def test_check_takes_a_permission_that_says_no_more_than_for_what() -> None:
    """Without countries and purposes they are those of who asked; without a day it has no end."""
    message = example(Kind.REPLY)
    terms = {"reply_outcome": "permission_granted", "refusal_ground": None, "grant": grant()}

    check_document(replace(message, facts=replace(message.facts, **terms)), SCHEMAS)


def test_check_names_fifty_faults_at_most() -> None:
    """Who fills a message with nonsense is not answered at the same length."""
    message = example(Kind.ROUTE_REPORT)
    nonsense = tuple(MessageId(f"x{number}") for number in range(51))

    with pytest.raises(DocumentError) as caught:
        check_document(replace(message, facts=replace(message.facts, lineage=nonsense)), SCHEMAS)

    assert len(caught.value.problems) == 50


def test_check_keeps_a_referral_in_the_protection_compartment() -> None:
    """The rule of the open message holds for the sealed one."""
    message = example(Kind.PROTECTION_REFERRAL)
    to = Address(countries=(Country.GUATEMALA,), compartment=Compartment.INTELLIGENCE, channel=None)

    with pytest.raises(DocumentError):
        check_document(replace(message, to=to), SCHEMAS)


def test_check_names_no_value() -> None:
    """Where it is wrong, never what was written."""
    message = example(Kind.ROUTE_REPORT)
    told = replace(message, facts=replace(message.facts, purpose="zxqmarker"))

    with pytest.raises(DocumentError) as caught:
        check_document(told, SCHEMAS)

    assert "zxqmarker" not in repr(caught.value.problems)

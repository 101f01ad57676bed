"""What must the rules know of this content? Read once, from a document that its schema knows.

Only facts leave the content here: codes, times and the ids of other messages. Where people come
from is asked by the rules and kept nowhere.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from broker.admission.narrative import tells
from broker.admission.origins import MEMBER_COUNTRIES
from broker.admission.people import people_of
from broker.admission.policy import STANDARD_POLICY
from broker.model.facts import Evaluation, Facts, Grant
from broker.model.names import AgencyRef, Json, MessageId
from schemas.vocabulary import Compartment, Country, HandlingCode

END_OF_DAY: Final = "T23:59:59+00:00"


GRANTED: Final = "permission_granted"


def facts_of(
    document: dict[str, Json], *, words: Mapping[str, int] = STANDARD_POLICY.words
) -> Facts:
    """Read the facts of a message.

    Args:
        document: Valid by its schema.
        words: Where a body of ``protection`` may hold words, by the policy in force.
    """
    body = _object(document["body"])
    compartment = _object(document["to"]).get("compartment")
    # Of a channel the charter says it, which is not read here.
    may_be_protection = compartment in {None, Compartment.PROTECTION.value}
    people = people_of(body, datetime.fromisoformat(str(document["created"])).year)
    return Facts(
        handling=HandlingCode(str(_object(document["handling"])["code"])),
        purpose=str(_object(document["purpose"])["code"]),
        review_by=datetime.fromisoformat(str(document["review_by"])),
        reply_by=_moment(document.get("reply_by")),
        evaluation=_evaluation(document.get("evaluation")),
        in_reply_to=_id(document.get("in_reply_to")),
        lineage=tuple(MessageId(str(each)) for each in _list(document.get("lineage"))),
        concerns=_id(body.get("of")),
        replaced_by=_id(body.get("replaced_by")),
        reply_outcome=_text(body.get("outcome")),
        refusal_ground=_text(body.get("refusal_ground")),
        # A permission beside another outcome permits nothing.
        grant=_grant(body.get("permission")) if body.get("outcome") == GRANTED else None,
        addressed_to=_addressed_to(body.get("receiving_service")),
        marked_origins=people.marked_origins,
        # One who is marked and of whom nothing is said counts in both.
        all_origins=people.all_origins | people.marked_origins,
        has_marked=people.has_marked,
        has_children=people.has_children,
        exposes_child=people.exposes_child,
        criminalises=people.criminalises,
        needs_second_officer=people.needs_second_officer,
        # Elsewhere officers write what they must, and it costs to read it all.
        has_narrative=may_be_protection and tells(body, words),
    )


def named_messages(facts: Facts) -> frozenset[MessageId]:
    """Which earlier messages does it name?"""
    single = (facts.in_reply_to, facts.concerns)
    granted = facts.grant.of if facts.grant is not None else ()
    return frozenset({*facts.lineage, *granted, *(one for one in single if one is not None)})


def _evaluation(value: Json) -> Evaluation | None:
    if value is None:
        return None
    members = _object(value)
    return Evaluation(
        scheme=str(members["scheme"]),
        source=str(members["source"]),
        information=str(members["information"]),
    )


def _grant(value: Json) -> Grant | None:
    if not isinstance(value, dict):
        return None
    until = value.get("until")
    return Grant(
        of=frozenset(MessageId(str(each)) for each in _list(value.get("for"))),
        to_countries=frozenset(Country(str(each)) for each in _list(value.get("to_countries"))),
        purposes=frozenset(str(each) for each in _list(value.get("for_purposes"))),
        until=None if until is None else datetime.fromisoformat(f"{until}{END_OF_DAY}"),
    )


def _addressed_to(value: Json) -> AgencyRef | None:
    if not isinstance(value, dict) or value.get("country") not in MEMBER_COUNTRIES:
        return None
    return AgencyRef(country=Country(str(value["country"])), agency=str(value["agency"]))


def _moment(value: Json) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))


def _id(value: Json) -> MessageId | None:
    return MessageId(value) if isinstance(value, str) else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _object(value: Json) -> dict[str, Json]:
    if isinstance(value, dict):
        return value
    raise RuntimeError("facts are read before the schema was checked")

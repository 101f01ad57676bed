"""What must the rules know of this content? Read once, from a document that its schema knows.

Only facts leave the content here: codes, times and the ids of other messages. Where people come
from is asked by the rules and kept nowhere.
"""

from datetime import datetime
from typing import Final

from broker.admission.firewall import MARKS, objects, protected_origins
from broker.model import Evaluation, Facts, Grant, Json, MessageId
from schemas.vocabulary import Compartment, Country, HandlingCode

END_OF_DAY: Final = "T23:59:59+00:00"


def facts_of(document: dict[str, Json]) -> Facts:
    """Read the facts of a message.

    Args:
        document: Valid by its schema.
    """
    body = _object(document["body"])
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
        grant=_grant(body.get("permission")),
        marked_origins=protected_origins(body, Compartment.INTELLIGENCE),
        all_origins=protected_origins(body, Compartment.PROTECTION),
        has_marked=any(each.get("protection_status") in MARKS for each in objects(body)),
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

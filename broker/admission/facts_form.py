"""How facts are written where their message is sealed: every one of them, in one spelling."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, TypeVar

from broker.admission.desk_word import MESSAGE_ID
from broker.model.facts import Evaluation, Facts, Grant
from broker.model.names import AgencyRef, MessageId
from keys.errors import KeyFormatError
from keys.strict_json import JsonObject, JsonValue
from schemas.vocabulary import Country, HandlingCode

MARKS: Final = (
    "has_marked",
    "has_children",
    "exposes_child",
    "criminalises",
    "needs_second_officer",
    "has_narrative",
)
MEMBERS: Final = frozenset(
    {
        "handling",
        "purpose",
        "review_by",
        "reply_by",
        "evaluation",
        "in_reply_to",
        "lineage",
        "concerns",
        "replaced_by",
        "reply_outcome",
        "refusal_ground",
        "grant",
        "addressed_to",
        "marked_origins",
        "all_origins",
        *MARKS,
    }
)
MAX_LINEAGE: Final = 50
Made = TypeVar("Made")


def to_json(facts: Facts) -> JsonObject:
    """Write facts; each member is always there, ``null`` where there is nothing to say."""
    return {
        "handling": facts.handling.value,
        "purpose": facts.purpose,
        "review_by": facts.review_by.isoformat(),
        "reply_by": _written(facts.reply_by),
        "evaluation": None if facts.evaluation is None else _evaluation(facts.evaluation),
        "in_reply_to": facts.in_reply_to,
        "lineage": list(facts.lineage),
        "concerns": facts.concerns,
        "replaced_by": facts.replaced_by,
        "reply_outcome": facts.reply_outcome,
        "refusal_ground": facts.refusal_ground,
        "grant": None if facts.grant is None else _grant(facts.grant),
        "addressed_to": _maybe_agency(facts.addressed_to),
        "marked_origins": _sorted(facts.marked_origins),
        "all_origins": _sorted(facts.all_origins),
        **{name: bool(getattr(facts, name)) for name in MARKS},
    }


def from_json(value: JsonValue) -> Facts:
    """Read facts, strictly.

    Raises:
        KeyFormatError: A member too many, too few or of another type.
        ValueError: A code that is not one of its list.
    """
    facts = _read(_object(value, MEMBERS))
    # Another order, a name twice, another way to write a time: whoever computes the digest from
    # the content would write it in the one way, and so must the sender.
    if to_json(facts) != value:
        raise KeyFormatError("the facts have more than one spelling")
    return facts


def _read(members: JsonObject) -> Facts:
    lineage = _list(members["lineage"])
    if len(lineage) > MAX_LINEAGE:
        raise KeyFormatError("the facts name too many messages")
    marks = {name: _truth(members[name]) for name in MARKS}
    return Facts(
        handling=HandlingCode(_text(members["handling"])),
        purpose=_text(members["purpose"]),
        review_by=_moment(members["review_by"]),
        reply_by=_maybe(members["reply_by"], _moment),
        evaluation=_maybe(members["evaluation"], _read_evaluation),
        in_reply_to=_maybe(members["in_reply_to"], _id),
        lineage=tuple(_id(each) for each in lineage),
        concerns=_maybe(members["concerns"], _id),
        replaced_by=_maybe(members["replaced_by"], _id),
        reply_outcome=_maybe(members["reply_outcome"], _text),
        refusal_ground=_maybe(members["refusal_ground"], _text),
        grant=_maybe(members["grant"], _read_grant),
        addressed_to=_maybe(members["addressed_to"], _read_agency),
        marked_origins=_countries(members["marked_origins"]),
        all_origins=_countries(members["all_origins"]),
        has_marked=marks["has_marked"],
        has_children=marks["has_children"],
        exposes_child=marks["exposes_child"],
        criminalises=marks["criminalises"],
        needs_second_officer=marks["needs_second_officer"],
        has_narrative=marks["has_narrative"],
    )


def _maybe_agency(agency: AgencyRef | None) -> JsonValue:
    return None if agency is None else {"country": agency.country.value, "agency": agency.agency}


def _read_agency(value: JsonValue) -> AgencyRef:
    members = _object(value, frozenset({"country", "agency"}))
    return AgencyRef(country=Country(_text(members["country"])), agency=_text(members["agency"]))


def _evaluation(evaluation: Evaluation) -> JsonObject:
    return {
        "scheme": evaluation.scheme,
        "source": evaluation.source,
        "information": evaluation.information,
    }


def _read_evaluation(value: JsonValue) -> Evaluation:
    members = _object(value, frozenset({"scheme", "source", "information"}))
    return Evaluation(
        scheme=_text(members["scheme"]),
        source=_text(members["source"]),
        information=_text(members["information"]),
    )


def _grant(grant: Grant) -> JsonObject:
    return {
        "of": _sorted(grant.of),
        "to_countries": _sorted(grant.to_countries),
        "purposes": _sorted(grant.purposes),
        "until": _written(grant.until),
    }


def _read_grant(value: JsonValue) -> Grant:
    members = _object(value, frozenset({"of", "to_countries", "purposes", "until"}))
    return Grant(
        of=frozenset(_id(each) for each in _list(members["of"])),
        to_countries=_countries(members["to_countries"]),
        purposes=frozenset(_text(each) for each in _list(members["purposes"])),
        until=_maybe(members["until"], _moment),
    )


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _sorted(values: Iterable[str]) -> list[JsonValue]:
    return [str(each) for each in sorted(values)]


def _maybe(value: JsonValue, read: Callable[[JsonValue], Made]) -> Made | None:
    return None if value is None else read(value)


def _object(value: JsonValue, names: frozenset[str]) -> JsonObject:
    if not isinstance(value, dict) or value.keys() != names:
        raise KeyFormatError("the facts have a member too many or too few")
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise KeyFormatError("the facts are malformed")
    return value


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise KeyFormatError("the facts are malformed")
    return value


def _truth(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise KeyFormatError("the facts are malformed")
    return value


def _id(value: JsonValue) -> MessageId:
    text = _text(value)
    if MESSAGE_ID.fullmatch(text) is None:
        raise KeyFormatError("the facts name no message")
    return MessageId(text)


def _moment(value: JsonValue) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise KeyFormatError("the facts hold a time without an offset")
    return moment


def _countries(value: JsonValue) -> frozenset[Country]:
    return frozenset(Country(_text(each)) for each in _list(value))

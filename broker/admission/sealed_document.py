"""Could there be a valid message with this route and these facts?

Of a message that its origin has sealed only these are seen. They are held against the schema
of its kind all the same, as far as they go: a code that is in no list, an id that is none, a
recall of nothing are refused before anything is kept or routed by them.
"""

from typing import Final

from broker.admission.facts import END_OF_DAY
from broker.errors import Code, DocumentError, FieldProblem
from broker.model.facts import Facts, Grant
from broker.model.message import Envelope
from broker.model.names import Json
from schemas.loader import SchemaSet, Violation

TOLD: Final = frozenset(
    {
        "/evaluation",
        "/in_reply_to",
        "/body/of",
        "/body/outcome",
        "/body/permission",
        "/body/permission/for",
        "/body/refusal_ground",
    }
)
"""What facts would tell. That another member is missing says nothing: it lies under the seal."""
MAX_VIOLATIONS: Final = 1000
MAX_PROBLEMS: Final = 50


def check_document(message: Envelope, schemas: SchemaSet) -> None:
    """Return if a valid message may lie under the seal, by what is seen from outside.

    Args:
        message: As its route and its facts tell it; of a kind and version that are known.
        schemas: The published schemas.

    Raises:
        DocumentError: ``SCHEMA_VIOLATION``; the pointers are those of the message inside.
    """
    found = schemas.violations(
        _document(message),
        kind=message.kind.value,
        version=message.version,
        limit=MAX_VIOLATIONS,
    )
    problems = [
        FieldProblem(pointer=each.pointer, code=each.keyword) for each in found if _is_fault(each)
    ]
    if problems:
        raise DocumentError(Code.SCHEMA_VIOLATION, problems=problems[:MAX_PROBLEMS])


def _is_fault(violation: Violation) -> bool:
    return violation.keyword != "required" or violation.pointer in TOLD


def _document(message: Envelope) -> dict[str, Json]:
    facts, to = message.facts, message.to
    return _without_nothing(
        {
            "id": message.id,
            "kind": message.kind.value,
            "version": message.version,
            "from": {"country": message.sender.country.value, "agency": message.sender.agency},
            "to": _without_nothing(
                {
                    "countries": [each.value for each in to.countries] or None,
                    "compartment": None if to.compartment is None else to.compartment.value,
                    "channel": to.channel,
                    "own_copy": to.own_copy or None,
                }
            ),
            "created": message.created_text,
            "expires": message.expires_text,
            "urgency": message.urgency.value,
            "review_by": facts.review_by.isoformat(),
            "reply_by": None if facts.reply_by is None else facts.reply_by.isoformat(),
            "purpose": {"code": facts.purpose},
            "handling": {"code": facts.handling.value},
            "evaluation": _evaluation(facts),
            "in_reply_to": facts.in_reply_to,
            "lineage": [*facts.lineage] or None,
            "body": _body(facts),
        }
    )


def _evaluation(facts: Facts) -> Json:
    told = facts.evaluation
    if told is None:
        return None
    return {"scheme": told.scheme, "source": told.source, "information": told.information}


def _body(facts: Facts) -> dict[str, Json]:
    return _without_nothing(
        {
            "of": facts.concerns,
            "replaced_by": facts.replaced_by,
            "outcome": facts.reply_outcome,
            "refusal_ground": facts.refusal_ground,
            "permission": None if facts.grant is None else _permission(facts.grant),
        }
    )


def _permission(grant: Grant) -> dict[str, Json]:
    until = grant.until
    return _without_nothing(
        {
            "for": [*sorted(grant.of)],
            "to_countries": [each.value for each in sorted(grant.to_countries)] or None,
            "for_purposes": [*sorted(grant.purposes)] or None,
            # A day: whatever else it says stays there, and is no day.
            "until": None if until is None else until.isoformat().removesuffix(END_OF_DAY),
        }
    )


def _without_nothing(members: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in members.items() if value is not None}

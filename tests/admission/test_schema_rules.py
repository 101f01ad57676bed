"""A refusal names its safeguard, also where it is the schema that refuses."""

import copy
from typing import Any

import orjson
import pytest

from broker.admission.policy import STANDARD_POLICY
from broker.admission.unsigned import unsigned_message
from broker.errors import Code, DocumentError
from schemas.examples import accepted
from schemas.loader import SchemaSet
from schemas.vocabulary import Kind

SCHEMAS = SchemaSet.load()
LEFT_OUT = object()
REPORT = Kind.GENERAL_REPORT
REFERRAL = Kind.PROTECTION_REFERRAL


def refused(kind: Kind, *changes: tuple[str, Any]) -> DocumentError:
    """Change an accepted example, and read how it is refused."""
    document = copy.deepcopy(next(iter(accepted(kind.value))).message)
    for path, value in changes:
        *parents, name = path.split("/")
        node: Any = document
        for each in parents:
            node = node[int(each)] if isinstance(node, list) else node[each]
        if value is LEFT_OUT:
            del node[name]
        else:
            node[name] = value
    with pytest.raises(DocumentError) as error:
        unsigned_message(orjson.dumps(document), SCHEMAS, words=STANDARD_POLICY.words)
    return error.value


@pytest.mark.parametrize(
    ("kind", "path", "value", "rule"),
    [
        (REPORT, "purpose", LEFT_OUT, "SG-06"),
        (REPORT, "legal_basis", LEFT_OUT, "SG-06"),
        (REPORT, "purpose/code", "gossip", "SG-06"),
        (REPORT, "expires", LEFT_OUT, "SG-08"),
        (REPORT, "review_by", LEFT_OUT, "SG-08"),
        (REPORT, "handling", LEFT_OUT, "SG-05"),
        (REPORT, "handling/code", "H3", "SG-05"),
        (REPORT, "handling/code", "H9", "SG-05"),
        (REPORT, "body/persons", [{"age_group": "adult"}], "SG-09"),
        (REPORT, "body/groups", [{"count": {"qualifier": "exactly", "value": 3}}], "SG-09"),
        (REPORT, "body/persons", [{"category": "suspect"}], "SG-03"),
        (REPORT, "body/persons", [{"category": "suspect", "roles": ["passenger"]}], "SG-03"),
        (
            REPORT,
            "body/persons",
            [{"category": "victim", "roles": ["migrant_acting_as_guide"]}],
            "SG-03",
        ),
        # A word for people that judges them is in no list.
        (REPORT, "body/groups", [{"category": "illegal"}], "SG-03"),
        (
            REPORT,
            "body/persons",
            [{"category": "smuggled_migrant", "age_group": "adult", "suspected_of": ["smuggling"]}],
            "SG-03",
        ),
        (REPORT, "body/persons", [{"category": "witness", "age_group": "grown"}], "SG-04"),
        (
            Kind.MODUS_OPERANDI,
            "body/persons",
            [{"category": "witness", "age_group": "child", "name": {"family": "X"}}],
            "SG-04",
        ),
        (
            Kind.MODUS_OPERANDI,
            "body/persons",
            [{"category": "witness", "name": {"family": "X"}}],
            "SG-04",
        ),
        (REFERRAL, "body/consent", LEFT_OUT, "SG-10"),
        (REFERRAL, "body/consent/given", LEFT_OUT, "SG-10"),
        (REFERRAL, "body/summary", "What happened", "SG-10"),
        (REFERRAL, "to/compartment", "intelligence", "SG-02"),
        (Kind.RECALL, "body/of", LEFT_OUT, "SG-07"),
        (Kind.RECTIFICATION, "body/of", LEFT_OUT, "SG-07"),
        (REPORT, "language", "xx", None),
        (REPORT, "urgency", "soon", None),
        (REPORT, "body/colour", "red", None),
    ],
)
def test_violation_names_the_safeguard_that_it_breaks(
    kind: Kind, path: str, value: Any, rule: str | None
) -> None:
    """And none where it is only a mistake."""
    error = refused(kind, (path, value))

    assert (error.code, error.rule) == (Code.SCHEMA_VIOLATION, rule)


def test_routine_referral_of_a_child_names_its_safeguard() -> None:
    """The schema holds what the rule would."""
    child = {
        "pseudonym": "PS-A1234",
        "category": "victim",
        "age_group": "child",
        "protection_status": "unknown",
        "needs": ["shelter"],
    }
    error = refused(REFERRAL, ("body/subjects", [child]), ("urgency", "routine"))

    assert error.rule == "SG-04"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("expires", "2040-01-01T00:00:00Z", "SG-08"),
        ("review_by", "2035-01-01T00:00:00Z", "SG-08"),
        ("reply_by", "2040-01-01T00:00:00Z", None),
    ],
)
def test_time_beyond_its_limit_names_retention(path: str, value: str, rule: str | None) -> None:
    """Five years for a message, three until it is read again; a late answer is no safeguard's."""
    error = refused(REPORT, (path, value))

    assert (error.code, error.rule) == (Code.TIME_INVALID, rule)


@pytest.mark.parametrize(
    "change",
    [("created", "soon"), ("created", "2026-01-01T00:00:00"), ("from", {"country": "VE"})],
)
def test_unsigned_message_is_refused_when_it_says_nothing_of_itself(
    change: tuple[str, Any],
) -> None:
    """What `enlace policy explain` is given may be anything."""
    assert refused(REPORT, change).code in {Code.TIME_INVALID, Code.SCHEMA_VIOLATION}

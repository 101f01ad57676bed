"""What becomes of the published cases about children, victims and people who may seek asylum?

Each is tried on all 110 ordered pairs, as it was written and with the same people marked as
asylum seekers. The table of ``docs/safeguards.md`` is written by this and held against it; why a
case was refused is read off what the rules ask, so that the reason cannot grow old either.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import orjson

from broker.admission.authorise import authorise
from broker.admission.facts import facts_of
from broker.admission.origins import objects
from broker.errors import PermissionDeniedError
from broker.model.message import Address, Message
from broker.model.names import AgencyRef
from schemas.examples import Case, cases
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind, Urgency
from tests.admission.region import MESSAGE, REGION, agency, around

ROOT: Final = Path(__file__).parents[2]
AGENCIES: Final = orjson.loads(
    (ROOT / "schemas" / "examples" / "cases" / "agencies.json").read_bytes()
)
PAIRS: Final = list(permutations(Country, 2))
CHILDREN: Final = (
    '"age_group":"child"',
    '"age_group":"unknown_may_be_child"',
    '"attribute":"child',
    '"attribute":"unaccompanied_child"',
    '"attribute":"separated_child"',
    '"attribute":"teenager"',
    '"unaccompanied_or_separated_child"',
    '"child_in_family"',
    '"includes_children":"yes"',
)
VICTIMS: Final = ('"category":"victim"', '"abuses":')
HEADER: Final = (
    "| case | about | kind, function, compartment | sent to | as published "
    "| the same people marked |\n"
    "|---|---|---|---|---|---|"
)
ALLOWED: Final = "allowed"


def table() -> str:
    """Write the table."""
    return "\n".join([HEADER, *(_row(case) for case in sensitive_cases())])


def sensitive_cases() -> Iterator[Case]:
    """Give the cases that are about such people."""
    for case in cases():
        if about(case):
            yield case


def about(case: Case) -> list[str]:
    """Say about whom a case is, as far as the rules ask."""
    text = orjson.dumps(case.message["body"]).decode()
    found = []
    # Named as such: that no age is said is enough for a rule, but tells a reader little.
    if any(each in text for each in CHILDREN):
        found.append("children")
    if any(each in text for each in VICTIMS) or case.message["kind"] == Kind.VULNERABILITY_REPORT:
        found.append("victims")
    if any("missing" in each.get("outcomes", ()) for each in objects(case.message["body"])):
        found.append("missing people")
    if "asylum" in text:
        found.append("told to seek asylum")
    return found


def outcomes(document: dict[str, Any], function: AgencyFunction) -> Counter[str]:
    """Try a message on every ordered pair; count by the rule that denies, or ``allowed``."""
    message = _without_past(document)
    return Counter(
        decision(message, agency(origin, function), (recipient,)) for origin, recipient in PAIRS
    )


def decision_as_sent(case: Case) -> str:
    """Try a case on the way that it was sent: the rule that denies it, or ``allowed``."""
    document = case.message
    sender = agency(Country(document["from"]["country"]), function_of(case))
    recipients = tuple(Country(each) for each in document["to"]["countries"])
    return decision(_without_past(document), sender, recipients)


def decision(message: Message, sender: AgencyRef, recipients: tuple[Country, ...]) -> str:
    """Which rule denies this message from there to them? ``allowed`` if none does."""
    to = replace(message.to, countries=recipients)
    try:
        authorise(replace(message, sender=sender, to=to), around(directory=REGION))
    except PermissionDeniedError as error:
        return f"{error.rule}"
    return ALLOWED


def _without_past(document: dict[str, Any]) -> Message:
    # What was said before is not there to be asked.
    compartment = Compartment(document["to"]["compartment"])
    return replace(
        MESSAGE,
        kind=Kind(document["kind"]),
        to=Address(countries=(), compartment=compartment, channel=None),
        urgency=Urgency(document["urgency"]),
        handling=HandlingCode(document["handling"]["code"]),
        facts=replace(facts_of(document), lineage=(), grant=None, in_reply_to=None),
    )


def denied_recipients(document: dict[str, Any]) -> list[str]:
    """Name the countries that this message may not reach by SG-01."""
    facts = facts_of(document)
    fled = facts.all_origins if _is_protection(document) else facts.marked_origins
    return sorted(country.value for country in fled)


def _is_protection(document: dict[str, Any]) -> bool:
    return bool(document["to"]["compartment"] == Compartment.PROTECTION)


def marked(document: dict[str, Any]) -> dict[str, Any]:
    """The same message, with everybody in it who is not accused marked as an asylum seeker."""
    changed = copy.deepcopy(document)
    for name in ("persons", "groups", "subjects"):
        for somebody in changed["body"].get(name, []):
            if somebody["category"] not in {"suspect", "convicted"}:
                somebody["protection_status"] = "asylum_seeker"
    return changed


def function_of(case: Case) -> AgencyFunction:
    """What is its sender for?"""
    name = "{country}/{agency}".format_map(case.message["from"])
    return AgencyFunction(AGENCIES[name]["function"])


def _row(case: Case) -> str:
    document, function = case.message, function_of(case)
    where = f"{document['kind']}, {function}, {document['to']['compartment']}"
    changed = marked(document)
    cells = (
        f"[{case.case}]({case.source_url})",
        ", ".join(about(case)),
        where,
        ", ".join(document["to"]["countries"]),
        _told(document, function),
        "nobody is in it to mark" if changed == document else _told(changed, function),
    )
    return f"| {' | '.join(cells)} |"


def _told(document: dict[str, Any], function: AgencyFunction) -> str:
    count = outcomes(document, function)
    told = [f"{count.pop(ALLOWED, 0)} of {len(PAIRS)} allowed"]
    for rule, number in sorted(count.items()):
        where = denied_recipients(document) if number < len(PAIRS) else []
        named = f" (to {', '.join(where)})" if 0 < len(where) < len(Country) else ""
        told.append(f"{number} refused by {rule}{named if rule == 'SG-01' else ''}")
    return f"{'; '.join(told)}: {_why(document)}"


def _why(document: dict[str, Any]) -> str:
    """Why may it go, or not go, there?"""
    facts, fled = facts_of(document), denied_recipients(document)
    if facts.has_marked and not _is_protection(document):
        return "marked outside `protection`"
    if len(fled) == len(Country):
        return "of some it is not said where they come from"
    if fled:
        return "they come from there"
    # In `protection` everybody counts whose country is told.
    return "no country is told" if _is_protection(document) else "nobody is marked"

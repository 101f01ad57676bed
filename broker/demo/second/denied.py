"""Two messages that would betray a person who fled: refused, with the rule and what to do."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from broker.demo.cast import body_for
from broker.demo.proofs import ledger_of
from broker.demo.second.house import House
from broker.demo.second.ledger import recorded
from broker.demo.second.letters import letter, to_country
from broker.desk.client import EnlaceClient
from broker.desk.failures import ProblemError
from broker.errors import Code
from broker.model.names import AgencyRef
from broker.texts.catalogue import Catalogue
from schemas.vocabulary import Compartment, Country, Kind

FIREWALL: Final = "SG-01"
MX_DIF: Final = AgencyRef(country=Country.MEXICO, agency="dif")
MX_FGR: Final = AgencyRef(country=Country.MEXICO, agency="fgr")
ASYLUM_SEEKER: Final = "asylum_seeker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A message to the country that its person fled, and what its sender can do instead."""

    key: str
    sender: AgencyRef
    document: Mapping[str, Any]
    fled: Country
    instead: Mapping[str, Any]
    allowed: Country
    """Who may have that one."""


async def refuse(house: House) -> None:
    """Try both, and look whether anything was recorded."""
    house.title("denied.title")
    before = recorded(ledger_of(house.world))
    for attempt in (_referral(), _report()):
        await _try(house, attempt)
    house.see("denied.nothing", holds=recorded(ledger_of(house.world)) == before)


async def _try(house: House, attempt: Attempt) -> None:
    client = house.senders[attempt.sender]
    house.tell(attempt.key, sender=attempt.sender, country=attempt.fled)
    refusal = await _refusal_of(client, attempt.document)
    if refusal is not None:
        title = Catalogue.load("problems").text(
            f"problem.{refusal.code}.title", house.words.language
        )
        house.tell("denied.answer", rule=refusal.rule or "-", reason=f"{title}. {refusal.detail}")
    allowed = await client.dry_run(body_for(attempt.instead))
    house.see(
        f"{attempt.key}-refused",
        holds=refusal is not None
        and (refusal.code, refusal.rule) == (Code.PROTECTION_DENIED.value, FIREWALL)
        and [each.desk.country for each in allowed] == [attempt.allowed],
        code=refusal.code if refusal else "-",
        rule=refusal.rule if refusal else "-",
        fled=attempt.fled,
        allowed=attempt.allowed,
    )


async def _refusal_of(client: EnlaceClient, document: Mapping[str, Any]) -> ProblemError | None:
    try:
        await client.send(body_for(document))
    except ProblemError as error:
        return error
    return None


def _referral() -> Attempt:
    """Refer two children who fled Honduras, to Honduras."""
    document = letter(
        Kind.PROTECTION_REFERRAL,
        "ninez-no-acompanada",
        MX_DIF,
        to=to_country(Country.HONDURAS, Compartment.PROTECTION),
    )
    body = deepcopy(document["body"])
    for subject in body["subjects"]:
        subject |= {"nationalities": ["HN"], "protection_status": ASYLUM_SEEKER}
    to_them = {**document, "body": body}
    return Attempt(
        key="denied.referral",
        sender=MX_DIF,
        document=to_them,
        fled=Country.HONDURAS,
        instead={**to_them, "to": to_country(Country.GUATEMALA, Compartment.PROTECTION)},
        allowed=Country.GUATEMALA,
    )


def _report() -> Attempt:
    """Report a route, and mark among those who take it an asylum seeker from El Salvador."""
    document = letter(
        Kind.ROUTE_REPORT,
        "ida-y-vuelta-por-la-montana",
        MX_FGR,
        to=to_country(Country.EL_SALVADOR),
    )
    marked = {
        "category": "smuggled_migrant",
        "count": {"qualifier": "exactly", "value": 1},
        "nationalities": [{"country": "SV"}],
        "protection_status": ASYLUM_SEEKER,
    }
    return Attempt(
        key="denied.report",
        sender=MX_FGR,
        document={**document, "body": {**document["body"], "groups": [marked]}},
        fled=Country.EL_SALVADOR,
        instead=document,
        allowed=Country.EL_SALVADOR,
    )

"""Who may stop a clock, and what does it tell those whom it does not concern?"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from broker.desk.sign import sign_message
from broker.model.names import AgencyRef, DeskRef, Pair
from broker.sandbox.world import Plan
from schemas.vocabulary import AgencyFunction, Compartment, Country
from tests.attacks.attacker import JSON, Answer, Arena, arena
from tests.attacks.test_description import check
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    HN_DESK,
    MIGRACION,
    MX_DESK,
    PLAN,
    as_bytes,
    new_id,
)
from tests.flow.test_requests import PNC, of_kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNH = AgencyRef(country=Country.HONDURAS, agency="pnh")
AMIGOS = AgencyRef(country=Country.MEXICO, agency="amigos")
SEGUNDA = AgencyRef(country=Country.MEXICO, agency="segunda")
JUDICIAL = replace(GT_DESK, compartment=Compartment.JUDICIAL)
PROTECTION = replace(GT_DESK, compartment=Compartment.PROTECTION)
HERE: Plan = replace(
    PLAN,
    agencies={
        **PLAN.agencies,
        PNC: (AgencyFunction.POLICE_INTELLIGENCE, "Policía Nacional Civil"),
        PNH: (AgencyFunction.POLICE_INTELLIGENCE, "Policía Nacional de Honduras"),
        AMIGOS: (AgencyFunction.CIVIL_SOCIETY, "Amigos"),
        SEGUNDA: (AgencyFunction.PROSECUTION, "Otra fiscalía"),
    },
    desks=PLAN.desks | {JUDICIAL},
    pairs=PLAN.pairs
    | {Pair(origin=Country.MEXICO, desk=JUDICIAL), Pair(origin=Country.HONDURAS, desk=MX_DESK)},
)
PURPOSE = {"code": "victim_protection", "text": "To find those who were left behind."}
"""Good in every compartment."""
MARKER = "zxq-should-never-come-back"
FORBIDDEN = (403, "scope-insufficient")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="here")
async def _here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """Mexico asks, Guatemala is asked, Honduras is not."""
    folder = tmp_path_factory.mktemp("clocks") / "exchange"
    async with arena(folder, HERE, address_burst=5000, address_requests_per_second=1000) as one:
        yield one


async def post(one: Arena, sender: AgencyRef, kind: str, **changes: object) -> Answer:
    """Post a message of a kind to Guatemala, or wherever the changes say."""
    attacker = one.attacker(sender)
    origin = {"country": sender.country.value, "agency": sender.agency}
    body = as_bytes(of_kind(kind, **{"from": origin, **changes}))
    posting = sign_message(body, attacker.holding.signature, agency=sender, now=datetime.now(UTC))
    return await attacker.call(
        "POST", "/v1/messages", headers=[JSON, ("Message-Signature", posting.signature)], body=body
    )


async def ask(one: Arena, sender: AgencyRef = FISCALIA, compartment: str = "intelligence") -> str:
    """Have an agency of Mexico ask Guatemala something."""
    to = {"countries": ["GT"], "compartment": compartment}
    answer = await post(one, sender, "information-request", to=to, purpose=PURPOSE)
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


async def answer_as(one: Arena, sender: AgencyRef, asked: str) -> Answer:
    """Answer a request of Mexico."""
    return await post(
        one,
        sender,
        "reply",
        to={"countries": ["MX"], "compartment": "intelligence"},
        in_reply_to=asked,
        body={"outcome": "refused", "refusal_ground": "no_capacity"},
    )


async def listed(
    one: Arena, subject: AgencyRef | DeskRef, query: str = "?limit=200"
) -> dict[str, dict[str, Any]]:
    """What somebody sees of requests, by id."""
    direction = "&direction=received" if isinstance(subject, DeskRef) else ""
    answer = await one.attacker(subject).call("GET", f"/v1/requests{query}{direction}")
    assert answer.status == 200, answer.body
    check(answer, "GET", "/v1/requests")
    return {each["id"]: each for each in answer.json["requests"]}


async def test_clock_runs_on_when_a_country_that_was_not_asked_replies(here: Arena) -> None:
    """Honduras may write to Mexico, and stops nobody's clock with it."""
    asked = await ask(here)

    answer = await answer_as(here, PNH, asked)

    seen = (await listed(here, FISCALIA))[asked]
    assert (seen["state"], seen["outcome"], seen["closed_at"]) == ("open", None, None)
    await answer_as(here, PNC, asked)
    assert (await listed(here, FISCALIA))[asked]["state"] == "closed"
    # Its country neither sent nor received it, and is told as of an id that nobody has.
    assert answer.verdict == (422, "reference-unknown")


async def test_reply_tells_nothing_when_it_names_anothers_request(here: Arena) -> None:
    """A forged ``in_reply_to`` is answered alike, whether there is such a request or not."""
    asked = await ask(here)

    known, unknown = [await answer_as(here, PNH, named) for named in (asked, new_id())]

    assert known.verdict == unknown.verdict == (422, "reference-unknown")
    assert known.json.keys() == unknown.json.keys()
    for name in known.json.keys() - {"request_id", "instance"}:
        assert known.json[name] == unknown.json[name]


async def test_requests_are_hidden_when_they_are_of_other_countries(here: Arena) -> None:
    """Neither its agencies nor its desks see what two other countries have to do."""
    asked = await ask(here)

    for subject in (PNH, PNC, HN_DESK, MX_DESK, JUDICIAL, PROTECTION):
        assert asked not in await listed(here, subject), subject
    for subject in (FISCALIA, GT_DESK):
        assert asked in await listed(here, subject), subject


async def test_requests_are_hidden_when_the_function_has_no_business_there(here: Arena) -> None:
    """Inside a country too: what may be seen follows the function, and protection is its own."""
    asked = {
        compartment: await ask(here, FISCALIA, compartment)
        for compartment in ("intelligence", "judicial", "protection")
    }

    async def seen(agency: AgencyRef) -> set[str]:
        ids = await listed(here, agency)
        return {compartment for compartment, one in asked.items() if one in ids}

    assert await seen(FISCALIA) == set(asked)
    assert await seen(SEGUNDA) == {"intelligence", "judicial"}
    assert await seen(MIGRACION) == {"intelligence"}
    assert await seen(AMIGOS) == set()


async def test_requests_are_refused_when_the_other_side_is_asked_for(here: Arena) -> None:
    """An agency reads no desk's list, and a desk no agency's."""
    for subject, query in (
        (FISCALIA, "?direction=received"),
        (GT_DESK, "?direction=sent"),
        (GT_DESK, ""),
    ):
        answer = await here.attacker(subject).call("GET", f"/v1/requests{query}")
        assert answer.verdict == FORBIDDEN, query
        check(answer, "GET", "/v1/requests")


@pytest.mark.parametrize(
    "query",
    [
        f"direction={MARKER}",
        "direction=sent&direction=sent",
        "direction=",
        f"state={MARKER}",
        "state=OPEN",
        "state=open&state=closed",
        "limit=0",
        "limit=201",
        "limit=-1",
        f"limit={MARKER}",
        "limit=1&limit=2",
        "cursor=-1",
        "cursor=1e3",
        "cursor=9999999999999999",
        "cursor=%D9%A1",
        f"{MARKER}=1",
        "country=GT",
    ],
)
async def test_requests_are_refused_when_a_parameter_is_wrong(here: Arena, query: str) -> None:
    """400 that names the parameter and repeats no value."""
    answer = await here.attacker(FISCALIA).call("GET", f"/v1/requests?{query}")

    assert answer.verdict == (400, "parameter-invalid")
    assert MARKER.encode() not in answer.body
    check(answer, "GET", "/v1/requests")


async def test_requests_come_in_pages_when_there_are_many(here: Arena) -> None:
    """The cursor leads to the end, and each is seen once."""
    asked = {await ask(here) for _ in range(5)}
    seen: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        answer = await here.attacker(GT_DESK).call(
            "GET", f"/v1/requests?direction=received&limit=2&cursor={cursor}"
        )
        check(answer, "GET", "/v1/requests")
        seen += [each["id"] for each in answer.json["requests"]]
        cursor = answer.json["cursor"]

    assert asked <= set(seen)
    assert len(seen) == len(set(seen))


async def test_requests_show_no_content_when_they_are_listed(here: Arena) -> None:
    """Only what the protocol names: what was asked, and why, stays sealed."""
    asked = await ask(here)

    for subject in (FISCALIA, GT_DESK):
        [row] = [one for mid, one in (await listed(here, subject)).items() if mid == asked]
        assert "questions" not in str(row)
        assert "case" not in row

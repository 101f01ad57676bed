"""What an originator restricted stays restricted over two hops, through the ledger (SG-05)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.desk.failures import ProblemError
from broker.model.names import AgencyRef, Pair
from schemas.vocabulary import Country
from tests.flow.channel_world import HN_MP, MP, PLAN, SV_DESK
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, Document, Running, message, running
from tests.flow.test_requests import of_kind

HANDING_ON = replace(
    PLAN,
    pairs=PLAN.pairs
    | {
        Pair(origin=Country.HONDURAS, desk=GT_DESK),
        Pair(origin=Country.HONDURAS, desk=SV_DESK),
    },
)
H2 = {"code": "H2", "conditions": "Ask us."}


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange on SQLite: Mexico, Guatemala and Honduras, each to the next and back."""
    async with running(tmp_path / "exchange", plan=HANDING_ON) as one:
        yield one


def to(country: str) -> Document:
    """Address a country's intelligence desk."""
    return {"countries": [country], "compartment": "intelligence"}


def handed_on(sender: AgencyRef, country: str, *lineage: str) -> Document:
    """A restricted report to a country, derived from these."""
    return message(
        **{
            "from": {"country": sender.country.value, "agency": sender.agency},
            "to": to(country),
            "handling": H2,
            "lineage": [*lineage] or None,
        }
    )


async def permit(
    exchange: Running, source: str, country: str, *, asker: AgencyRef, originator: AgencyRef
) -> None:
    """Let somebody ask the originator whether this country may have it, and be told yes."""

    def between(sender: AgencyRef, recipient: AgencyRef, **more: Any) -> Document:
        origin = {"country": sender.country.value, "agency": sender.agency}
        return {"from": origin, "to": to(recipient.country.value), **more}

    question = of_kind("information-request", **between(asker, originator, reply_by=None))
    asked = await exchange.post(question, asker)
    body = {
        "outcome": "permission_granted",
        "permission": {"for": [source], "to_countries": [country]},
    }
    told = between(originator, asker, in_reply_to=asked, handling=H2, body=body)
    await exchange.post(of_kind("reply", **told), originator)


async def refused(exchange: Running, document: Document, sender: AgencyRef) -> None:
    """Post what the originator has not allowed."""
    with pytest.raises(ProblemError) as caught:
        await exchange.post(document, sender)

    assert (caught.value.code, caught.value.rule) == ("originator-denied", "SG-05")


async def test_hand_on_is_refused_until_its_originator_permits_it(exchange: Running) -> None:
    """The permission is read back from the ledger, and is for the country that it names."""
    source = await exchange.post(handed_on(FISCALIA, "GT"))

    await refused(exchange, handed_on(MP, "HN", source), MP)
    await permit(exchange, source, "HN", asker=MP, originator=FISCALIA)
    sent = await exchange.post(handed_on(MP, "HN", source), MP)

    assert [each["id"] for each in await exchange.receive(HN_DESK)] == [sent]


async def test_hand_on_is_refused_when_it_names_only_what_its_sender_made_of_it(
    exchange: Running,
) -> None:
    """Guatemala may answer Mexico with Mexico's words; they do not become its own by that."""
    source = await exchange.post(handed_on(FISCALIA, "GT"))
    own = await exchange.post(handed_on(MP, "MX", source), MP)

    await refused(exchange, handed_on(MP, "HN", own), MP)
    await permit(exchange, source, "HN", asker=MP, originator=FISCALIA)
    await exchange.post(handed_on(MP, "HN", own), MP)


async def test_hand_on_is_refused_when_only_the_second_in_line_permits_it(
    exchange: Running,
) -> None:
    """Honduras never had the first message, and is held to its originator's word all the same."""
    source = await exchange.post(handed_on(FISCALIA, "GT"))
    await permit(exchange, source, "HN", asker=MP, originator=FISCALIA)
    second = await exchange.post(handed_on(MP, "HN", source), MP)

    await permit(exchange, second, "SV", asker=HN_MP, originator=MP)
    await refused(exchange, handed_on(HN_MP, "SV", second), HN_MP)
    await permit(exchange, source, "SV", asker=MP, originator=FISCALIA)
    third = await exchange.post(handed_on(HN_MP, "SV", second), HN_MP)

    assert [each["id"] for each in await exchange.receive(SV_DESK)] == [third]

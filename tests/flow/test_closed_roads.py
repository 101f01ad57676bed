"""A request whose road was closed: nobody can answer it there, and who asked can take it back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.desk.failures import ProblemError
from broker.model.names import AgencyRef, Pair
from broker.ports.requests import RequestState
from keys.act_kind import ActKind
from schemas.vocabulary import Country
from tests.flow.channel_world import act
from tests.flow.conftest import FISCALIA, GT_DESK, Document, Running, message, running
from tests.flow.test_recall import recall
from tests.flow.test_requests import ASKING, CHANNEL, PNC, TO_CHANNEL, reply, request

MX, GT = Country.MEXICO, Country.GUATEMALA
TO_GUATEMALA = {"countries": ["GT"], "compartment": "intelligence"}
TO_MEXICO = {"countries": ["MX"], "compartment": "intelligence"}
LATER = timedelta(hours=2)


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange with a channel of three, and open pairs."""
    async with running(tmp_path / "exchange", plan=ASKING) as one:
        yield one


async def close_road(exchange: Running, kind: ActKind) -> None:
    """Let one person close what the answer would go over."""
    if kind is ActKind.CLOSE:
        await exchange.close(exchange.pair(GT_DESK))
        await exchange.close(Pair(origin=GT, desk=replace(GT_DESK, country=MX)))
        return
    by = {ActKind.LEAVE_CHANNEL: GT, ActKind.CLOSE_CHANNEL: Country.PANAMA}.get(kind, MX)
    await act(exchange, kind, by, CHANNEL)


async def refused(exchange: Running, document: Document, sender: AgencyRef) -> str:
    """Post what is refused; say why."""
    with pytest.raises(ProblemError) as caught:
        await exchange.post(document, sender)
    return caught.value.code


ROADS = [
    (ActKind.SUSPEND_CHANNEL, TO_CHANNEL, TO_CHANNEL, "channel-inactive"),
    (ActKind.CLOSE_CHANNEL, TO_CHANNEL, TO_CHANNEL, "channel-inactive"),
    (ActKind.LEAVE_CHANNEL, TO_CHANNEL, TO_CHANNEL, "recipient-unknown"),
    (ActKind.CLOSE, TO_GUATEMALA, TO_MEXICO, "pair-closed"),
]


@pytest.mark.parametrize(("kind", "asked_over", "back", "code"), ROADS)
async def test_recall_ends_the_clock_of_a_request_whose_road_was_closed(
    asking: Running, kind: ActKind, asked_over: Document, back: Document, code: str
) -> None:
    """The road takes no answer, the clock runs on; taken back, nobody waits and nobody is told."""
    due = datetime.now(UTC) + LATER
    asked = await asking.post(request(to=asked_over, reply_by=due.isoformat()))
    sender = await asking.client(FISCALIA)
    await close_road(asking, kind)

    answer = await refused(asking, reply(asked, to=back), PNC)
    still = await sender.requests(received=False, state=RequestState.OPEN)
    await asking.post(
        recall(asked, to=asked_over, body={"of": asked, "reason": "no_longer_needed"})
    )
    ended = await sender.requests(received=False)

    assert answer == code
    assert GT_DESK in {each.desk for each in still}
    assert {(each.state, each.outcome) for each in ended} == {(RequestState.CLOSED, "recalled")}
    to_escalate = await asking.gateway.requests.to_escalate(now=due + LATER, limit=9)
    assert list(to_escalate) == []


async def test_answer_goes_another_way_as_a_message_that_derives_from_the_request(
    asking: Running,
) -> None:
    """A reply stays where it was asked; what Guatemala knows it may tell by its open pair."""
    asked = await asking.post(request(to=TO_CHANNEL))
    await act(asking, ActKind.SUSPEND_CHANNEL, MX, CHANNEL)
    police = {"country": "GT", "agency": "pnc"}
    known = message(**{"from": police, "to": TO_MEXICO, "lineage": [asked]})

    elsewhere = await refused(asking, reply(asked, to=TO_MEXICO), PNC)
    told = await asking.post(known, PNC)

    assert elsewhere == "thread-elsewhere"
    assert told

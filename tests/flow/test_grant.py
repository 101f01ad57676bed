"""A permission to hand on, from the question to the message that it lets through (SG-05)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.desk.failures import ProblemError
from broker.model.names import AgencyRef
from tests.flow.channel_world import HN_DESK, MP, with_channels
from tests.flow.conftest import Document, Running, as_bytes, message
from tests.flow.test_requests import of_kind

TO_GUATEMALA, TO_HONDURAS, TO_MEXICO = (
    {"countries": [country], "compartment": "intelligence"} for country in ("GT", "HN", "MX")
)
ASK_US = {"code": "H2", "conditions": "Ask us."}
GUATEMALA = {"from": {"country": "GT", "agency": "mp"}}


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Running]:
    """An exchange in which Guatemala may write to Mexico and to Honduras."""
    async with with_channels(tmp_path / "exchange") as one:
        yield one


async def restricted(exchange: Running) -> str:
    """Mexico tells Guatemala something, and restricts it."""
    return await exchange.post(message(to=TO_GUATEMALA, handling=ASK_US, lineage=None))


def derived(*lineage: str, **changes: Any) -> Document:
    """What Guatemala would hand on to Honduras."""
    whole = {"to": TO_HONDURAS, "handling": ASK_US, "lineage": [*lineage]}
    return message(**{**GUATEMALA, **whole, **changes})


async def permitted(exchange: Running, source: str) -> str:
    """Guatemala asks for permission, and Mexico gives it; return the answer's id."""
    asked = await exchange.post(
        of_kind("information-request", to=TO_MEXICO, reply_by=None, **GUATEMALA), MP
    )
    permission = {"for": [source], "to_countries": ["HN"]}
    answer = of_kind(
        "reply",
        to=TO_GUATEMALA,
        in_reply_to=asked,
        handling=ASK_US,
        body={"outcome": "permission_granted", "permission": permission},
    )
    return await exchange.post(answer)


async def refusal(exchange: Running, document: Document, sender: AgencyRef = MP) -> ProblemError:
    """Post what is refused."""
    with pytest.raises(ProblemError) as caught:
        await exchange.post(document, sender)
    assert caught.value.rule == "SG-05"
    return caught.value


async def test_permission_lets_the_refused_message_through(exchange: Running) -> None:
    """Refused, asked, granted, and sent again as it was: what the refusal says to do is true."""
    source = await restricted(exchange)
    wanted = derived(source)

    first = await refusal(exchange, wanted)
    await permitted(exchange, source)
    recipients = await (await exchange.client(MP)).dry_run(as_bytes(wanted))
    again = await exchange.post(wanted, MP)

    assert first.code == "originator-denied"
    assert "send this message again with the same lineage" in first.detail
    assert again == wanted["id"]
    assert [each.desk for each in recipients] == [HN_DESK]


async def test_answer_that_grants_is_not_named_in_lineage(exchange: Running) -> None:
    """It is a message of its own, restricted like any other; the refusal says so."""
    source = await restricted(exchange)
    answer = await permitted(exchange, source)

    refused = await refusal(exchange, derived(source, answer))

    assert refused.code == "originator-denied"
    assert "His answer does not belong there" in refused.detail


async def test_lighter_handling_is_refused_whatever_was_granted(exchange: Running) -> None:
    """No permission mends it, and the refusal sends nobody to ask for one."""
    source = await restricted(exchange)
    await permitted(exchange, source)

    refused = await refusal(exchange, derived(source, handling={"code": "H1"}))
    again = await exchange.post(derived(source), MP)

    assert refused.code == "handling-denied"
    assert "permission" in refused.detail
    assert "Ask" not in refused.detail
    assert again

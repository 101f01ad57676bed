"""A convener's list of what is not answered, asked for by those who may and may not read it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from tests.attacks.attacker import Arena, arena
from tests.attacks.test_description import check
from tests.attacks.test_reply_clocks import FORBIDDEN, MARKER, post
from tests.flow.conftest import FISCALIA, GT_DESK
from tests.flow.test_requests import ASKING, CHARTER, PNC, SENAN, TO_CHANNEL

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/v1/requests/convened"


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="group")
async def _group(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """Panama convenes a group whose members are hidden from each other."""
    plan = replace(ASKING, channels=(replace(CHARTER, shows_recipients=False),))
    folder = tmp_path_factory.mktemp("convened") / "exchange"
    async with arena(folder, plan, address_burst=5000, address_requests_per_second=1000) as one:
        yield one


async def test_convened_is_what_the_description_says_and_names_no_other_desk(group: Arena) -> None:
    """Page by page, also with a row; Guatemala stands nowhere in it."""
    due = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    for _ in range(2):
        answer = await post(group, FISCALIA, "information-request", to=TO_CHANNEL, reply_by=due)
        assert answer.status == 202, answer.body

    first = await group.attacker(SENAN).call("GET", f"{PATH}?limit=1")
    cursor = first.json["cursor"]
    second = await group.attacker(SENAN).call("GET", f"{PATH}?limit=1&cursor={cursor}")
    third = await group.attacker(SENAN).call("GET", f"{PATH}?cursor={second.json['cursor']}")

    for answer in (first, second, third):
        check(answer, "GET", PATH)
        assert b"GT" not in answer.body
    assert [len(each.json["requests"]) for each in (first, second, third)] == [1, 1, 0]
    assert [(row["waiting"], row["desks"]) for row in first.json["requests"]] == [
        (2, [{"country": "PA", "compartment": "intelligence"}])
    ]
    assert third.json["cursor"] is None


async def test_convened_is_empty_for_members_and_refused_to_desks(group: Arena) -> None:
    """Whoever does not convene learns nothing, not even that there is something."""
    for member in (FISCALIA, PNC):
        answer = await group.attacker(member).call("GET", PATH)
        check(answer, "GET", PATH)
        assert answer.json == {"requests": [], "cursor": None}

    answer = await group.attacker(GT_DESK).call("GET", PATH)
    check(answer, "GET", PATH)
    assert answer.verdict == FORBIDDEN


@pytest.mark.parametrize(
    "query",
    [
        f"state={MARKER}",
        "state=open",
        "state=closed",
        "limit=0",
        "limit=201",
        "cursor=-1",
        "channel=tri-mx-gt-pa",
        "direction=received",
        f"{MARKER}=1",
    ],
)
async def test_convened_is_refused_when_a_parameter_is_wrong(group: Arena, query: str) -> None:
    """400, and no value comes back."""
    answer = await group.attacker(SENAN).call("GET", f"{PATH}?{query}")

    assert answer.verdict == (400, "parameter-invalid")
    assert MARKER.encode() not in answer.body
    check(answer, "GET", PATH)

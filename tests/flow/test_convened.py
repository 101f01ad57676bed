"""What a convener reads of requests that nobody answers, and what he does not (SG-12, SG-13)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.desk.asked import ConvenedAsked
from broker.desk.client import EnlaceClient
from broker.desk.failures import ProblemError
from broker.desk.notices import Noticed
from broker.model.names import AgencyRef
from broker.ports.requests import RequestState
from keys.act_kind import ActKind
from keys.charter import Charter
from schemas.vocabulary import AgencyFunction, Country
from tests.flow.conftest import FISCALIA, GT_DESK, Running, running
from tests.flow.test_requests import (
    ASKING,
    CHANNEL,
    CHARTER,
    PA_DESK,
    PNC,
    SENAN,
    TO_CHANNEL,
    _often,
    reply,
    request,
    told,
    until,
)

__all__ = ["_often"]
MEXICO, PANAMA = Country.MEXICO, Country.PANAMA
OTHER = AgencyRef(country=PANAMA, agency="other")
LATE, PANAMAS_OWN = [str(GT_DESK), str(PA_DESK)], [str(PA_DESK)]


@asynccontextmanager
async def group(folder: Path, **charter: object) -> AsyncIterator[Running]:
    """Three countries with a channel under this charter."""
    changed: Charter = replace(CHARTER, **charter)  # type: ignore[arg-type] # named by the caller
    agencies = {**ASKING.agencies, OTHER: (AgencyFunction.POLICE_INTELLIGENCE, "Another")}
    plan = replace(ASKING, agencies=agencies, channels=(changed,))
    async with running(folder / "exchange", plan=plan) as one:
        yield one


async def until_told_of_both(exchange: Running) -> tuple[Noticed, ...]:
    """Wait until Panama has been told of both desks, and read it."""

    async def is_told() -> bool:
        return len(await told(exchange, PA_DESK)) == 2

    await until(is_told)
    return await told(exchange, PA_DESK)


async def test_convener_reads_how_many_are_late_where_the_charter_hides_them(
    tmp_path: Path,
) -> None:
    """Its own desk by name, the others by number, in one notice; which they are is not said."""
    async with group(tmp_path, shows_recipients=False) as exchange:
        asked = await exchange.post(request(to=TO_CHANNEL))

        notices = await until_told_of_both(exchange)

        hidden = [each for each in notices if each.late is not None]
        named = [each for each in notices if each.late is None]
        assert [(each.deliveries, each.late, each.channel) for each in hidden] == [
            (((asked, str(FISCALIA), None),), 2, CHANNEL)
        ]
        assert [each.deliveries for each in named] == [((asked, str(FISCALIA), str(PA_DESK)),)]
        assert await told(exchange, GT_DESK) == ()


async def test_asker_who_convenes_reads_who_is_late(tmp_path: Path) -> None:
    """He knows whom he asked: his own receipt names them."""
    async with group(tmp_path, shows_recipients=False, conveners=frozenset({MEXICO})) as exchange:
        await exchange.post(request(to=TO_CHANNEL))

        async def is_told() -> bool:
            return len(await told(exchange, FISCALIA)) == 2

        await until(is_told)
        notices = await told(exchange, FISCALIA)
        assert {each.deliveries[0][2] for each in notices} == set(LATE)


async def listed(client: EnlaceClient) -> list[tuple[str, int, list[str]]]:
    """What a convener's agency reads: how many have not answered, and whom of them it may know."""

    def row(one: ConvenedAsked) -> tuple[str, int, list[str]]:
        return one.id, one.waiting, sorted(str(desk) for desk in one.desks)

    return [row(one) for one in await client.convened()]


@pytest.mark.parametrize(("shows", "named"), [(True, LATE), (False, PANAMAS_OWN)])
async def test_convened_lists_what_the_members_have_not_answered(
    tmp_path: Path,
    shows: bool,  # noqa: FBT001 - a case of the test
    named: list[str],
) -> None:
    """Each request once, with how many wait; answered by one, it names one less."""
    async with group(tmp_path, shows_recipients=shows) as exchange:
        due = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        asked = await exchange.post(request(to=TO_CHANNEL, reply_by=due))
        late = await exchange.post(request(to=TO_CHANNEL))
        await exchange.post(request())
        convener = await exchange.client(SENAN)
        at_first = await listed(convener)
        await until_told_of_both(exchange)

        overdue = await convener.convened(only_overdue=True)
        await exchange.post(reply(asked, to=TO_CHANNEL), PNC)
        at_last = await listed(convener)

        assert at_first == [(asked, 2, named), (late, 2, named)]
        assert [(one.id, one.state) for one in overdue] == [(late, RequestState.OVERDUE)]
        assert overdue[0].escalated_at is not None
        assert (overdue[0].channel, overdue[0].origin) == (CHANNEL, FISCALIA)
        assert at_last == [(asked, 1, PANAMAS_OWN), (late, 2, named)]


async def test_convened_shows_nothing_to_others(tmp_path: Path) -> None:
    """Not to a member that does not convene, nor to a desk, nor to a convener that has left."""
    async with group(tmp_path) as exchange:
        await exchange.post(request(to=TO_CHANNEL))
        convener = await exchange.client(SENAN)
        assert len(await convener.convened()) == 1
        for other in (FISCALIA, PNC):
            assert await (await exchange.client(other)).convened() == ()
        with pytest.raises(ProblemError, match="scope-insufficient"):
            await (await exchange.client(PA_DESK)).convened()

        kit = exchange.world.kits[PANAMA]
        await exchange.decide(
            kit.alone(ActKind.LEAVE_CHANNEL, at=datetime.now(UTC), channel=CHANNEL)
        )

        assert await convener.convened() == ()


async def test_convened_shows_nothing_to_an_agency_that_takes_no_part(tmp_path: Path) -> None:
    """Another agency of the convener's country was not let into the group."""
    members = {**CHARTER.members, PANAMA: (OTHER.agency,)}
    async with group(tmp_path, members=members) as exchange:
        await exchange.post(request(to=TO_CHANNEL))

        assert await (await exchange.client(SENAN)).convened() == ()
        assert len(await (await exchange.client(OTHER)).convened()) == 1

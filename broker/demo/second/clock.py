"""A clock that runs out: one member answers in time; of the other the convener is told."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.demo.progress import Progress
from broker.demo.second.house import TRINATIONAL, House
from broker.demo.second.letters import letter, scene_of, to_channel
from broker.desk.asked import AskedRequest
from broker.desk.notices import OVERDUE, Noticed
from broker.model.names import AgencyRef, DeskRef
from broker.ports.requests import RequestState
from schemas.vocabulary import Compartment, Country, Kind

ASKING: Final = AgencyRef(country=Country.COSTA_RICA, agency="oij")
IN_TIME: Final = AgencyRef(country=Country.PANAMA, agency="senafront")
LATE: Final = AgencyRef(country=Country.DOMINICAN_REPUBLIC, agency="pgr")
CONVENER: Final = IN_TIME
"""Panama convenes this channel, so that it is told."""
DUE: Final = (timedelta(seconds=5), timedelta(seconds=40))
"""Costa Rica is in a hurry: in life the time is eight hours, or what the sender says. On a machine
that is too slow for it, it asks again and gives more."""
LOOK_EVERY: Final = timedelta(seconds=1)
"""How often the demonstration's gateway looks for what is overdue."""
PATIENCE: Final = timedelta(seconds=20)
"""After the time is up; a free machine needs one more second."""
ROUND: Final = timedelta(milliseconds=200)
REFUSED: Final = {"outcome": "refused", "refusal_ground": "no_capacity"}
NO_RECORD: Final = {"outcome": "no_record"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request whose clock runs while other scenes are played."""

    request: Progress
    due: datetime


async def ask(house: House) -> Asked:
    """Ask both other members, and let one of them answer at once.

    Raises:
        NotDeliveredError: The request or the reply did not arrive.
    """
    asked = await _ask(house, DUE[0])
    return asked if datetime.now(UTC) < asked.due else await _ask(house, DUE[1])


async def _ask(house: House, within: timedelta) -> Asked:
    due = datetime.now(UTC).replace(microsecond=0) + within
    document = letter(
        Kind.INFORMATION_REQUEST,
        "rutas-desde-ipiales",
        ASKING,
        to=to_channel(TRINATIONAL),
        reply_by=due.isoformat(),
    )
    [request] = await house.deliver([scene_of(document, house.charter(TRINATIONAL))])
    await _reply(house, request, IN_TIME, NO_RECORD)
    return Asked(request=request, due=due)


async def run_out(house: House, asked: Asked) -> None:
    """Wait until the time is up, see who is told, and let the late one answer.

    Raises:
        NotDeliveredError: The late reply did not arrive.
    """
    house.title("clock.title")
    house.tell(
        "clock.asked",
        sender=ASKING,
        channel=TRINATIONAL,
        due=asked.due.strftime("%H:%M:%S"),
        answered=IN_TIME,
    )
    late = DeskRef(country=LATE.country, compartment=Compartment.INTELLIGENCE)
    overdue = await _wait_until_escalated(house, asked, late)
    house.see("clock.overdue", holds=overdue, desk=late)
    notices = [one for one in await house.senders[CONVENER].notices() if _names(one, asked, late)]
    others = [await house.senders[each].notices() for each in (ASKING, LATE)]
    house.see(
        # The client has verified each signature; what it cannot prove it does not return.
        "clock.told",
        holds=len(notices) == 1
        and notices[0].channel == TRINATIONAL
        and notices[0].due == asked.due
        and not any(_names(one, asked, late) for told in others for one in told),
        convener=CONVENER.country,
    )
    await _reply(house, asked.request, LATE, REFUSED)
    closed = {one.desk.country: one for one in await _clocks(house, asked)}
    outcome = closed[LATE.country].outcome if LATE.country in closed else None
    house.see(
        "clock.closed",
        holds=closed.keys() == {IN_TIME.country, LATE.country}
        and all(one.state is RequestState.CLOSED for one in closed.values())
        and outcome == REFUSED["outcome"]
        and closed[IN_TIME.country].escalated_at is None,
        late=LATE,
        outcome=house.label("reply_outcome", outcome or "-"),
    )


async def _reply(house: House, request: Progress, sender: AgencyRef, body: dict[str, str]) -> None:
    charter = house.charter(TRINATIONAL)
    document = letter(
        Kind.REPLY,
        "negativa-con-motivo",
        sender,
        to=to_channel(TRINATIONAL),
        in_reply_to=request.scene.id,
        body=body,
    )
    await house.deliver([scene_of(document, charter)])


async def _clocks(house: House, asked: Asked) -> list[AskedRequest]:
    found = await house.senders[ASKING].requests(received=False)
    return [one for one in found if one.id == asked.request.scene.id]


async def _wait_until_escalated(house: House, asked: Asked, late: DeskRef) -> bool:
    last = asked.due + PATIENCE
    while datetime.now(UTC) < last:
        clocks = {one.desk: one for one in await _clocks(house, asked)}
        if late in clocks and clocks[late].escalated_at is not None:
            is_late = clocks[late].state is RequestState.OVERDUE
            others = [one.state for desk, one in clocks.items() if desk != late]
            return is_late and others == [RequestState.CLOSED]
        await asyncio.sleep(ROUND.total_seconds())
    return False


def _names(notice: Noticed, asked: Asked, late: DeskRef) -> bool:
    named = (asked.request.scene.id, str(ASKING), str(late))
    return notice.event == OVERDUE and named in notice.deliveries

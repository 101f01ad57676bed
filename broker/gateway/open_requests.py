"""``/v1/requests``: what was asked and not answered, and until when it is due."""

from datetime import datetime
from typing import Final

from aiohttp import web

from broker.admission.decided import policy_in_force
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway, calling_agency, calling_desk
from broker.gateway.requests import check_parameters, read_choice, read_number
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef, Json
from broker.ports.requests import Request, RequestQuestion, RequestState, SentFrom
from schemas.vocabulary import Compartment, Kind

MOST: Final = 200
DEFAULT: Final = 50
LAST_NUMBER: Final = 10**15 - 1
SENT: Final = "sent"
RECEIVED: Final = "received"
ALL: Final = "all"


async def list_requests(request: web.Request) -> web.Response:
    """List what the calling agency's country has asked, or the calling desk was asked."""
    gateway = request.app[GATEWAY]
    whose = await _whose(request, gateway)
    check_parameters(request, "direction", "state", "limit", "cursor")
    read_choice(request, "direction", (SENT, RECEIVED), default=SENT)
    state = read_choice(request, "state", (ALL, *RequestState), default=ALL)
    limit = read_number(request, "limit", default=DEFAULT, low=1, high=MOST)
    after = read_number(request, "cursor", default=0, low=0, high=LAST_NUMBER)
    now = gateway.clock()
    found = await gateway.requests.requests(
        RequestQuestion(
            whose=whose,
            state=None if state == ALL else RequestState(state),
            now=now,
            after=DeliveryNumber(after),
            limit=limit,
        )
    )
    return render.json_response(
        {
            "requests": [_row(one, now) for one in found],
            "cursor": found[-1].delivery if len(found) == limit else None,
        }
    )


async def _whose(request: web.Request, gateway: Gateway) -> SentFrom | DeskRef:
    # Who is asked for is who must be calling: no agency sees what a desk was asked.
    if request.query.get("direction") == RECEIVED:
        _, desk = await calling_desk(request)
        return desk
    _, agency = await calling_agency(request)
    return SentFrom(agency=agency, compartments=_compartments(gateway, agency))


def _compartments(gateway: Gateway, agency: AgencyRef) -> frozenset[Compartment]:
    """Where may it see that other agencies of its country wait for an answer?

    Where it could have asked itself (SG-02), but never in ``protection``: who asks there, and
    whom, is for nobody else to know.
    """
    directory = gateway.directory.current
    record, policy = directory.agency(agency), policy_in_force(directory)
    return frozenset(
        compartment
        for compartment in Compartment
        if record is not None
        and compartment is not Compartment.PROTECTION
        and policy.allows(record.function, Kind.INFORMATION_REQUEST, compartment)
    )


def _row(one: Request, now: datetime) -> Json:
    return {
        "id": one.message_id,
        "kind": one.kind.value,
        "origin": {"country": one.origin.country.value, "agency": one.origin.agency},
        "desk": {
            "country": one.desk.country.value,
            "compartment": one.desk.compartment.value,
        },
        "channel": one.channel,
        "compartment": one.desk.compartment.value,
        "urgency": one.urgency.value,
        "asked_at": render.moment(one.asked_at),
        "due": render.moment(one.due),
        "state": one.state(now).value,
        "closed_at": _moment(one.closed_at),
        "outcome": one.outcome,
        "ground": one.ground,
        "escalated_at": _moment(one.escalated_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else render.moment(at)

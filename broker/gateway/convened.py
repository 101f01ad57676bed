"""``/v1/requests/convened``: what the members of a channel have not answered, for its conveners."""

from datetime import datetime

from aiohttp import web

from broker.admission.decided import policy_in_force
from broker.convening import conveners, hides_desks, may_know
from broker.directory import Directory
from broker.gateway import render
from broker.gateway.context import GATEWAY, calling_agency
from broker.gateway.open_requests import ALL, DEFAULT, LAST_NUMBER, MOST
from broker.gateway.requests import check_parameters, read_choice, read_number
from broker.model.names import AgencyRef, Json, LogPosition
from broker.ports.requests import ConvenedQuestion, ConvenedRequest, RequestState
from keys.charter import ChannelName
from schemas.vocabulary import Country


async def list_convened(request: web.Request) -> web.Response:
    """List what waits in the channels that the calling agency's country convenes."""
    gateway = request.app[GATEWAY]
    _, agency = await calling_agency(request)
    check_parameters(request, "state", "limit", "cursor")
    state = read_choice(request, "state", (ALL, RequestState.OVERDUE), default=ALL)
    limit = read_number(request, "limit", default=DEFAULT, low=1, high=MOST)
    after = read_number(request, "cursor", default=0, low=0, high=LAST_NUMBER)
    now, directory = gateway.clock(), gateway.directory.current
    found = await gateway.requests.convened(
        ConvenedQuestion(
            channels=_convened_by(agency, directory, now),
            only_overdue=state != ALL,
            now=now,
            after=LogPosition(after),
            limit=limit,
        )
    )
    return render.json_response(
        {
            "requests": [_row(one, agency.country, directory, now) for one in found],
            "cursor": found[-1].number if len(found) == limit else None,
        }
    )


def _convened_by(agency: AgencyRef, directory: Directory, now: datetime) -> frozenset[ChannelName]:
    """In which channels does it answer for a convener: takes part itself, and reads there?"""
    record, policy = directory.agency(agency), policy_in_force(directory)
    return frozenset(
        channel.name
        for channel in directory.channels
        if record is not None
        and channel.compartment is not None
        and policy.reads(record.function, channel.compartment)
        and agency.country in conveners(channel, now)
        and agency.agency in channel.members(now)[agency.country]
    )


def _row(one: ConvenedRequest, country: Country, directory: Directory, now: datetime) -> Json:
    channel = directory.channel(one.channel)
    hidden = channel is None or hides_desks(channel, asked_at=one.asked_at, now=now)
    named = [
        desk
        for desk in one.desks
        if not hidden or may_know(country, desk, asker=one.origin.country)
    ]
    return {
        "id": one.message_id,
        "kind": one.kind.value,
        "origin": {"country": one.origin.country.value, "agency": one.origin.agency},
        "channel": one.channel,
        "compartment": one.compartment.value,
        "urgency": one.urgency.value,
        "asked_at": render.moment(one.asked_at),
        "due": render.moment(one.due),
        "state": one.state(now).value,
        "waiting": len(one.desks),
        "desks": [
            {"country": desk.country.value, "compartment": desk.compartment.value} for desk in named
        ],
        "escalated_at": None if one.escalated_at is None else render.moment(one.escalated_at),
    }

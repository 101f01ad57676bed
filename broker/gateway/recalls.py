"""``/v1/recalls`` and ``/v1/dispositions``: who has still to say what became of a message."""

from datetime import datetime
from typing import Final

from aiohttp import web

from broker.admission.dispose import verify_disposition
from broker.errors import Code, FieldProblem, RefusedError
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway, calling_desk, calling_participant
from broker.gateway.requests import answer_each, check_parameters, read_choice, read_number
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef, Json
from broker.ports.recalls import NotFitting, Order

MOST: Final = 200
DEFAULT: Final = 50
LAST_NUMBER: Final = 10**15 - 1
STATES: Final = ("open", "all")
DIRECTIONS: Final = ("sent", "received")


async def list_recalls(request: web.Request) -> web.Response:
    """List what the calling agency has taken back, or the calling desk must answer."""
    gateway = request.app[GATEWAY]
    _, party = await calling_participant(request)
    check_parameters(request, "state", "direction", "after", "limit")
    state = read_choice(request, "state", STATES, default="open")
    own = "sent" if isinstance(party, AgencyRef) else "received"
    if read_choice(request, "direction", DIRECTIONS, default=own) != own:
        # An agency receives nothing and a desk sends nothing: an empty list would mislead.
        raise _invalid("direction")
    found = await gateway.recalls.orders(
        party,
        only_open=state == "open",
        after=DeliveryNumber(read_number(request, "after", default=0, low=0, high=LAST_NUMBER)),
        limit=read_number(request, "limit", default=DEFAULT, low=1, high=MOST),
    )
    return render.json_response({"recalls": [_order(one) for one in found]})


async def post_dispositions(request: web.Request) -> web.Response:
    """Record what the desk did with messages that were recalled or rectified."""
    gateway = request.app[GATEWAY]
    _, desk = await calling_desk(request)
    check_parameters(request)
    now = gateway.clock()
    return await answer_each(
        request, "dispositions", lambda token: _dispose(gateway, token, desk, now)
    )


async def _dispose(gateway: Gateway, token: str, desk: DeskRef, now: datetime) -> Json:
    directory = gateway.directory.current
    answer = verify_disposition(
        token, desk=desk, find_key=lambda kid: directory.desk_signature_key(kid, now), now=now
    )
    disposed = await gateway.recalls.dispose(answer, now=now, sign=gateway.exchange.sign_receipt)
    if disposed is None:
        raise RefusedError(Code.DELIVERY_UNKNOWN)
    if isinstance(disposed, NotFitting):
        raise RefusedError(Code.DISPOSITION_INVALID)
    if not disposed.counts:
        raise RefusedError(Code.DELIVERY_SETTLED)
    return {
        "id": answer.recall,
        "disposition": disposed.stands.value,
        "receipt": disposed.receipt.token,
    }


def _order(one: Order) -> dict[str, Json]:
    return {
        "number": one.number,
        "kind": one.kind.value,
        "id": one.id,
        "origin": {"country": one.origin.country.value, "agency": one.origin.agency},
        "of": one.subject,
        "recipient": {
            "country": one.desk.country.value,
            "compartment": one.desk.compartment.value,
        },
        "content_hash": one.content_hash,
        "accepted_at": render.moment(one.accepted_at),
        "delivery": one.state.value,
        "order": render.order(one.status),
    }


def _invalid(name: str) -> RefusedError:
    problem = FieldProblem(pointer=f"?{name}", code="invalid")
    return RefusedError(Code.PARAMETER_INVALID, problems=[problem])

"""``/v1/messages``: an agency posts, and asks what became of it."""

from aiohttp import web

from broker.errors import Code, RefusedError
from broker.gateway import render
from broker.gateway.context import GATEWAY, calling_agency
from broker.gateway.requests import check_parameters, read_flag, read_posting
from broker.model.message import Posting, SealedPosting
from broker.model.names import AgencyRef, MessageId


async def post_message(request: web.Request) -> web.Response:
    """Accept a message, or with ``dry_run=true`` say who would receive it."""
    gateway = request.app[GATEWAY]
    caller, sender = await calling_agency(request)
    check_parameters(request, "dry_run")
    dry_run = read_flag(request, "dry_run")
    with gateway.limits.posting(caller.client_id):
        posting = await read_posting(request)
        if dry_run:
            routed, not_sealed = await gateway.exchange.preview(posting, sender)
            return render.json_response(render.preview(routed, not_sealed))
        return await _accept(request, posting, sender)


async def _accept(
    request: web.Request, posting: Posting | SealedPosting, sender: AgencyRef
) -> web.Response:
    gateway = request.app[GATEWAY]
    accepted = await gateway.exchange.accept(posting, sender)
    gateway.relay.wake()
    gateway.metrics.count_accepted(replayed=accepted.replayed)
    response = render.json_response(render.accepted(accepted), status=202)
    response.headers["Location"] = f"/v1/messages/{accepted.message_id}"
    if accepted.replayed:
        response.headers["Idempotent-Replay"] = "true"
    return response


async def get_message(request: web.Request) -> web.Response:
    """Say how far a message has come; another agency's is not found."""
    gateway = request.app[GATEWAY]
    _, sender = await calling_agency(request)
    check_parameters(request)
    known = await gateway.exchange.status(MessageId(request.match_info["id"]), sender)
    if known is None:
        raise RefusedError(Code.NOT_FOUND)
    return render.json_response(render.status(known))

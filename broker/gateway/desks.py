"""``/v1/queues`` and desk answers: a desk takes its messages and signs for them."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from aiohttp import web

from broker.admission.acknowledge import verify_answer
from broker.errors import Code, RefusedError
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway, calling_desk
from broker.gateway.requests import answer_each, check_parameters, read_number
from broker.model.answers import DeskAnswer
from broker.model.delivery import HandOver
from broker.model.events import DeliveryState, RefusalReason
from broker.model.names import Caller, DeskRef, Json, QueueName
from broker.ports.deliveries import Answered

MAX_WAIT_SECONDS: Final = 30
SLICE: Final = timedelta(seconds=1)
MAX_POLL: Final = 100
DEFAULT_POLL: Final = 50

log = structlog.get_logger()


async def list_queues(request: web.Request) -> web.Response:
    """List what waits for the calling desk."""
    gateway = request.app[GATEWAY]
    _, desk = await calling_desk(request)
    check_parameters(request)
    queues = gateway.directory.current.queues_of(desk)
    depths = await gateway.deliveries.depths(queues, now=gateway.clock())
    return render.json_response(render.queues(depths))


async def poll_queue(request: web.Request) -> web.Response:
    """Hand over what waits in one queue, or what comes while the caller waits."""
    gateway = request.app[GATEWAY]
    caller, desk = await calling_desk(request)
    check_parameters(request, "wait", "limit")
    wait = read_number(request, "wait", default=0, low=0, high=MAX_WAIT_SECONDS)
    limit = read_number(request, "limit", default=DEFAULT_POLL, low=1, high=MAX_POLL)
    queue = own_queues(gateway, desk, [request.match_info["queue"]])[0]
    with gateway.limits.stream(caller.client_id):
        handed = await _wait_for(gateway, caller, queue, limit=limit, seconds=wait)
    gateway.metrics.count_handed_over(len(handed))
    body = b'{"messages":[%b]}' % b",".join(render.hand_over(one) for one in handed)
    return web.Response(
        body=body, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


async def _wait_for(
    gateway: Gateway, caller: Caller, queue: QueueName, *, limit: int, seconds: int
) -> Sequence[HandOver]:
    """Wait in slices, so that a gateway can drain and a right can end in between."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while True:
        left = timedelta(seconds=max(until - clock(), 0))
        handed = await gateway.polls.take(
            caller.client_id, queue, limit=limit, wait=min(SLICE, left)
        )
        is_over = gateway.lifecycle.draining or not gateway.access.still_stands(caller)
        if handed or not left or is_over:
            return handed


def own_queues(gateway: Gateway, desk: DeskRef, asked: Sequence[str]) -> Sequence[QueueName]:
    """Find the queues asked for among the desk's own; none asked means all.

    Raises:
        RefusedError: ``NOT_FOUND``: a foreign queue looks like one that does not exist.
    """
    own: Collection[QueueName] = gateway.directory.current.queues_of(desk)
    if not asked:
        return tuple(own)
    if not set(asked) <= set(own):
        raise RefusedError(Code.NOT_FOUND)
    return tuple(queue for queue in own if queue in asked)


async def post_acknowledgements(request: web.Request) -> web.Response:
    """Record that the desk has opened and stored these messages."""
    return await _answer(request, "acknowledgements", refusal=False)


async def post_refusals(request: web.Request) -> web.Response:
    """Record that the desk returns these messages, each with its reason."""
    return await _answer(request, "refusals", refusal=True)


async def _answer(request: web.Request, member: str, *, refusal: bool) -> web.Response:
    gateway = request.app[GATEWAY]
    _, desk = await calling_desk(request)
    check_parameters(request)
    now = gateway.clock()

    async def record(token: str) -> Json:
        return await _record(gateway, _verify(gateway, token, desk, now, refusal=refusal))

    return await answer_each(request, member, record)


def _verify(
    gateway: Gateway, token: str, desk: DeskRef, now: datetime, *, refusal: bool
) -> DeskAnswer:
    directory = gateway.directory.current
    return verify_answer(
        token,
        desk=desk,
        find_key=lambda kid: directory.desk_signature_key(kid, now),
        now=now,
        refusal=refusal,
    )


async def _record(gateway: Gateway, answer: DeskAnswer) -> Json:
    answered = await gateway.hand_overs.answer(answer)
    if answered.state is None:
        raise RefusedError(Code.DELIVERY_UNKNOWN)
    _log_finding(answer)
    if answered.receipt is None:
        return _late(answer, answered)
    asked = DeliveryState.REFUSED if answer.reason else DeliveryState.ACKNOWLEDGED
    if answered.state is not asked:
        # The first answer stands; who says otherwise now must learn that.
        raise RefusedError(Code.DELIVERY_SETTLED)
    gateway.metrics.count_answered(answered.state.value)
    return {
        "id": answer.message_id,
        "state": answered.state.value,
        "receipt": answered.receipt.token,
    }


def _late(answer: DeskAnswer, answered: Answered) -> Json:
    """Answer to what came after the exchange had ended the copy."""
    if answered.finding is None:
        raise RefusedError(Code.DELIVERY_UNKNOWN)
    # The copy stays as it ended; the desk gets the receipt of its own word.
    return {
        "id": answer.message_id,
        "state": DeliveryState.REFUSED.value,
        "receipt": answered.finding.token,
    }


def _log_finding(answer: DeskAnswer) -> None:
    """Tell an operator, before anything else can go wrong; a repeated answer tells again."""
    if answer.reason is RefusalReason.FACTS_NOT_TRUE:
        # What an origin said of a content that nobody but the desk could see was a lie, or its
        # program is broken. Both sides have the desk's signed word; somebody must ask why.
        log.error("facts:not-true", message=answer.message_id, desk=str(answer.desk))
    elif answer.reason is not None and answer.reason.is_finding:
        log.warning(
            "content:refused",
            message=answer.message_id,
            desk=str(answer.desk),
            reason=answer.reason.value,
        )

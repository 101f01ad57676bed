"""``/v1/stream``: a desk's messages as server-sent events (WHATWG HTML section 9.2)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from aiohttp import web

from broker.errors import UnavailableError
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway, calling_desk
from broker.gateway.desks import own_queues
from broker.gateway.requests import check_parameters, read_last_event_id
from broker.hand_over import DeskSession
from broker.model.delivery import HandOver
from broker.model.names import Caller, DeskRef, HandOverNumber, QueueName

HEARTBEAT: Final = timedelta(seconds=15)
"""Below the idle limit of every proxy that we know (60 s), so that none cuts the stream."""
WRITE_DEADLINE: Final = timedelta(seconds=30)
"""A reader that takes nothing for so long is gone; its leases run out by themselves."""
BATCH: Final = 50
DRAIN_CHECK: Final = timedelta(seconds=1)
BYE: Final = b"event: bye\ndata: {}\n\n"
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def stream(request: web.Request) -> web.StreamResponse:
    """Hand over messages as they come, until the desk leaves or the gateway drains."""
    gateway = request.app[GATEWAY]
    caller, desk = await calling_desk(request)
    check_parameters(request, "queue")
    asked = request.query.getall("queue", [])
    queues = own_queues(gateway, desk, asked)
    last = read_last_event_id(request)
    with gateway.limits.stream(caller.client_id):
        return await _stream(request, caller, queues, last=last, is_whole=not asked)


async def _stream(
    request: web.Request,
    caller: Caller,
    queues: Sequence[QueueName],
    *,
    last: HandOverNumber | None,
    is_whole: bool,
) -> web.StreamResponse:
    gateway = request.app[GATEWAY]
    holder = caller.client_id
    async with gateway.hand_overs.session(queues, holder=holder, resume_after=last) as session:
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        gateway.metrics.streams.inc()
        try:
            await _feed(response, session, gateway, caller, is_whole=is_whole)
        except (ConnectionError, TimeoutError, UnavailableError):
            # The desk is gone, or a part of ours is: it reconnects, and the leases decide.
            return response
        finally:
            gateway.metrics.streams.dec()
        return response


async def _feed(
    response: web.StreamResponse,
    session: DeskSession,
    gateway: Gateway,
    caller: Caller,
    *,
    is_whole: bool,
) -> None:
    clock = asyncio.get_running_loop().time
    await _write(response, b"retry: 1000\n: enlace\n\n")
    written_at = clock()
    while not gateway.lifecycle.draining and not session.is_over:
        if not gateway.access.still_stands(caller):
            # Whoever lost the right to read loses the line within a second.
            break
        if is_whole and _has_grown(gateway, session, caller):
            # The desk joined a channel: it comes again, for that queue as well.
            break
        handed = await session.take(limit=BATCH, wait=DRAIN_CHECK)
        if handed:
            await _write(response, b"".join(_event(one) for one in handed))
            gateway.metrics.count_handed_over(len(handed))
            written_at = clock()
        elif clock() - written_at >= HEARTBEAT.total_seconds():
            await _write(response, b": still here\n\n")
            written_at = clock()
    await _write(response, BYE)


def _has_grown(gateway: Gateway, session: DeskSession, caller: Caller) -> bool:
    if not isinstance(caller.subject, DeskRef):
        return False
    return not session.queues.issuperset(gateway.directory.current.queues_of(caller.subject))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_DEADLINE.total_seconds()):
        await response.write(data)


def _event(handed: HandOver) -> bytes:
    return b"event: message\nid: %d\ndata: %b\n\n" % (handed.hand_over, render.hand_over(handed))

"""The management port: is this process alive, can it work, what has it counted?"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from aiohttp import web

from broker.errors import BrokerError
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway
from broker.model.names import Json
from broker.ports.transport import Transport

CHECK_TIMEOUT: Final = timedelta(seconds=2)
EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
TRANSPORT = web.AppKey("transport", Transport)


def management_app(gateway: Gateway, transport: Transport) -> web.Application:
    """Build the application of the management port; it takes no credentials."""
    app = web.Application()
    app[GATEWAY] = gateway
    app[TRANSPORT] = transport
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


async def livez(_: web.Request) -> web.Response:
    """Answer as long as the event loop turns."""
    return render.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """Say whether messages can be accepted now.

    A transport that is away is told and does not count: accepting does not wait for it.
    """
    gateway, transport = request.app[GATEWAY], request.app[TRANSPORT]
    checks: dict[str, Json] = {
        "ledger": await _check(gateway.deliveries.unpublished_count),
        "directory": _directory(gateway),
        "accepting": "draining" if gateway.lifecycle.draining else "ok",
    }
    ready = all(state == "ok" for state in checks.values())
    checks["transport"] = await _check(lambda: transport.ping(timeout=CHECK_TIMEOUT))
    document: dict[str, Json] = {"status": "ready" if ready else "not-ready"}
    if "verbose" in request.query:
        document["checks"] = checks
    return render.json_response(document, status=200 if ready else 503)


def _directory(gateway: Gateway) -> str:
    if gateway.directory.is_taken_back:
        return "taken-back"
    return "ok" if gateway.directory.is_ready else "not-read"


async def metrics(request: web.Request) -> web.Response:
    """Give the counters to Prometheus."""
    gateway = request.app[GATEWAY]
    try:
        gateway.metrics.unpublished.set(await gateway.deliveries.unpublished_count())
    except BrokerError:
        # Counting never fails a scrape; readiness tells of the ledger.
        gateway.metrics.unpublished.set(float("nan"))
    try:
        waiting = await gateway.requests.waiting_by_road(now=gateway.clock())
    except BrokerError:
        gateway.metrics.show_requests(None)
    else:
        gateway.metrics.show_requests(waiting)
    return web.Response(body=gateway.metrics.exposition(), headers={"Content-Type": EXPOSITION})


async def _check(ask: Callable[[], Awaitable[object]]) -> str:
    try:
        await ask()
    except BrokerError as error:
        return error.code.value
    return "ok"

"""The public application: every route of the exchange on one page."""

from typing import Final

from aiohttp import web

from broker.gateway import (
    convened,
    desks,
    messages,
    notices,
    open_requests,
    recalls,
    reference,
    streams,
    uses,
    wraps,
)
from broker.gateway.context import GATEWAY, Gateway
from broker.gateway.middleware import add_headers, around
from broker.gateway.oauth import oauth_routes
from broker.gateway.requests import MAX_BODY_BYTES

ID: Final = r"{id:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}}"
PAIR_QUEUE: Final = r"[A-Z]{2}\.[A-Z]{2}\.[a-z]{1,20}"
CHANNEL_QUEUE: Final = r"[a-z0-9][a-z0-9-]{0,26}[a-z0-9]\.[A-Z]{2}"
QUEUE: Final = f"{{queue:(?:{PAIR_QUEUE}|{CHANNEL_QUEUE})}}"
NAME: Final = r"{name:[a-z0-9_-]{1,64}}"
VERSION: Final = r"{version:[0-9]{1,3}\.[0-9]{1,3}}"
CODE: Final = r"{code:[a-z-]{1,64}}"


def public_app(gateway: Gateway) -> web.Application:
    """Build the application that agencies and desks meet."""
    app = web.Application(middlewares=[around], client_max_size=MAX_BODY_BYTES)
    app[GATEWAY] = gateway
    app.on_response_prepare.append(add_headers)
    app.add_routes(
        [
            *oauth_routes(gateway.access),
            web.post("/v1/messages", messages.post_message),
            web.get(f"/v1/messages/{ID}", messages.get_message, allow_head=False),
            web.get("/v1/queues", desks.list_queues, allow_head=False),
            web.get(f"/v1/queues/{QUEUE}/messages", desks.poll_queue, allow_head=False),
            web.get("/v1/stream", streams.stream, allow_head=False),
            web.post("/v1/acknowledgements", desks.post_acknowledgements),
            web.post("/v1/refusals", desks.post_refusals),
            web.get("/v1/recalls", recalls.list_recalls, allow_head=False),
            web.post("/v1/dispositions", recalls.post_dispositions),
            web.post("/v1/uses", uses.post_uses),
            web.get("/v1/requests", open_requests.list_requests, allow_head=False),
            web.get("/v1/requests/convened", convened.list_convened, allow_head=False),
            web.get("/v1/notices", notices.list_notices, allow_head=False),
            web.get("/v1/wraps", wraps.list_wraps, allow_head=False),
            web.post("/v1/wraps", wraps.post_wraps),
            web.get("/v1/directory", reference.get_directory, allow_head=False),
            web.get("/schemas", reference.list_schemas),
            web.get(f"/schemas/{NAME}/{VERSION}", reference.get_schema),
            web.get(f"/code-lists/{NAME}", reference.get_code_list),
            web.get("/openapi.yaml", reference.get_openapi_yaml),
            web.get("/openapi.json", reference.get_openapi_json),
            web.get(f"/problems/{CODE}", reference.get_problem),
        ]
    )
    return app

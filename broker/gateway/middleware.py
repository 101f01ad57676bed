"""What happens around every request: its id, its language, its refusal, its count.

Every failure passes here and nowhere else. What is no ``BrokerError`` is a defect: the
caller reads *internal error* and a request id, the operator's log has the rest.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

import structlog
from aiohttp import web

from broker.errors import BrokerError, Code, RefusedError, UnavailableError
from broker.gateway.context import GATEWAY, Gateway
from broker.gateway.headers import SECURITY_HEADERS
from broker.gateway.oauth import TOKEN_PATH, unavailable
from broker.gateway.problems import problem_response
from broker.texts.catalogue import negotiate

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
PLAIN_TARGET: Final = re.compile(r"/[A-Za-z0-9._~/-]*(?:\?[A-Za-z0-9._~:%&=+,/-]*)?")
"""No percent-encoding in a path, no absolute form: a proxy in front sees what we see."""
RESOURCES: Final = "/v1/"
REQUEST_ID_OF: Final = web.RequestKey("request_id", str)
FROM_HTTP: Final = {
    400: Code.REQUEST_MALFORMED,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    411: Code.REQUEST_MALFORMED,
    413: Code.TOO_LARGE,
    417: Code.REQUEST_MALFORMED,
}
"""What aiohttp refuses by itself."""

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every answer its id and headers, and every failure its problem document."""
    gateway = request.app[GATEWAY]
    request_id = request[REQUEST_ID_OF] = _request_id(request)
    try:
        _check(request, gateway)
        response = await handler(request)
    except BrokerError as error:
        response = _refuse(request, gateway, request_id, error)
    except web.HTTPException as error:
        response = _refuse(request, gateway, request_id, _translate(error))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except (ConnectionError, TimeoutError):
        raise
    except Exception:
        log.exception("request:failed", request_id=request_id)
        response = _refuse(request, gateway, request_id, BrokerError(Code.INTERNAL_ERROR))
    gateway.metrics.count_answer(_route_name(request), response.status)
    return response


def _refuse(
    request: web.Request, gateway: Gateway, request_id: str, error: BrokerError
) -> web.StreamResponse:
    # The one trace of a refused message: its code, counted.
    gateway.metrics.count_refusal(error.code)
    log.info("request:refused", code=error.code.value, request_id=request_id)
    if request.path == TOKEN_PATH and isinstance(error, UnavailableError):
        return unavailable(error)
    language = negotiate(request.headers.get("Accept-Language"), gateway.texts.languages)
    return problem_response(
        error,
        base_url=gateway.base_url,
        request_id=request_id,
        texts=gateway.texts,
        language=language,
    )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer, streams included, its id, its nonce and the security headers."""
    gateway = request.app[GATEWAY]
    response.headers.setdefault("DPoP-Nonce", gateway.access.nonces.current(gateway.clock()))
    response.headers["X-Request-Id"] = request.get(REQUEST_ID_OF, "none")
    response.headers.update(SECURITY_HEADERS)


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid4())


def _check(request: web.Request, gateway: Gateway) -> None:
    if gateway.lifecycle.draining:
        raise UnavailableError(Code.DRAINING)
    # ``raw_path`` is the path with its query as it came over the wire.
    if not PLAIN_TARGET.fullmatch(request.raw_path) or "//" in request.raw_path.split("?")[0]:
        raise RefusedError(Code.REQUEST_MALFORMED)
    if request.headers.get("Content-Encoding"):
        raise RefusedError(Code.CONTENT_ENCODING_UNSUPPORTED)
    # Whoever shows a token is measured apart from whoever shows none, lest a stranger spends
    # the address of a ministry; if it is proven, he is counted as a client instead.
    household = gateway.proxies.client_household(request)
    if "Authorization" in request.headers and request.path.startswith(RESOURCES):
        gateway.limits.count_claim(household)
    else:
        gateway.limits.count_address(household)


def _translate(error: web.HTTPException) -> BrokerError:
    return RefusedError(FROM_HTTP.get(error.status, Code.INTERNAL_ERROR))


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical

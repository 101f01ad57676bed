"""Reading what a request carries: strictly, bounded in size and time, and nothing more."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Final

from aiohttp import web

from broker.admission import strict_json
from broker.errors import Code, DocumentError, FieldProblem, RefusedError
from broker.gateway import render
from broker.gateway.context import GATEWAY
from broker.gateway.limits import deadline
from broker.model.message import Posting, SealedPosting
from broker.model.names import HandOverNumber, Json

MAX_BODY_BYTES: Final = 262_144
MAX_SEALED_BYTES: Final = 524_288
"""A sealed form of the largest message, with an entry for each of eleven countries."""
SEALED_MEDIA_TYPE: Final = "application/jose+json"
MAX_ANSWERS: Final = 100
"""Desk answers in one request."""
TOGETHER: Final = 32
"""Of those, so many wait for the ledger at a time: all desks at once leave room for senders."""
BODY_DEADLINE: Final = timedelta(seconds=20)
"""For 256 KiB: 105 kbit/s, the slowest link that an agency may have. Larger bodies get more."""
NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


async def read_posting(request: web.Request) -> Posting | SealedPosting:
    """Read a message as bytes, with its signature; or one that its agency has sealed.

    Raises:
        RefusedError: Another media type, too large, too slow; ``SIGNATURE_MISSING`` is for
            ``admission`` to say.
    """
    signatures = request.headers.getall("Message-Signature", [])
    seals = request.headers.getall("Origin-Seal", [])
    if seals or _media_type(request) == SEALED_MEDIA_TYPE:
        # One or the other: what is sealed has its signature inside.
        if len(seals) != 1 or signatures:
            raise RefusedError(Code.FACTS_INVALID)
        jwe = await _read_body(request, SEALED_MEDIA_TYPE, MAX_SEALED_BYTES)
        return SealedPosting(jwe=jwe, seal=seals[0])
    if len(signatures) > 1:
        raise RefusedError(Code.SIGNATURE_INVALID)
    body = await read_json_body(request)
    return Posting(body=body, signature=signatures[0] if signatures else "")


async def read_json_body(request: web.Request) -> bytes:
    """Read the bytes of a JSON body, without looking into them."""
    return await _read_body(request, "application/json", MAX_BODY_BYTES)


async def _read_body(request: web.Request, media_type: str, at_most: int) -> bytes:
    _, _, parameters = request.headers.get("Content-Type", "").partition(";")
    if _media_type(request) != media_type or parameters.strip().lower() not in (
        "",
        "charset=utf-8",
    ):
        raise DocumentError(Code.MEDIA_TYPE_UNSUPPORTED)
    if request.content_length is not None and request.content_length > at_most:
        # Refused before its bytes are read.
        raise DocumentError(Code.TOO_LARGE)
    body = bytearray()
    async with deadline(BODY_DEADLINE * (at_most / MAX_BODY_BYTES)):
        # Counted while it arrives: who sends for ever is answered soon after the limit.
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > at_most:
                raise DocumentError(Code.TOO_LARGE)
    return bytes(body)


def _media_type(request: web.Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_tokens(request: web.Request, member: str) -> tuple[str, ...]:
    """Read ``{"<member>": ["<JWS>", …]}``, 1 to 100 of them."""
    document = strict_json.parse(await read_json_body(request))
    tokens = document.get(member)
    if set(document) != {member} or not isinstance(tokens, list):
        raise _body_problem(f"/{member}", "required")
    if not 1 <= len(tokens) <= MAX_ANSWERS:
        raise _body_problem(f"/{member}", "maxItems" if tokens else "minItems")
    return tuple(_token(token, f"/{member}/{index}") for index, token in enumerate(tokens))


async def answer_each(
    request: web.Request, member: str, do: Callable[[str], Awaitable[Json]]
) -> web.Response:
    """Do each token of a request by itself, and answer in their order.

    Many at once, so that they share the ledger's transactions, which keep their order: of two
    that say different things of one message the first stands.
    """
    count_refusal = request.app[GATEWAY].metrics.count_refusal

    async def one(token: str) -> Json:
        try:
            return await do(token)
        except RefusedError as error:
            # One bad entry must not keep the good ones from being recorded.
            count_refusal(error.code)
            return {"error": {"code": error.code.value}}

    tokens = await read_tokens(request, member)
    results: list[Json] = []
    for first in range(0, len(tokens), TOGETHER):
        part = tokens[first : first + TOGETHER]
        results += await asyncio.gather(*(one(token) for token in part))
    return render.json_response({"results": results})


def _token(token: Json, pointer: str) -> str:
    if isinstance(token, str):
        return token
    raise _body_problem(pointer, "type")


def read_number(request: web.Request, name: str, *, default: int, low: int, high: int) -> int:
    """Read a whole number from the query, once and within its limits."""
    values = request.query.getall(name, [])
    if not values:
        return default
    if len(values) > 1 or not NUMBER.fullmatch(values[0]) or not low <= int(values[0]) <= high:
        raise _parameter_problem(name)
    return int(values[0])


def read_choice(request: web.Request, name: str, choices: Collection[str], *, default: str) -> str:
    """Read one of a few words from the query, once."""
    values = request.query.getall(name, [default])
    if len(values) > 1 or values[0] not in choices:
        raise _parameter_problem(name)
    return values[0]


def read_flag(request: web.Request, name: str) -> bool:
    """Read ``true`` or ``false`` from the query; absent means false."""
    values = request.query.getall(name, ["false"])
    if len(values) > 1 or values[0] not in ("true", "false"):
        raise _parameter_problem(name)
    return values[0] == "true"


def check_parameters(request: web.Request, *known: str) -> None:
    """Refuse a parameter that nobody knows: it may have been meant to matter."""
    if set(request.query) - set(known):
        raise RefusedError(Code.PARAMETER_INVALID)


def read_last_event_id(request: web.Request) -> HandOverNumber | None:
    """Read ``Last-Event-ID``: the last hand-over that reached the client."""
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return None
    if not NUMBER.fullmatch(text):
        raise _parameter_problem("Last-Event-ID")
    return HandOverNumber(int(text))


def _body_problem(pointer: str, code: str) -> DocumentError:
    problem = FieldProblem(pointer=pointer, code=code)
    return DocumentError(Code.SCHEMA_VIOLATION, problems=[problem])


def _parameter_problem(name: str) -> RefusedError:
    return RefusedError(
        Code.PARAMETER_INVALID, problems=[FieldProblem(pointer=f"?{name}", code="invalid")]
    )

"""``/v1/uses``: a desk states who reads its messages, and for what (SG-06)."""

from datetime import datetime
from functools import cache

from aiohttp import web

from broker.admission.use import verify_use
from broker.errors import RefusedError
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway, calling_desk
from broker.gateway.requests import answer_each, check_parameters
from broker.model.answers import UseStatement
from broker.model.names import DeskRef, Json
from broker.ports.deliveries import UseDenied
from schemas.loader import SchemaSet

PURPOSES = "purpose"
"""The code list."""


async def post_uses(request: web.Request) -> web.Response:
    """Note these statements, each by itself."""
    gateway = request.app[GATEWAY]
    _, desk = await calling_desk(request)
    check_parameters(request)
    now = gateway.clock()

    async def note(token: str) -> Json:
        return await _note(gateway, _verify(gateway, token, desk, now), now)

    return await answer_each(request, "uses", note)


def _verify(gateway: Gateway, token: str, desk: DeskRef, now: datetime) -> UseStatement:
    directory = gateway.directory.current
    return verify_use(
        token,
        desk=desk,
        find_key=lambda kid: directory.desk_signature_key(kid, now),
        purposes=_purposes(gateway.schemas),
        now=now,
    )


async def _note(gateway: Gateway, statement: UseStatement, now: datetime) -> Json:
    noted = await gateway.deliveries.note_use(statement, now=now)
    if isinstance(noted, UseDenied):
        raise RefusedError(noted.code)
    return {
        "id": statement.message_id,
        "reader": statement.reader,
        "purpose": statement.purpose,
        "at": render.moment(noted.at),
    }


@cache
def _purposes(schemas: SchemaSet) -> frozenset[str]:
    return frozenset(each.code for each in schemas.code_lists()[PURPOSES].codes)

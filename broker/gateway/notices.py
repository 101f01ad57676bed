"""``/v1/notices``: what the exchange has to tell a country about keys."""

from typing import Final

from aiohttp import web

from broker.gateway import render
from broker.gateway.context import GATEWAY, caller_with
from broker.gateway.requests import check_parameters, read_number
from broker.model import Scope

MOST: Final = 200
DEFAULT: Final = 50
LAST_NUMBER: Final = 10**15 - 1


async def list_notices(request: web.Request) -> web.Response:
    """List the notices for the caller's country, oldest first."""
    gateway = request.app[GATEWAY]
    caller = await caller_with(request, Scope.DIRECTORY_READ)
    check_parameters(request, "after", "limit")
    found = await gateway.key_ledger.notices(
        caller.subject.country,
        after=read_number(request, "after", default=0, low=0, high=LAST_NUMBER),
        limit=read_number(request, "limit", default=DEFAULT, low=1, high=MOST),
    )
    return render.json_response(
        {"notices": [{"number": each.number, "notice": each.notice.token} for each in found]}
    )

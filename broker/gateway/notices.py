"""``/v1/notices``: what the exchange has to tell a country, of keys, requests and messages."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from broker.admission.decided import policy_in_force
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway, caller_with
from broker.gateway.requests import check_parameters, read_number
from broker.model.names import AgencyRef, Caller, DeskRef, Scope
from broker.notices import REFUSED, deliveries_in, refused_in
from broker.ports.keys import NumberedNotice
from schemas.vocabulary import Compartment

MOST: Final = 200
DEFAULT: Final = 50
AT_ONCE: Final = 200
PAGES: Final = 5
"""How many notices are read at once, and how often, for one answer: who may read few of them asks
again, so that nobody has the gateway read on and on."""
LAST_NUMBER: Final = 10**15 - 1
SEE_ALL: Final = frozenset({Scope.ADMIN_COUNTRY, Scope.AUDIT_READ})
"""Who runs a country's part of the exchange hears of every key and every message."""


async def list_notices(request: web.Request) -> web.Response:
    """List the notices for the caller's country that the caller may read, oldest first."""
    gateway = request.app[GATEWAY]
    caller = await caller_with(request, Scope.DIRECTORY_READ)
    check_parameters(request, "after", "limit")
    after = read_number(request, "after", default=0, low=0, high=LAST_NUMBER)
    limit = read_number(request, "limit", default=DEFAULT, low=1, high=MOST)
    found, cursor = await _page(gateway, caller, after=after, limit=limit)
    return render.json_response(
        {
            "notices": [{"number": each.number, "notice": each.notice.token} for each in found],
            "cursor": cursor,
        }
    )


async def _page(
    gateway: Gateway, caller: Caller, *, after: int, limit: int
) -> tuple[Sequence[NumberedNotice], int | None]:
    """Read on to as many as are wanted, and say where to go on; None behind the last."""
    found: list[NumberedNotice] = []
    for _ in range(PAGES):
        page = await gateway.key_ledger.notices(caller.subject.country, after=after, limit=AT_ONCE)
        for each in page:
            if len(found) == limit:
                return found, after
            # Passed over or not, it is behind us.
            after = each.number
            if _may_read(gateway, caller, each):
                found.append(each)
        if len(page) < AT_ONCE:
            return found, None
    return found, after


def _may_read(gateway: Gateway, caller: Caller, each: NumberedNotice) -> bool:
    """Whether a notice names nothing in ``protection`` that is not the caller's to know.

    Who writes there, and to whom, is for those who read there (SG-02) and for who wrote it.
    """
    if each.notice.event == REFUSED and not _may_hear_of_refused(caller, each.notice.token):
        return False
    if SEE_ALL & caller.scopes or _reads_protection(gateway, caller.subject):
        return True
    return all(
        origin == str(caller.subject) or compartment != Compartment.PROTECTION.value
        for origin, compartment in deliveries_in(each.notice.token)
    )


def _may_hear_of_refused(caller: Caller, token: str) -> bool:
    """Whether a content that a desk refused is the caller's country's own, or the caller's.

    In the desk's country it is that desk's: an origin that hid whom a message protects must not
    point the neighbours to it.
    """
    origin, desk = refused_in(token)
    is_from_here = origin.startswith(f"{caller.subject.country}/")
    return is_from_here or desk == str(caller.subject) or bool(SEE_ALL & caller.scopes)


def _reads_protection(gateway: Gateway, subject: AgencyRef | DeskRef) -> bool:
    if isinstance(subject, DeskRef):
        return subject.compartment is Compartment.PROTECTION
    directory = gateway.directory.current
    record = directory.agency(subject)
    policy = policy_in_force(directory)
    return record is not None and policy.reads(record.function, Compartment.PROTECTION)

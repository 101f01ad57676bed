"""``/v1/wraps``: a desk takes what waits from its old key to its next one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from broker.admission.rewrap import RewrapWish, verify_rewrap
from broker.errors import Code, FieldProblem, RefusedError, UnavailableError, UnsealError
from broker.gateway import render
from broker.gateway.context import GATEWAY, Gateway, calling_desk
from broker.gateway.requests import check_parameters, read_number, read_tokens
from broker.model.names import DeliveryNumber, DeskRef, Json
from broker.ports.keys import Rewrap, Rewrapped, WaitingWrap
from broker.ports.messages import Overtaken
from broker.sealing import wire
from keys.errors import KeyFormatError
from keys.identifiers import KeyId, parse_kid

MAX_WRAPS: Final = 200
"""Entries in one answer: at most 500 KiB."""
DEFAULT_WRAPS: Final = 50
MAX_NUMBER: Final = 10**15 - 1
MOST_TRIES: Final = 4
"""As for a message: thrice a new directory during one request is a storm."""
MOVED: Final = timedelta(seconds=1)


async def list_wraps(request: web.Request) -> web.Response:
    """List what the calling desk has not answered and only this key of its own opens."""
    gateway = request.app[GATEWAY]
    _, desk = await calling_desk(request)
    check_parameters(request, "key", "after", "limit")
    kid = _read_key(request)
    after = read_number(request, "after", default=0, low=0, high=MAX_NUMBER)
    limit = read_number(request, "limit", default=DEFAULT_WRAPS, low=1, high=MAX_WRAPS)
    waiting = await gateway.key_ledger.waiting_wraps(
        desk, kid, after=DeliveryNumber(after), limit=limit
    )
    # Counted once, for the first page: whoever goes on knows it already.
    total = await _count(gateway, desk, kid) if after == 0 else None
    return render.json_response(
        {"wraps": [_waiting_wrap(one) for one in waiting], "waiting": total}
    )


async def post_wraps(request: web.Request) -> web.Response:
    """Replace the desk's entries, each by itself."""
    gateway = request.app[GATEWAY]
    _, desk = await calling_desk(request)
    check_parameters(request)
    tokens = await read_tokens(request, "wraps")
    for _ in range(MOST_TRIES):
        now, version = gateway.clock(), gateway.directory.current.version
        wishes = [_wish(gateway, token, desk, now) for token in tokens]
        good = [one for one in wishes if isinstance(one, Rewrap)]
        rewrapped = await _rewrap(gateway, good, now, version)
        if not isinstance(rewrapped, Overtaken):
            return _answer(gateway, wishes, rewrapped)
        # The key that was active may have been taken out in between: judge again.
        await gateway.directory.refresh()
    raise UnavailableError(Code.OVERLOADED, retry_after=MOVED)


def _answer(
    gateway: Gateway, wishes: Sequence[Rewrap | Code], rewrapped: Sequence[Rewrapped | None]
) -> web.Response:
    done = iter(rewrapped)
    return render.json_response(
        {
            "results": [
                _result(gateway, wish, next(done))
                if isinstance(wish, Rewrap)
                else _error(gateway, wish)
                for wish in wishes
            ]
        }
    )


def _wish(gateway: Gateway, token: str, desk: DeskRef, now: datetime) -> Rewrap | Code:
    try:
        return _verify(gateway, token, desk, now)
    except RefusedError as error:
        # One bad entry must not keep the good ones from being re-wrapped.
        return error.code


def _verify(gateway: Gateway, token: str, desk: DeskRef, now: datetime) -> Rewrap:
    directory = gateway.directory.current
    wish = verify_rewrap(
        token,
        desk=desk,
        find_key=lambda kid: directory.desk_signature_key(kid, now),
        now=now,
    )
    recipient = _recipient(wish)
    active = directory.encryption_key(desk, now)
    # Only the key that senders use now: no wish takes a message back to a key that was left.
    if (recipient.kid, recipient.algorithm) != (active.kid, active.algorithm):
        raise RefusedError(Code.REWRAP_KEY_INACTIVE)
    return Rewrap(
        desk=wish.desk,
        message_id=wish.message_id,
        content_hash=wish.content_hash,
        old=wish.old,
        recipient=recipient,
        token=wish.token,
    )


def _recipient(wish: RewrapWish) -> wire.Recipient:
    try:
        recipient = wire.read_recipient(dict(wish.recipient))
        # It takes the place of one that opens: what cannot be an entry must not.
        wire.require_whole(recipient)
    except (UnsealError, KeyFormatError):
        raise RefusedError(Code.REWRAP_INVALID) from None
    if recipient.kid == wish.old:
        raise RefusedError(Code.REWRAP_INVALID)
    return recipient


async def _rewrap(
    gateway: Gateway, good: Sequence[Rewrap], now: datetime, version: int
) -> Sequence[Rewrapped | None] | Overtaken:
    if not good:
        return ()
    return await gateway.key_ledger.rewrap(
        good, now=now, sign=gateway.exchange.sign_receipt, directory_version=version
    )


async def _count(gateway: Gateway, desk: DeskRef, kid: KeyId) -> int:
    # Another desk's key counts nothing, like one that does not exist.
    own = set(gateway.directory.current.queues_of(desk))
    return sum(
        each.count for each in await gateway.key_ledger.in_flight([kid]) if each.queue in own
    )


def _read_key(request: web.Request) -> KeyId:
    values = request.query.getall("key", [])
    try:
        [value] = values
        return parse_kid(value)
    except (ValueError, KeyFormatError):
        raise RefusedError(
            Code.PARAMETER_INVALID, problems=[FieldProblem(pointer="?key", code="invalid")]
        ) from None


def _waiting_wrap(one: WaitingWrap) -> dict[str, Json]:
    return {
        "number": one.number,
        "id": one.message_id,
        "origin": {"country": one.origin.country.value, "agency": one.origin.agency},
        "content_hash": one.content_hash,
        "protected": one.protected,
        "recipient": wire.write_recipient(one.recipient),
    }


def _result(gateway: Gateway, wish: Rewrap, rewrapped: Rewrapped | None) -> Json:
    if rewrapped is None:
        return _error(gateway, Code.DELIVERY_UNKNOWN)
    return {
        "id": wish.message_id,
        "key": rewrapped.kid,
        "receipt": rewrapped.receipt.token,
    }


def _error(gateway: Gateway, code: Code) -> Json:
    gateway.metrics.count_refusal(code)
    return {"error": {"code": code.value}}

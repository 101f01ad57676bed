"""What a client makes of the gateway's lists of requests and notices."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.desk.asked import read_asked, read_convened
from broker.desk.client import EnlaceClient
from broker.desk.failures import AnswerError
from broker.desk.notices import NOTICE_TYP, read_notice
from broker.errors import EvidenceError
from broker.ports.requests import RequestState
from keys import jws, strict_json
from keys.identifiers import KeyId
from keys.strict_json import JsonObject
from tests.desk import world
from tests.fakes.gateway import FakeGateway, Fault

REQUESTS = "/v1/requests"
DUE = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp())


def asked(number: int = 1, **changes: Any) -> dict[str, Any]:
    """What the gateway says of one request."""
    return {
        "id": world.message_id(number),
        "kind": "information-request",
        "origin": {"country": "MX", "agency": "fiscalia"},
        "desk": {"country": "GT", "compartment": "intelligence"},
        "channel": None,
        "compartment": "intelligence",
        "urgency": "priority",
        "asked_at": "2026-11-20T12:00:00.000Z",
        "due": "2026-11-23T12:00:00.000Z",
        "state": "overdue",
        "closed_at": None,
        "outcome": "more_time",
        "ground": None,
        "escalated_at": "2026-11-23T12:00:05.000Z",
        **changes,
    }


def page(*requests: dict[str, Any], cursor: object = None) -> dict[str, Any]:
    """What the gateway says of some."""
    return {"requests": [*requests], "cursor": cursor}


def answers(gateway: FakeGateway, *documents: object) -> None:
    """Have the gateway give these answers, one after the other."""
    gateway.faults[REQUESTS] += [
        Fault(status=200, raw=json.dumps(document).encode()) for document in documents
    ]


async def test_requests_are_read_to_the_last_page(desk: EnlaceClient, gateway: FakeGateway) -> None:
    """Each page is asked for by the cursor of the one before."""
    answers(gateway, page(asked(1), cursor=7), page(asked(2, channel="hlsg-mx-gt")))

    found = await desk.requests(received=True, state=RequestState.OVERDUE)

    assert [one.id for one in found] == [world.message_id(1), world.message_id(2)]
    assert [one.road for one in found] == ["MX.GT.intelligence", "hlsg-mx-gt.GT"]
    assert found[0].state is RequestState.OVERDUE
    assert found[0].due == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert (found[0].outcome, found[0].closed_at) == ("more_time", None)


async def test_requests_end_when_the_gateway_goes_round_in_circles(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """A list without an end is no list."""
    answers(gateway, page(asked(1), cursor=7), page(asked(1), cursor=7))

    with pytest.raises(AnswerError, match="does not end"):
        await desk.requests(received=True)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"requests": []},
        {"requests": {}, "cursor": None},
        page(cursor="7"),
        page(cursor=True),
        page(cursor=1.5),
        page({}),
        page(asked(due=None)),
        page(asked(due="2026-11-23T12:00:00")),
        page(asked(state="all")),
        page(asked(kind="gossip")),
        page(asked(channel=1)),
        page(asked(desk={"country": "FR", "compartment": "intelligence"})),
    ],
)
def test_read_asked_raises_when_the_answer_is_malformed(document: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(AnswerError):
        read_asked(json.dumps(document).encode())


def convened(number: int = 1, **changes: Any) -> dict[str, Any]:
    """What the gateway says of one request to a convener."""
    taken = ("id", "kind", "origin", "compartment", "urgency", "asked_at", "due", "state")
    return {
        **{name: value for name, value in asked(number).items() if name in taken},
        "channel": "hlsg-mx-gt",
        "waiting": 2,
        "desks": [{"country": "GT", "compartment": "intelligence"}],
        "escalated_at": None,
        **changes,
    }


async def test_convened_is_read_to_the_last_page(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """How many have not answered, and those that may be named."""
    gateway.faults[f"{REQUESTS}/convened"] += [
        Fault(status=200, raw=json.dumps(document).encode())
        for document in (page(convened(1), cursor=7), page(convened(2, desks=[])))
    ]

    found = await agency.convened()

    assert [(one.id, one.waiting, [str(desk) for desk in one.desks]) for one in found] == [
        (world.message_id(1), 2, ["GT.intelligence"]),
        (world.message_id(2), 2, []),
    ]
    assert [query for query in gateway.queries if "cursor" in query] == [
        "state=all&cursor=0",
        "state=all&cursor=7",
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"requests": []},
        page({}),
        page(convened(waiting="2")),
        page(convened(desks=None)),
        page(convened(channel=None)),
        page(convened(state="all")),
    ],
)
def test_read_convened_raises_when_the_answer_is_malformed(document: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(AnswerError):
        read_convened(json.dumps(document).encode())


def test_read_notice_reads_how_many_are_late_where_they_are_hidden() -> None:
    """No desk is named, and that is no fault."""
    hidden = {name: value for name, value in notice().items() if name != "desk"}
    hidden |= {"compartment": "intelligence", "channel": "hlsg-mx-gt", "late": 3}

    found = read_notice(3, signed(hidden), keys=KEYS, counts=always)

    assert found.deliveries == ((world.message_id(1), "MX/fiscalia", None),)
    assert (found.late, found.channel) == (3, "hlsg-mx-gt")
    for late in (None, "3", True):
        with pytest.raises(EvidenceError):
            read_notice(3, signed({**hidden, "late": late}), keys=KEYS, counts=always)


def notice(**changes: Any) -> JsonObject:
    """What the exchange says of an overdue request."""
    return {
        "iss": world.ISSUER,
        "event": "request-overdue",
        "country": "MX",
        "at": DUE + 5,
        "mid": world.message_id(1),
        "org": "MX/fiscalia",
        "desk": "GT.intelligence",
        "due": DUE,
        **changes,
    }


def signed(payload: JsonObject, *, typ: str = NOTICE_TYP, kid: str = "GW-receipt-1") -> str:
    """Sign it as the exchange does."""
    return jws.sign_compact(strict_json.write(payload), world.signing_key(kid), typ=typ)


def always(_kid: KeyId, _at: datetime) -> bool:
    """No receipt key was ever taken back."""
    return True


KEYS = {world.signing_key("GW-receipt-1").kid: world.signing_key("GW-receipt-1").public}


def test_read_notice_reads_an_overdue_request() -> None:
    """Who asked whom, over what, and until when."""
    found = read_notice(3, signed(notice(channel="hlsg-mx-gt")), keys=KEYS, counts=always)

    assert (found.number, found.event, found.kid, found.channel) == (
        3,
        "request-overdue",
        None,
        "hlsg-mx-gt",
    )
    assert found.due == datetime.fromtimestamp(DUE, UTC)
    assert found.at - (found.due or found.at) == timedelta(seconds=5)
    assert found.deliveries == ((world.message_id(1), "MX/fiscalia", "GT.intelligence"),)


@pytest.mark.parametrize(
    "token",
    [
        signed(notice(event="request-answered")),
        signed(notice(event=None)),
        signed(notice(event=["request-overdue"])),
        signed(notice(event="key-compromised")),
        signed(notice(due="soon")),
        signed(notice(due=10**18)),
        signed({name: value for name, value in notice().items() if name != "mid"}),
        signed(notice(), typ="enlace-receipt+jws"),
        signed(notice(), kid="GW-token-1"),
        "a.b.c",
    ],
)
def test_read_notice_raises_when_it_is_not_one(token: str) -> None:
    """An event that nobody knows, a member that is missing, another signer: not believed."""
    with pytest.raises(EvidenceError):
        read_notice(1, token, keys=KEYS, counts=always)

"""A lie about what is under a seal comes out, whatever its author does meanwhile."""

from collections.abc import Iterator, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

import broker.desk.open
from broker.admission.recipients import refusal
from broker.desk.client import EnlaceClient
from broker.desk.desk_calls import Refusal
from broker.desk.wire import NotSettled, ReceivedHandOver, Settled
from broker.directory import ClientRecord
from broker.errors import Code
from broker.evidence.receipts import verify_receipt
from broker.model.events import DeliveryState, EventKind, RefusalReason
from broker.model.names import MessageId, QueueName, Scope
from broker.model.status import RecipientStatus
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    HN_DESK,
    MIGRACION,
    PGN,
    Running,
    as_bytes,
    lines,
    message,
)
from tests.flow.test_origin_sealing import restated, said_of, sealed
from tests.flow.test_recall import recall

LIE = RefusalReason.FACTS_NOT_TRUE
QUEUE = QueueName("MX.GT.intelligence")
TOLD_AS_NOBODY: dict[str, object] = {"has_marked": False, "marked_origins": [], "all_origins": []}
Logs = Sequence[MutableMapping[str, Any]]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """What gateway and desk log."""
    with capture_logs() as found:
        yield found


async def lie(exchange: Running, **changes: object) -> tuple[EnlaceClient, str]:
    """Tell the country that somebody fled of him, sealed, as if of nobody."""
    body = {
        **message()["body"],
        "groups": [
            {
                "category": "smuggled_migrant",
                "nationalities": [{"country": "GT"}],
                "protection_status": "asylum_seeker",
            }
        ],
    }
    client, posting = await sealed(exchange, body=body, **changes)
    said = said_of(posting)["facts"]
    assert (said["has_marked"], said["marked_origins"]) == (True, ["GT"])
    facts = {**said, **TOLD_AS_NOBODY}
    accepted = await client.send(restated(posting, client.keys.signature, facts=facts))
    return client, accepted.id


async def taken(exchange: Running) -> tuple[EnlaceClient, ReceivedHandOver]:
    """Let Guatemala's desk take what waits, and answer nothing yet."""
    desk = await exchange.client(GT_DESK)
    (handed,) = await desk.poll(QUEUE, wait=timedelta(seconds=5))
    return desk, handed


async def seen(client: EnlaceClient, message_id: str) -> RecipientStatus:
    """What its sender sees of the copy for Guatemala."""
    return (await client.status(MessageId(message_id))).recipients[0]


def logged(logs: Logs, event: str) -> list[dict[str, Any]]:
    """The lines of one event, without time and level."""
    return [
        {name: value for name, value in each.items() if name not in {"event", "log_level"}}
        for each in logs
        if each["event"] == event
    ]


async def test_lie_that_hides_a_mark_is_told_to_both_sides_and_logged(
    exchange: Running, logs: Logs
) -> None:
    """The one that matters: who fled from Guatemala is in a message to Guatemala's police."""
    client, message_id = await lie(exchange)

    assert await exchange.receive(GT_DESK) == []

    known = await seen(client, message_id)
    assert (known.state, known.reason, known.rule) == (DeliveryState.REFUSED, LIE, None)
    assert logged(logs, "facts:not-true") == [{"message": message_id, "desk": str(GT_DESK)}]
    for told in (client, await exchange.client(GT_DESK)):
        [notice] = await told.notices()
        assert (notice.event, notice.reason) == ("content-refused", LIE)
        assert notice.deliveries == ((message_id, str(FISCALIA), str(GT_DESK)),)
    # Its other agencies learn nothing of it, nor does anybody else.
    for untold in (PGN, HN_DESK):
        assert await (await exchange.client(untold)).notices() == ()
    assert await (await exchange.client(MIGRACION)).notices() != ()


@pytest.mark.parametrize("how", ["recalled", "expired", "dead-lettered"])
async def test_lie_is_told_when_its_copy_had_ended(exchange: Running, logs: Logs, how: str) -> None:
    """Neither a recall nor a time that ends soon takes it away; the copy stays as it ended."""
    now = datetime.now(UTC)
    ends = (now + timedelta(hours=1)).isoformat(timespec="seconds")
    client, message_id = await lie(exchange, expires=ends, review_by=ends)
    desk, handed = await taken(exchange)
    sign = exchange.gateway.hand_overs.sign_receipt
    match how:
        case "recalled":
            await client.send(as_bytes(recall(message_id)))
        case "expired":
            later = now + timedelta(hours=1, seconds=1)
            assert await exchange.gateway.deliveries.expire(now=later, limit=9, sign=sign) == 1
        case "dead-lettered":
            [waiting] = await exchange.gateway.deliveries.waiting(
                [QUEUE], limit=9, now=now + timedelta(minutes=5)
            )
            await exchange.gateway.hand_overs.dead_letter([waiting[0]])
    before = await seen(client, message_id)

    (said,) = await desk.refuse([Refusal(ref=handed.ref, reason=LIE)])
    (again,) = await desk.refuse([Refusal(ref=handed.ref, reason=LIE)])

    assert isinstance(said, Settled)
    assert again == said
    proven = verify_receipt(said.receipt, find_key=exchange.receipt_keys.get)
    assert (proven.event, proven.message_id) == (EventKind.REFUSED, message_id)
    known = await seen(client, message_id)
    assert (known.state, known.receipt) == (DeliveryState(how), before.receipt)
    assert known.finding is not None
    assert (known.finding.reason, known.finding.receipt) == (LIE, said.receipt)
    assert {"message": message_id, "desk": str(GT_DESK)} in logged(logs, "facts:not-true")
    for told in (client, desk):
        assert [each.reason for each in await told.notices()] == [LIE]


async def test_lie_is_told_when_a_colleague_had_acknowledged_it(
    exchange: Running, logs: Logs
) -> None:
    """His older program did not look; the first answer stands, and the word is kept beside it."""
    client, message_id = await lie(exchange)
    desk, handed = await taken(exchange)
    await desk.acknowledge([handed.ref])

    (said,) = await desk.refuse([Refusal(ref=handed.ref, reason=LIE)])

    assert said == NotSettled(code="delivery-settled")
    known = await seen(client, message_id)
    assert known.state is DeliveryState.ACKNOWLEDGED
    assert known.finding is not None
    assert known.finding.reason is LIE
    assert logged(logs, "facts:not-true") == [{"message": message_id, "desk": str(GT_DESK)}]
    assert [each.reason for each in await client.notices()] == [LIE]


@pytest.mark.parametrize("scope", [Scope.ADMIN_COUNTRY, Scope.AUDIT_READ])
async def test_lie_is_told_to_who_runs_the_countrys_part(exchange: Running, scope: Scope) -> None:
    """Somebody besides the desk, and besides the liar, hears of it: in both countries."""
    for subject in (PGN, MIGRACION):
        holding = exchange.world.holdings[subject]
        record = ClientRecord(
            client_id=holding.client_id, subject=subject, scopes=holding.scopes | {scope}
        )
        async with exchange.directory_change() as store:
            await store.put_client(record)
    _, message_id = await lie(exchange)

    await exchange.receive(GT_DESK)

    for overseer in (PGN, MIGRACION):
        [notice] = await (await exchange.client(overseer)).notices()
        assert notice.deliveries == ((message_id, str(FISCALIA), str(GT_DESK)),)


async def test_late_refusal_is_unknown_when_it_is_no_finding(exchange: Running) -> None:
    """A desk that is not competent for what was recalled meanwhile has nothing to say of it."""
    message_id = await exchange.post(message())
    client = await exchange.client(FISCALIA)
    desk, handed = await taken(exchange)
    await client.send(as_bytes(recall(message_id)))

    (said,) = await desk.refuse([Refusal(ref=handed.ref, reason=RefusalReason.NOT_COMPETENT)])

    assert said == NotSettled(code="delivery-unknown")
    known = await seen(client, message_id)
    assert (known.state, known.finding) == (DeliveryState.RECALLED, None)
    assert await client.notices() == ()


async def test_sender_reads_which_safeguard_when_the_desk_refuses_by_one(
    exchange: Running, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sent in good faith can see what was wrong; no notice names the rule, nor does a log."""

    def deny(*_: object) -> None:
        raise refusal(Code.PROTECTION_DENIED, "/to/countries/0", rule="SG-01")

    monkeypatch.setattr(broker.desk.open, "judge", deny)
    client, posting = await sealed(exchange)
    accepted = await client.send(posting)

    await exchange.receive(GT_DESK)

    known = await seen(client, accepted.id)
    assert (known.reason, known.rule) == (RefusalReason.CONTENT_NOT_VALID, "SG-01")
    refused = lines(exchange.world.folder_of(GT_DESK) / "refused.jsonl")
    assert [(line["reason"], line["step"]) for line in refused] == [("content-not-valid", "SG-01")]
    assert logged(logs, "content:refused") == [
        {"message": accepted.id, "desk": str(GT_DESK), "reason": "content-not-valid"}
    ]
    for told in (client, await exchange.client(GT_DESK)):
        assert [each.reason for each in await told.notices()] == [RefusalReason.CONTENT_NOT_VALID]

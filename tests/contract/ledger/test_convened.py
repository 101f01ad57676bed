"""The contract of ``RequestLedger``: what does a convener see of his channel?"""

from dataclasses import replace

from broker.model.names import DeliveryNumber, LogPosition
from broker.ports.requests import ConvenedQuestion, RequestState
from broker.storage.ledger import Ledger
from keys.charter import ChannelName
from tests.contract.ledger.asked import (
    CHANNEL,
    LATER,
    PANAMA,
    POLICIA,
    over,
    record,
    reply,
    request,
)
from tests.contract.ledger.world import FISCALIA, GUATEMALA, NOW, Maker


def convening(**changes: object) -> ConvenedQuestion:
    """Ask for what is not answered in the channel."""
    question = ConvenedQuestion(
        channels=frozenset({CHANNEL}),
        only_overdue=False,
        now=NOW,
        after=LogPosition(0),
        limit=9,
    )
    return replace(question, **changes)  # type: ignore[arg-type] # named by the caller


async def test_convened_lists_each_request_once_with_who_has_not_answered(
    ledger: Ledger, make: Maker
) -> None:
    """Of these channels alone; whoever has answered is not among them."""
    both, other = (GUATEMALA, PANAMA), ChannelName("other")
    first = request(make, desks=both, channel=CHANNEL, reply_by=LATER)
    second = request(make, desks=both, channel=CHANNEL, sender=POLICIA)
    elsewhere = request(make, desks=both, channel=other)
    await record(ledger, make, first, second, request(make), elsewhere)
    numbers = [one.number for one in await ledger.requests.convened(convening())]
    await ledger.requests.escalate(DeliveryNumber(2), (), at=LATER)
    await record(ledger, make, over(CHANNEL, reply(make, first)))

    found = await ledger.requests.convened(convening())
    late = await ledger.requests.convened(convening(only_overdue=True, now=LATER))
    later = await ledger.requests.convened(convening(after=numbers[0]))
    page = await ledger.requests.convened(convening(limit=1))
    nowhere = await ledger.requests.convened(convening(channels=frozenset()))

    assert [(one.message_id, one.desks) for one in found] == [
        (first.message_id, (PANAMA,)),
        (second.message_id, both),
    ]
    assert (found[0].origin, found[0].channel, found[0].due) == (FISCALIA, CHANNEL, LATER)
    assert (found[0].escalated_at, found[1].escalated_at) == (LATER, None)
    assert found[0].state(NOW) is RequestState.OPEN
    assert found[0].state(LATER) is RequestState.OVERDUE
    assert late == page == found[:1]
    assert later == found[1:]
    assert nowhere == []


async def test_late_counts_the_recipients_of_one_message(ledger: Ledger, make: Maker) -> None:
    """Those who have not answered and should have; of no other message."""
    both = (GUATEMALA, PANAMA)
    first, other = (request(make, desks=both, channel=CHANNEL, reply_by=LATER) for _ in range(2))
    await record(ledger, make, first, other)
    early = await ledger.requests.late(DeliveryNumber(1), now=NOW)
    both_late = await ledger.requests.late(DeliveryNumber(1), now=LATER)
    await record(ledger, make, over(CHANNEL, reply(make, first)))

    assert (early, both_late) == (0, 2)
    assert await ledger.requests.late(DeliveryNumber(1), now=LATER) == 1

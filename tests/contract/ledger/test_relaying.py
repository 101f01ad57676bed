"""The relay and the sweep leave a desk in peace: what it holds under a lease is its own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from broker.errors import Code, TransportUnavailableError
from broker.model.delivery import HandOver, Outgoing
from broker.model.events import DeliveryState
from broker.model.names import DeliveryNumber
from broker.ports.deliveries import DeliveryLedger
from broker.relay import Relay
from broker.storage.ledger import Ledger
from broker.sweep import Sweep
from broker.transport.local import LocalTransport
from tests.contract.ledger.world import NOW, QUEUES, Maker

MINUTE = timedelta(minutes=1)


def clock() -> datetime:
    """Tell the time, which stands still."""
    return NOW


class HastyTransport(LocalTransport):
    """Brings a window to a desk at once, and says what it is told to say of it."""

    def __init__(self, ledger: DeliveryLedger) -> None:
        super().__init__(ledger, clock=clock)
        self.published: list[Outgoing] = []
        self.handed: Sequence[HandOver] = ()
        self.leases = 0
        """How many of the next window the desk leases."""
        self.confirms: Sequence[int] | None = ()
        """What of it is confirmed; None: the connection is lost instead."""

    async def publish(
        self, window: Sequence[Outgoing], *, timeout: timedelta
    ) -> Sequence[DeliveryNumber]:
        """Hand over, then answer."""
        assert timeout
        self.published += window
        numbers = [each.number for each in window]
        self.handed = await lease(self.ledger, numbers[: self.leases])
        if self.confirms is None:
            raise TransportUnavailableError(Code.TRANSPORT_UNAVAILABLE)
        return [number for number in numbers if number in self.confirms]


async def lease(
    ledger: DeliveryLedger,
    numbers: Sequence[DeliveryNumber],
    *,
    holder: str = "desk",
    now: datetime = NOW,
) -> Sequence[HandOver]:
    """Lease for a minute."""
    return await ledger.lease(numbers, queues=QUEUES, holder=holder, now=now, until=now + MINUTE)


async def claimable(ledger: DeliveryLedger) -> list[int]:
    """Number what another relay would get now."""
    claimed = await ledger.claim_unpublished(
        limit=9, claimant="another relay", now=NOW, until=NOW + MINUTE
    )
    return [each.number for each in claimed]


async def test_relay_leaves_a_lease_alone_when_its_window_was_not_confirmed(
    ledger: Ledger, make: Maker
) -> None:
    """Arrived and leased, its confirm lost: the desk keeps it, and no other client gets it."""
    for _ in range(2):
        await ledger.messages.record(make.acceptance(), sign=make.sign)
    transport = HastyTransport(ledger.deliveries)
    transport.leases, transport.confirms = 1, None
    relay = Relay(ledger=ledger.deliveries, transport=transport, clock=clock)

    with pytest.raises(TransportUnavailableError):
        await relay.publish_window()

    [held] = transport.handed
    assert await ledger.deliveries.states([held.number]) == {held.number: DeliveryState.DELIVERED}
    assert not await lease(ledger.deliveries, [held.number], holder="another client of the desk")
    # The other one is to be had at once, not after the claim's fifteen seconds.
    assert await claimable(ledger.deliveries) == [2]


async def test_relay_lets_others_claim_at_once_what_was_not_confirmed(
    ledger: Ledger, make: Maker
) -> None:
    """Of a window that was confirmed in part, the rest is unclaimed, and leased ones stay so."""
    for _ in range(3):
        await ledger.messages.record(make.acceptance(), sign=make.sign)
    transport = HastyTransport(ledger.deliveries)
    transport.leases, transport.confirms = 1, [2]
    relay = Relay(ledger=ledger.deliveries, transport=transport, clock=clock)

    assert await relay.publish_window() == 1

    assert await ledger.deliveries.states([1, 2, 3]) == {
        1: DeliveryState.DELIVERED,
        2: DeliveryState.DISPATCHED,
        3: DeliveryState.ACCEPTED,
    }
    assert await claimable(ledger.deliveries) == [3]


async def test_unclaim_leaves_alone_what_another_relay_has_claimed_since(
    ledger: Ledger, make: Maker
) -> None:
    """A relay that was slow gives back only what is its own still."""
    await ledger.messages.record(make.acceptance(), sign=make.sign)
    claim, later = ledger.deliveries.claim_unpublished, NOW + MINUTE
    await claim(limit=9, claimant="slow", now=NOW, until=later)
    await claim(limit=9, claimant="fast", now=later, until=later + MINUTE)

    await ledger.deliveries.unclaim([1, 99], claimant="slow")
    kept = await claim(limit=9, claimant="third", now=later, until=later + MINUTE)
    await ledger.deliveries.unclaim([1], claimant="fast")
    freed = await claim(limit=9, claimant="third", now=later, until=later + MINUTE)

    assert (len(kept), len(freed)) == (0, 1)


async def test_sweep_returns_to_the_relay_what_the_transport_gave_up(
    ledger: Ledger, make: Maker
) -> None:
    """Nobody holds it, so it is accepted again; what has ended stays ended."""
    [handed] = await make.handed(ledger, make.acceptance())
    await ledger.deliveries.answer(make.answer(handed), now=NOW, sign=make.sign)
    await make.dispatched(ledger, make.acceptance())
    transport = HastyTransport(ledger.deliveries)

    with capture_logs() as logged:
        for number in (1, 2, 99):
            await sweep(ledger, transport, make).take_back(DeliveryNumber(number))

    assert [one["delivery"] for one in logged] == [2]
    assert await claimable(ledger.deliveries) == [2]
    assert transport.published == []


async def test_sweep_publishes_again_without_ending_a_lease(ledger: Ledger, make: Maker) -> None:
    """The transport gets another copy of what a desk holds, and the desk goes on holding it."""
    acceptance = make.acceptance()
    [handed] = await make.handed(ledger, acceptance)
    transport = HastyTransport(ledger.deliveries)
    transport.confirms = [handed.number]

    await sweep(ledger, transport, make).take_back(handed.number)

    [copy] = transport.published
    assert (copy.number, copy.queue, copy.sealed) == (1, handed.queue, acceptance.sealed)
    assert await ledger.deliveries.states([1]) == {1: DeliveryState.DELIVERED}
    assert not await lease(ledger.deliveries, [handed.number], holder="another client of the desk")
    assert len(await lease(ledger.deliveries, [handed.number], now=NOW + MINUTE)) == 1


async def test_sweep_keeps_a_dead_letter_when_its_new_copy_is_not_confirmed(
    ledger: Ledger, make: Maker
) -> None:
    """It comes again from the dead letters: nothing is let go before there is another."""
    [handed] = await make.handed(ledger, make.acceptance())
    transport = HastyTransport(ledger.deliveries)

    with pytest.raises(TransportUnavailableError):
        await sweep(ledger, transport, make).take_back(handed.number)


def sweep(ledger: Ledger, transport: HastyTransport, make: Maker) -> Sweep:
    """Make a sweep."""
    return Sweep(ledger=ledger.deliveries, transport=transport, clock=clock, sign_receipt=make.sign)

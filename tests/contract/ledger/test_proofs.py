"""The contract of ``ProofStore``, on both databases."""

import asyncio
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import Connection, text

from broker.storage.ledger import Ledger
from tests.contract.ledger.world import Maker, World

VALUE = sha256(b"proof").digest()
MINUTE = timedelta(minutes=1)


async def test_spend_is_true_once(ledger: Ledger, make: Maker) -> None:
    """The first time only; another value is another matter."""
    spend, until = ledger.proofs.spend, make.now + MINUTE

    first = await spend(VALUE, until=until, now=make.now)
    again = await spend(VALUE, until=until, now=make.now)
    other = await spend(sha256(b"other").digest(), until=until, now=make.now)

    assert (first, again, other) == (True, False, True)


async def test_spend_is_true_again_when_the_time_is_over(ledger: Ledger, make: Maker) -> None:
    """A value is refused until its ``until``, and remembered anew from then on."""
    spend, until = ledger.proofs.spend, make.now + MINUTE
    await spend(VALUE, until=until, now=make.now)

    early = await spend(VALUE, until=until + MINUTE, now=until - timedelta(microseconds=1))
    late = await spend(VALUE, until=until + MINUTE, now=until)
    again = await spend(VALUE, until=until + MINUTE, now=until)

    assert (early, late, again) == (False, True, False)


async def test_spend_gives_true_to_one_of_many_in_one_process(ledger: Ledger, make: Maker) -> None:
    """Concurrent callers share a transaction; still only one of each value wins."""
    values = [sha256(bytes([number % 10])).digest() for number in range(100)]

    spent = await asyncio.gather(
        *(ledger.proofs.spend(one, until=make.now + MINUTE, now=make.now) for one in values)
    )

    assert sum(spent) == 10


async def test_spend_gives_true_to_one_of_two_processes(world: World, make: Maker) -> None:
    """The same values in opposite order, at once: each is spent once, and nobody deadlocks."""
    values = [sha256(bytes([number])).digest() for number in range(60)]

    async with world.open() as one, world.open() as two:
        spent = await asyncio.gather(
            *(one.proofs.spend(v, until=make.now + MINUTE, now=make.now) for v in values),
            *(two.proofs.spend(v, until=make.now + MINUTE, now=make.now) for v in values[::-1]),
        )

    assert sum(spent) == len(values)


async def test_spend_is_remembered_when_the_ledger_is_opened_again(
    world: World, make: Maker
) -> None:
    """A restart forgives no replay."""
    async with world.open() as ledger:
        await ledger.proofs.spend(VALUE, until=make.now + MINUTE, now=make.now)

    async with world.open() as ledger:
        assert not await ledger.proofs.spend(VALUE, until=make.now + MINUTE, now=make.now)


async def test_spend_forgets_values_whose_time_is_over(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """The table does not grow for ever."""

    def count(connection: Connection) -> object:
        return connection.execute(text("SELECT count(*) FROM spent")).scalar_one()

    for number in range(20):
        value = sha256(bytes([number])).digest()
        await ledger.proofs.spend(value, until=make.now + MINUTE, now=make.now)
    await ledger.proofs.spend(VALUE, until=make.now + 2 * MINUTE, now=make.now + MINUTE)

    assert await world.run(count) == 1

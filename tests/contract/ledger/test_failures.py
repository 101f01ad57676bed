"""What the ledger promises when things go wrong, on both databases.

Every durable step fails twice: once *not persisted*, once *persisted but reported failed*.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from broker.errors import (
    Code,
    ConfigurationError,
    KeyUnavailableError,
    LedgerUnavailableError,
)
from broker.model.events import DeliveryState, Event
from broker.ports.messages import Recorded
from broker.storage.connect import connect
from broker.storage.database import Database, Limits, Result, Work, translated
from broker.storage.ledger import Ledger, open_ledger, serve
from tests.contract.ledger.world import LIMITS, QUEUES, Maker, World

MINUTE = timedelta(minutes=1)


class FaultyDatabase(Database):
    """Stands before a database and fails the next write, before or after its commit."""

    def __init__(self, inner: Database, limits: Limits = LIMITS) -> None:
        super().__init__(limits)
        self._inner = inner
        self.fault: str | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.writes = 0
        self.delay = timedelta(0)
        """How long each write takes before it is begun."""

    async def _write(self, work: Work[Result]) -> Result:
        await self.gate.wait()
        self.writes += 1
        await asyncio.sleep(self.delay.total_seconds())
        fault, self.fault = self.fault, None
        away = OperationalError("COMMIT", None, OSError("the connection is lost"))

        def run(connection: Connection) -> Result:
            result = work(connection)
            if fault == "not persisted":
                raise away
            return result

        result = await self._inner.write(run)
        if fault == "persisted but reported failed":
            raise away
        return result

    async def _read(self, work: Work[Result]) -> Result:
        return await self._inner.read(work)

    async def _close(self) -> None:
        await self._inner.close()


@asynccontextmanager
async def faulty(
    world: World, limits: Limits = LIMITS
) -> AsyncIterator[tuple[Ledger, FaultyDatabase]]:
    """Open a ledger whose database can be told to fail."""
    database = FaultyDatabase(connect(world.url, limits=LIMITS), limits)
    try:
        async with serve(database) as ledger:
            yield ledger, database
    finally:
        await database.close()


FAULTS = ("not persisted", "persisted but reported failed")


@pytest.mark.parametrize("fault", FAULTS)
async def test_record_can_be_repeated_when_the_commit_failed(
    world: World, make: Maker, fault: str
) -> None:
    """Every waiter is told; who repeats gets a receipt, and it is a replay if it was persisted."""
    acceptances = [make.acceptance() for _ in range(5)]
    async with faulty(world) as (ledger, database):
        database.fault = fault
        failed = await asyncio.gather(
            *(ledger.messages.record(one, sign=make.sign) for one in acceptances),
            return_exceptions=True,
        )

        repeated = [await ledger.messages.record(one, sign=make.sign) for one in acceptances]

    assert all(isinstance(one, LedgerUnavailableError) for one in failed)
    assert len({id(one) for one in failed}) == len(failed)
    assert all(isinstance(one, Recorded) for one in repeated)
    assert {one.replayed for one in repeated} == {fault != "not persisted"}
    assert await world.positions() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("fault", FAULTS)
async def test_answer_can_be_repeated_when_the_commit_failed(
    world: World, make: Maker, fault: str
) -> None:
    """The desk repeats its answer and gets one receipt, whichever time it was persisted."""
    async with faulty(world) as (ledger, database):
        [handed] = await make.handed(ledger, make.acceptance())
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)

        answered = await ledger.deliveries.answer(make.answer(handed), now=make.now, sign=make.sign)

    assert (answered.state, answered.receipt.position) == (DeliveryState.ACKNOWLEDGED, 2)
    assert await world.positions() == [1, 2]


@pytest.mark.parametrize(("fault", "expected"), [(FAULTS[0], True), (FAULTS[1], False)])
async def test_spend_stays_refused_when_it_was_persisted(
    world: World, make: Maker, fault: str, *, expected: bool
) -> None:
    """A proof is never good twice; at worst its owner, who was told to retry, makes another."""
    async with faulty(world) as (ledger, database):
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await ledger.proofs.spend(bytes(32), until=make.now + MINUTE, now=make.now)

        assert await ledger.proofs.spend(bytes(32), until=make.now + MINUTE, now=make.now) is (
            expected
        )


@pytest.mark.parametrize("fault", FAULTS)
async def test_lease_frees_itself_when_the_commit_failed(
    world: World, make: Maker, fault: str
) -> None:
    """Nobody holds what may have been leased; when the lease's time is over it goes on."""
    until = make.now + MINUTE
    async with faulty(world) as (ledger, database):
        await make.dispatched(ledger, make.acceptance())
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await ledger.deliveries.lease([1], queues=QUEUES, holder="a", now=make.now, until=until)

        [handed] = await ledger.deliveries.lease(
            [1], queues=QUEUES, holder="b", now=until, until=until + MINUTE
        )

    assert handed.attempt == (1 if fault == "not persisted" else 2)


async def test_writes_of_mixed_sorts_share_one_transaction(world: World, make: Maker) -> None:
    """While one transaction runs, what comes gathers for the next."""
    async with faulty(world) as (ledger, database):
        database.gate.clear()
        first = asyncio.create_task(ledger.messages.record(make.acceptance(), sign=make.sign))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        rest = [
            asyncio.create_task(coroutine)
            for coroutine in (
                ledger.messages.record(make.acceptance(), sign=make.sign),
                ledger.proofs.spend(bytes(32), until=make.now + MINUTE, now=make.now),
                ledger.deliveries.unpublished_count(),
                ledger.deliveries.claim_unpublished(
                    limit=1, claimant="a", now=make.now, until=make.now + MINUTE
                ),
                ledger.messages.record(make.acceptance(), sign=make.sign),
            )
        ]
        await asyncio.sleep(0)
        database.gate.set()
        await asyncio.gather(first, *rest)

    assert database.writes == 2


async def test_record_is_not_lost_when_its_waiter_is_cancelled(world: World, make: Maker) -> None:
    """A sender that hangs up has sent all the same; repeating tells it so."""
    acceptance = make.acceptance()
    async with faulty(world) as (ledger, database):
        database.gate.clear()
        waiter = asyncio.create_task(ledger.messages.record(acceptance, sign=make.sign))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        database.gate.set()

        repeated = await ledger.messages.record(acceptance, sign=make.sign)

    assert isinstance(repeated, Recorded)
    assert repeated.replayed


async def test_closing_finishes_what_waits(world: World, make: Maker) -> None:
    """Whoever was let in gets an answer before the ledger is closed."""
    async with faulty(world) as (ledger, database):
        database.gate.clear()
        waiters = [
            asyncio.create_task(ledger.messages.record(make.acceptance(), sign=make.sign))
            for _ in range(100)
        ]
        await asyncio.sleep(0)
        database.gate.set()

    answers = await asyncio.gather(*waiters)
    assert all(isinstance(one, Recorded) for one in answers)
    with pytest.raises(LedgerUnavailableError):
        await ledger.messages.record(make.acceptance(), sign=make.sign)
    with pytest.raises(LedgerUnavailableError):
        await ledger.deliveries.unpublished_count()


async def test_record_is_turned_away_when_too_many_wait(world: World, make: Maker) -> None:
    """A queue that is full says so at once, and when to come back."""
    async with faulty(world, replace(LIMITS, queue_size=3)) as (ledger, database):
        database.gate.clear()
        waiters = [
            asyncio.create_task(ledger.messages.record(make.acceptance(), sign=make.sign))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        turned_away = []
        waiters += [
            asyncio.create_task(ledger.messages.record(make.acceptance(), sign=make.sign))
            for _ in range(4)
        ]
        await asyncio.sleep(0)
        database.gate.set()
        for waiter in waiters:
            try:
                await waiter
            except LedgerUnavailableError as error:
                turned_away.append(error)

    assert turned_away
    assert {error.code for error in turned_away} == {Code.OVERLOADED}
    assert all(error.retry_after for error in turned_away)


async def test_record_withdraws_what_was_not_begun_when_time_is_over(
    world: World, make: Maker
) -> None:
    """Whoever waited in vain is told so, and its message is not recorded behind its back."""
    limits = replace(LIMITS, deadline=timedelta(milliseconds=300), group_size=1)
    async with faulty(world, limits) as (ledger, database):
        database.gate.clear()
        answers = await asyncio.gather(
            *(ledger.messages.record(make.acceptance(), sign=make.sign) for _ in range(3)),
            return_exceptions=True,
        )
        database.gate.set()

    assert all(isinstance(one, LedgerUnavailableError) for one in answers)
    assert await world.positions() == []


async def test_record_alone_is_withdrawn_when_the_group_that_failed_took_its_time(
    world: World, make: Maker
) -> None:
    """A group that one member spoils is done one by one, and none of it behind its sender's back.

    Each transaction takes longer than a sender waits: only the first one may be begun.
    """
    limits = replace(LIMITS, deadline=timedelta(milliseconds=400))

    def spoil(_: Event, __: int) -> str:
        raise KeyUnavailableError(Code.GATEWAY_KEY_UNAVAILABLE)

    async with faulty(world, limits) as (ledger, database):
        database.delay = timedelta(milliseconds=300)
        answers = await asyncio.gather(
            ledger.messages.record(make.acceptance(), sign=spoil),
            *(ledger.messages.record(make.acceptance(), sign=make.sign) for _ in range(4)),
            return_exceptions=True,
        )

    assert isinstance(answers[0], KeyUnavailableError)
    assert all(isinstance(one, LedgerUnavailableError) for one in answers[1:])
    assert database.writes == 2
    assert await world.positions() == []


async def test_record_fails_for_all_at_once_when_the_database_goes_away_between(
    world: World, make: Maker
) -> None:
    """One by one, the first outage is everybody's: not one deadline after the other."""

    def spoil(_: Event, __: int) -> str:
        database.fault = "not persisted"
        raise KeyUnavailableError(Code.GATEWAY_KEY_UNAVAILABLE)

    async with faulty(world) as (ledger, database):
        answers = await asyncio.gather(
            ledger.messages.record(make.acceptance(), sign=make.sign),
            ledger.messages.record(make.acceptance(), sign=spoil),
            *(ledger.messages.record(make.acceptance(), sign=make.sign) for _ in range(3)),
            return_exceptions=True,
        )

    assert [isinstance(one, LedgerUnavailableError) for one in answers] == [True] * 5
    assert database.writes == 2


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/ledger.db",
        pytest.param(
            "postgresql+asyncpg://nobody@localhost:1/nothing", marks=pytest.mark.postgresql
        ),
    ],
)
async def test_open_says_so_when_the_database_is_away(url: str) -> None:
    """Nothing foreign comes out, and no connection stays behind."""
    with pytest.raises(LedgerUnavailableError):
        async with open_ledger(url, limits=LIMITS):
            pytest.fail("there is nothing to open")


@pytest.mark.parametrize(
    "url", ["mysql://host/name", "sqlite:///:memory:", "secret nonsense", "sqlite://"]
)
async def test_open_refuses_a_url_of_another_kind(url: str) -> None:
    """The text says what to write, and does not repeat what may hold a password."""
    with pytest.raises(ConfigurationError, match="the ledger's URL") as refused:
        async with open_ledger(url):
            pytest.fail("there is nothing to open")

    assert "secret" not in str(refused.value)


async def test_record_gives_up_in_time_while_another_process_keeps_the_lock(
    world: World, make: Maker
) -> None:
    """A lock that is not given back is an outage, not a wait without end; then all goes on."""
    limits = replace(LIMITS, deadline=timedelta(milliseconds=500))
    async with world.open(limits) as ledger:
        async with locked(world):
            with pytest.raises(LedgerUnavailableError):
                await ledger.messages.record(make.acceptance(), sign=make.sign)

        await asyncio.sleep(0.2)
        recorded = await ledger.messages.record(make.acceptance(), sign=make.sign)

    assert isinstance(recorded, Recorded)


@asynccontextmanager
async def locked(world: World) -> AsyncIterator[None]:
    """Hold what every writer needs, as a process does that hangs in a transaction."""
    if world.dialect == "sqlite":
        engine = create_engine(world.url)
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield
            connection.rollback()
        engine.dispose()
        return
    server = create_async_engine(world.url)
    async with server.connect() as held:
        await held.exec_driver_sql("SELECT * FROM heads FOR UPDATE")
        yield
        await held.rollback()
    await server.dispose()


@pytest.mark.postgresql
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
async def test_ledger_recovers_when_the_server_dropped_its_connections(
    world: World, make: Maker
) -> None:
    """After a restart of PostgreSQL writes succeed at once, and reads at the second attempt."""
    drop = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with world.open() as ledger:
        await ledger.messages.record(make.acceptance(), sign=make.sign)
        await world.run(lambda connection: connection.execute(drop).all())

        recorded = await ledger.messages.record(make.acceptance(), sign=make.sign)
        with pytest.raises(LedgerUnavailableError):
            await ledger.directory.version()

        assert await ledger.directory.version() == 0

    assert isinstance(recorded, Recorded)


def test_translated_passes_our_own_errors_through() -> None:
    """What a signer says reaches whoever asked."""
    with pytest.raises(LedgerUnavailableError) as caught, translated():
        raise LedgerUnavailableError(Code.DRAINING)

    assert caught.value.code is Code.DRAINING

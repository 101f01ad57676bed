"""Does a client notice when something is missing that it has seen before?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
import structlog

from broker.desk import sign
from broker.desk.client import EnlaceClient
from broker.desk.failures import TakenBackError
from broker.desk.known_directory import BETWEEN_LOOKS, LOOKS, KnownDirectory
from broker.desk.profile import Profile
from broker.desk.session import Answer, Request
from broker.desk.wallet import Wallet
from broker.directory import DirectoryRecord
from broker.errors import ConfigurationError
from keys.act import ActTerms
from keys.act_kind import ActKind, ActReason
from keys.identifiers import KeyId
from tests.desk import world
from tests.desk.world import FakeClock
from tests.fakes.gateway import FakeGateway

STOLEN = KeyId("GT-int-sig-1")


@pytest.fixture
def before() -> DirectoryRecord:
    """Nobody has taken a key out."""
    return world.record()


@pytest.fixture
def suspended(before: DirectoryRecord) -> DirectoryRecord:
    """The same, and the desk's signature key was stolen."""
    act = ActTerms(
        kind=ActKind.SUSPEND,
        by=world.administrator("ana"),
        at=world.NOW - timedelta(days=1),
        reason=ActReason.STOLEN,
        keys=(STOLEN,),
    )
    statements = (*before.statements, world.acted(act))
    return replace(before, version=before.version + 1, statements=statements)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What the client remembers."""
    return tmp_path / "profile.seen.json"


@pytest.fixture
async def taken_back(
    gateway: FakeGateway,
    clock: FakeClock,
    file: Path,
    before: DirectoryRecord,
    suspended: DirectoryRecord,
) -> None:
    """A client has seen the act; then it stopped, and somebody took the act back."""
    gateway.record = suspended
    async with started(gateway, clock, file) as client:
        await client.directory()
    gateway.record = before


def forget(file: Path) -> None:
    """As a person does who knows that the exchange was set up anew."""
    file.unlink()


def damage(file: Path) -> None:
    """Write what is no memory."""
    file.write_bytes(b'{"seen": ["+12"]}')


@asynccontextmanager
async def started(
    gateway: FakeGateway,
    clock: FakeClock,
    file: Path,
    of: Callable[[str], Profile] = world.desk_profile,
) -> AsyncIterator[EnlaceClient]:
    """A client that was just started, and remembers in this file."""
    profile = replace(of(gateway.base_url), seen_file=file)
    wallet = Wallet(profile, world.held_keys(profile), world.pins())
    async with EnlaceClient.of_wallet(wallet, timing=clock.timing) as client:
        yield client


@pytest.mark.usefixtures("taken_back")
async def test_directory_is_refused_when_an_act_is_missing_since_the_last_start(
    gateway: FakeGateway, clock: FakeClock, file: Path
) -> None:
    """Whoever holds the gateway's ledger does not bring a stolen key back."""
    with structlog.testing.capture_logs() as logs:
        async with started(gateway, clock, file) as client:
            with pytest.raises(TakenBackError) as refused:
                await client.directory()

    assert refused.value.file == file
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("directory:taken-back", "error")
    ]
    assert clock.slept == [BETWEEN_LOOKS.total_seconds()] * (LOOKS - 1)


async def test_directory_keeps_what_was_seen_when_an_act_is_missing_meanwhile(
    gateway: FakeGateway,
    clock: FakeClock,
    file: Path,
    before: DirectoryRecord,
    suspended: DirectoryRecord,
) -> None:
    """A desk that runs does not stop for it: the key stays out, and what is new counts, too."""
    new = world.agency_statement(world.FISCALIA, "MX-fiscalia-2")
    gateway.record = suspended
    async with started(gateway, clock, file) as client:
        first = await client.directory()
        gateway.record = replace(before, version=9, statements=(*before.statements, new))

        second = await client.directory()

    assert first.desk_signature_key(STOLEN, world.NOW) is None
    assert second.desk_signature_key(STOLEN, world.NOW) is None
    assert second.message_key(KeyId("MX-fiscalia-2"), world.NOW) is not None


@pytest.mark.usefixtures("taken_back")
async def test_directory_is_asked_for_again_when_another_gateway_is_behind(
    gateway: FakeGateway,
    clock: FakeClock,
    file: Path,
    suspended: DirectoryRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gateways read once a second: that one has not read it yet is no alarm."""

    async def catch_up(_: float) -> None:
        gateway.record = suspended

    monkeypatch.setattr(clock, "sleep", catch_up)
    with structlog.testing.capture_logs() as logs:
        async with started(gateway, clock, file) as client:
            directory = await client.directory()

    assert directory.version == suspended.version
    assert logs == []


@pytest.mark.usefixtures("taken_back")
async def test_directory_counts_again_when_a_person_removes_the_file(
    gateway: FakeGateway, clock: FakeClock, file: Path
) -> None:
    """An exchange that was set up anew is believed once somebody has said so."""
    forget(file)

    async with started(gateway, clock, file) as client:
        directory = await client.directory()

    assert directory.desk_signature_key(STOLEN, world.NOW) is not None


async def test_client_does_not_start_when_its_memory_cannot_be_read(
    gateway: FakeGateway, clock: FakeClock, file: Path
) -> None:
    """Whoever could cut it short would make it forget."""
    damage(file)

    with pytest.raises(ConfigurationError, match="look why before you remove it"):
        async with started(gateway, clock, file):
            pass


@pytest.mark.usefixtures("taken_back")
async def test_send_sends_nothing_when_its_receipt_could_not_be_judged(
    gateway: FakeGateway, clock: FakeClock, file: Path
) -> None:
    """An error that comes afterwards would leave the sender in doubt."""
    async with started(gateway, clock, file, of=world.agency_profile) as client:
        with pytest.raises(TakenBackError):
            await client.send(sign.message_bytes(world.document(1)))

    assert gateway.messages == {}


async def test_directory_is_not_put_back_when_an_older_answer_comes_late(
    gateway: FakeGateway,
    clock: FakeClock,
    file: Path,
    before: DirectoryRecord,
) -> None:
    """One asks, and hears late that nothing has changed; another has seen meanwhile what has."""
    answered, gateway.record = asyncio.Event(), before
    newer = replace(before, version=before.version + 1)
    async with started(gateway, clock, file) as client:

        async def ask(request: Request) -> Answer:
            answer = await client._request(request)
            if answer.status == HTTPStatus.NOT_MODIFIED:
                answered.set()
                await asyncio.sleep(0.05)
            return answer

        known = KnownDirectory(ask, lambda: client.pins, clock.timing)
        await known.look()
        first = asyncio.create_task(known.look())
        await answered.wait()
        gateway.record = newer

        await asyncio.gather(first, known.look())

    assert known.current is not None
    assert known.current.version == newer.version


async def test_directory_is_judged_again_when_this_clock_was_slow(
    gateway: FakeGateway, clock: FakeClock, file: Path, before: DirectoryRecord
) -> None:
    """What seemed to come from the future counts as soon as the clock is right."""
    came = world.NOW + timedelta(hours=1)
    act = world.acted(
        ActTerms(kind=ActKind.SUSPEND, by=world.administrator("ana"), at=came, keys=(STOLEN,))
    )
    noted = (world.NOW - timedelta(days=20),) * len(before.statements)
    gateway.record = replace(before, statements=(*before.statements, act), recorded=(*noted, came))
    async with started(gateway, clock, file) as client:
        slow = await client.directory()
        clock.pass_time(timedelta(hours=2))

        right = await client.directory()

    assert slow.desk_signature_key(STOLEN, world.NOW) is not None
    assert right.desk_signature_key(STOLEN, clock.now) is None

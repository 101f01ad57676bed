"""A gateway in this process, and the two clients of the standard world."""

from collections.abc import AsyncIterator

import pytest

from broker.desk.client import EnlaceClient
from broker.desk.connection import ClientSettings
from broker.desk.profile import Profile
from tests.desk import world
from tests.desk.world import FakeClock
from tests.fakes.gateway import FakeClient, FakeGateway, serve


@pytest.fixture
def clock() -> FakeClock:
    """Stand still at noon."""
    return FakeClock()


@pytest.fixture
async def gateway(clock: FakeClock) -> AsyncIterator[FakeGateway]:
    """Serve the standard world."""
    record = world.record()
    directory, _ = world.verified(record)
    clients = {
        profile.client_id: FakeClient(
            subject=profile.subject,
            keys=(world.signing_key(profile.authentication_key).public,),
        )
        for profile in (
            world.agency_profile("https://any.test"),
            world.desk_profile("https://any.test"),
        )
    }
    fake = FakeGateway(
        clock=clock,
        issuer=world.ISSUER,
        clients=clients,
        record=record,
        directory=directory,
        receipt_key=world.signing_key("GW-receipt-1"),
        token_key=world.signing_key("GW-token-1"),
    )
    async with serve(fake):
        yield fake


def client_of(
    profile: Profile, clock: FakeClock, settings: ClientSettings | None = None
) -> EnlaceClient:
    """Make a client whose sleeps cost nothing."""
    return EnlaceClient(
        profile,
        world.held_keys(profile),
        world.pins(),
        settings=settings or ClientSettings(),
        timing=clock.timing,
    )


@pytest.fixture
async def agency(gateway: FakeGateway, clock: FakeClock) -> AsyncIterator[EnlaceClient]:
    """Fiscalia's client."""
    async with client_of(world.agency_profile(gateway.base_url), clock) as client:
        yield client


@pytest.fixture
async def desk(gateway: FakeGateway, clock: FakeClock) -> AsyncIterator[EnlaceClient]:
    """The desk's client."""
    async with client_of(world.desk_profile(gateway.base_url), clock) as client:
        yield client

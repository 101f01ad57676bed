"""Does the client keep its way in open, and give up when there is none?"""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from broker.desk.client import EnlaceClient
from broker.desk.connection import ClientSettings
from broker.desk.failures import AccessError, AnswerError, ProblemError, UnreachableError
from broker.desk.retry import RetryPolicy
from broker.errors import Code
from tests.desk import world
from tests.desk.conftest import client_of
from tests.desk.sending import MESSAGES, body, times
from tests.desk.world import FakeClock
from tests.fakes.gateway import DROP, FakeGateway, Fault


async def test_renew_nonce_when_the_gateway_has_forgotten_it(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """A request with an old nonce is made once more with the new one."""
    await agency.send(body())
    gateway.forget_nonces()

    await agency.send(body(2))

    assert times(gateway, MESSAGES) == 3
    assert gateway.token_requests == 2  # the first of them without a nonce


async def test_keep_newest_nonce_when_answers_bring_it(
    agency: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """While answers come, no request is made twice for its nonce."""
    for number in range(1, 6):
        await agency.send(body(number))
        clock.pass_time(timedelta(seconds=50))

    assert times(gateway, MESSAGES) == 5


async def test_give_up_when_the_gateway_asks_for_nonces_for_ever(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """A gateway that takes no nonce of its own is not asked in a loop."""
    gateway.faults[MESSAGES] += [Fault(status=401, code="proof-nonce")] * 9

    with pytest.raises(ProblemError) as refused:
        await agency.send(body())

    assert refused.value.code == Code.PROOF_NONCE
    assert times(gateway, MESSAGES) == 3


async def test_renew_token_before_it_ends(
    agency: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """A token of 300 s is renewed after 270."""
    await agency.send(body(1))
    clock.pass_time(timedelta(seconds=269))
    await agency.send(body(2))
    before = gateway.token_requests
    clock.pass_time(timedelta(seconds=1))
    await agency.send(body(3))

    assert gateway.token_requests == before + 1


async def test_renew_token_once_when_many_ask_at_the_same_time(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """One caller fetches, the others wait for it."""
    await asyncio.gather(*(agency.send(body(number)) for number in range(1, 9)))

    assert gateway.token_requests == 2  # without a nonce, and with it
    assert len(gateway.messages) == 8


async def test_renew_token_when_the_gateway_no_longer_takes_it(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """The gateway's token key may change at any time."""
    await agency.send(body())
    gateway.faults[MESSAGES] += [Fault(status=401, code="token-invalid")]

    await agency.send(body(2))

    assert len(gateway.messages) == 2


async def test_prove_again_when_a_proof_was_sent_twice(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """The HTTP library repeats a request by itself, proof and all; the next proof is new."""
    gateway.faults[f"{MESSAGES}/{world.message_id(1)}"] += [
        Fault(status=401, code="proof-replayed")
    ]
    await agency.send(body())

    status = await agency.status(world.message_id(1))

    assert status.id == world.message_id(1)


async def test_renew_token_for_half_its_life_when_it_is_short(
    agency: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """A short life is no reason to fetch a token for each request."""
    gateway.token_life = 20
    await agency.send(body(1))
    await agency.send(body(2))
    before = gateway.token_requests
    clock.pass_time(timedelta(seconds=10))
    await agency.send(body(3))

    assert (before, gateway.token_requests) == (2, 3)


async def test_authenticate_raises_when_the_client_is_refused(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """A refused client is told so at once, as OAuth names it."""
    members = {"error": "invalid_client", "error_description": "unknown"}
    gateway.faults["/oauth/token"] += [Fault(status=401, members=members)]

    with pytest.raises(AccessError) as refused:
        await agency.send(body())

    assert (refused.value.code, refused.value.detail) == ("invalid_client", "unknown")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"access_token": "a", "expires_in": 300, "token_type": "Bearer"}',
        b'{"access_token": 1, "expires_in": 300, "token_type": "DPoP"}',
        b'{"access_token": "a", "expires_in": "300", "token_type": "DPoP"}',
    ],
)
async def test_authenticate_raises_when_the_token_answer_is_malformed(
    agency: EnlaceClient, gateway: FakeGateway, raw: bytes
) -> None:
    """A token that is not bound to our key is not used."""
    gateway.faults["/oauth/token"] += [Fault(status=200, raw=raw)]

    with pytest.raises(AnswerError):
        await agency.send(body())


async def test_authenticate_asks_again_when_the_token_endpoint_is_busy(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """The token endpoint may be busy like any other."""
    gateway.faults["/oauth/token"] += [Fault(status=503), DROP]

    accepted = await agency.send(body())

    assert accepted.replayed is False


async def test_request_says_its_language_and_keeps_no_cookie(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """Refusals come in the language of the profile."""
    await agency.send(body())

    assert gateway.headers[-1]["Accept-Language"] == "en"
    assert "Cookie" not in gateway.headers[-1]


async def test_request_does_not_follow_where_it_is_sent(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """A token goes to one gateway only."""
    fault = Fault(status=302, raw=b"", headers={"Location": "https://elsewhere.test/"})
    gateway.faults[MESSAGES] += [fault]

    with pytest.raises(AnswerError):
        await agency.send(body())


async def test_connect_raises_when_the_client_was_not_entered(clock: FakeClock) -> None:
    """A wrong order of calls is a defect, not a refusal."""
    client = client_of(world.agency_profile("https://any.test"), clock)

    with pytest.raises(RuntimeError):
        await client.send(body())


async def test_send_is_unreachable_when_no_gateway_is_there(
    clock: FakeClock, unused_tcp_port: int
) -> None:
    """A refused connection is waited out like a broken one."""
    settings = ClientSettings(retries=RetryPolicy(deadline=timedelta(seconds=5)))
    profile = world.agency_profile(f"http://127.0.0.1:{unused_tcp_port}")
    async with client_of(profile, clock, settings) as client:
        with pytest.raises(UnreachableError, match="Connector"):
            await client.send(body())

    assert clock.slept == [0.5, 1.0, 2.0]


async def test_give_up_at_once_when_the_certificate_is_not_trusted(
    agency: EnlaceClient, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    """Time does not mend a certificate."""

    def fail(*_: object, **__: object) -> None:
        raise aiohttp.ClientConnectorCertificateError(None, ValueError("self-signed"))  # type: ignore[arg-type]

    monkeypatch.setattr(aiohttp.ClientSession, "post", fail)

    with pytest.raises(UnreachableError):
        await agency.send(body())

    assert clock.slept == []

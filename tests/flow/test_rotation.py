"""Do keys rotate under load, and is nothing lost, doubled, or sealed to a key that was out?"""

import asyncio
import json
import signal
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.desk.rewrap import Rewrapper
from broker.errors import Code
from broker.gateway.server import split_address
from broker.sandbox.rabbitmq_node import PrivateRabbitNode, private_rabbitmq_node
from keys import jws
from keys.act_kind import ActKind
from keys.identifiers import KeyId
from schemas.vocabulary import Country
from tests.flow.rotation_keepers import Keepers
from tests.flow.rotation_traffic import Traffic, traffic
from tests.flow.rotation_world import (
    IN_FORCE,
    GatewayProcess,
    RotatingWorld,
    agency_of,
    desk_of,
    plan_of,
    renew_certificate,
    rotating_world,
)
from tests.gateway.test_tls_reload import shows
from tests.services.rabbitmq import private_folder

MX, GT, HN, SV = Country.MEXICO, Country.GUATEMALA, Country.HONDURAS, Country.EL_SALVADOR
CR, PA, US = Country.COSTA_RICA, Country.PANAMA, Country.UNITED_STATES
TWO_PAIRS = plan_of((MX, GT), (HN, MX))
TEN_PAIRS = plan_of(
    *((MX, GT), (MX, HN), (GT, MX), (GT, US), (HN, SV)),
    *((HN, US), (SV, MX), (CR, PA), (PA, CR), (CR, HN)),
)
ORIGINS = {pair.origin for pair in TEN_PAIRS.pairs}
"""Six, and seven desks."""
SUSPENDED, COMPROMISED = SV, HN
PER_PAIR = 5
"""Messages a second: fifty on all."""
AT_LEAST_PER_SECOND = 25
"""Accepted, on the average of the whole run: outages, and a machine that does other things."""
REFUSED_WITHIN = timedelta(seconds=5)


async def test_rotation_of_a_desks_key_loses_nothing_when_messages_flow(tmp_path: Path) -> None:
    """The small one: two pairs, one gateway, new keys for each participant."""
    async with (
        rotating_world(tmp_path / "world", TWO_PAIRS) as rotating,
        traffic(rotating.world, TWO_PAIRS.pairs, per_second=5) as running,
    ):
        keepers = Keepers(rotating)
        await asyncio.sleep(1)

        await keepers.rotate_participants(2)
        await asyncio.sleep(2)
        await running.finish()

        used = running.require_active_keys(await rotating.directory())

    running.require_exactly_once()
    assert len(used) == 4


@pytest.mark.slow
@pytest.mark.rabbitmq
@pytest.mark.timeout(300)
async def test_every_key_rotates_twice_when_messages_flow(tmp_path: Path) -> None:
    """Every accepted message is opened once, and none was sealed to a key that was not active."""
    async with (
        private_rabbitmq_node(private_folder(tmp_path)) as node,
        rotating_world(tmp_path / "world", TEN_PAIRS, gateways=2, amqp_url=node.url) as rotating,
        traffic(rotating.world, TEN_PAIRS.pairs, per_second=PER_PAIR) as running,
    ):
        keepers, (one, other) = Keepers(rotating), rotating.gateways
        await asyncio.sleep(2)

        await together(rotate_everything(keepers, 2, running), one.restart())
        suspended = await suspend_and_lift(keepers, running)
        await other.restart(signal.SIGKILL)
        compromised = await compromise_and_replace(keepers, running)
        await together(rotate_everything(keepers, 3, running), restart(node))
        await together(one.restart(signal.SIGKILL), asyncio.sleep(1))
        await asyncio.sleep(2)
        await running.finish()

        directory = await rotating.directory()
        for desk in running.desks:
            assert await running.acknowledged_with(desk) == keepers.in_use[desk].signature
    used = running.require_active_keys(directory)
    figures = {
        "accepted": len(running.receipts),
        "seconds": running.seconds,
        "seconds_until_refused": suspended.until_refused.total_seconds(),
        "seconds_without_key": compromised.lasted.total_seconds(),
        "messages_by_key": used,
    }
    # For whoever wants to know; pytest keeps the folder.
    (tmp_path / "figures.json").write_text(json.dumps(figures, indent=2))

    running.require_exactly_once()
    rotating.require_calm_logs()
    # Three keys in turn; of the desk whose key was compromised, its successor too.
    assert len(running.require_evidence(directory)) == 3 * len(ORIGINS)
    assert {(each.sender, each.code) for each in running.refused} == {
        (agency_of(SUSPENDED), Code.SIGNATURE_INVALID)
    }
    assert len(running.receipts) / running.seconds > AT_LEAST_PER_SECOND
    assert len(used) == 3 * len(running.desks) + 1
    assert len({jws.read_header(each).kid for each in running.receipts.values()}) == 3
    assert suspended.until_refused < REFUSED_WITHIN
    for receipt in running.proofs(directory):
        suspension = suspended.since < receipt.at < suspended.until
        assert not (suspension and receipt.origin == agency_of(SUSPENDED))
        was_compromised = receipt.at > compromised.since
        assert not (was_compromised and compromised.kid in receipt.recipients.values())
    for owner in (rotating.world.exchange, *rotating.world.kits.values()):
        assert directory.roots[owner.owner].newest.version == 3


@pytest.mark.slow
@pytest.mark.rabbitmq
async def test_receipt_is_believed_when_another_gateway_does_not_state_its_key_yet(
    tmp_path: Path,
) -> None:
    """Gateways learn of a key within a second; nobody who asks the slower one errs."""
    async with (
        private_rabbitmq_node(private_folder(tmp_path)) as node,
        rotating_world(tmp_path / "world", TEN_PAIRS, gateways=3, amqp_url=node.url) as rotating,
        traffic(rotating.world, TEN_PAIRS.pairs, per_second=3) as running,
    ):
        keepers = Keepers(rotating)
        for number in range(2, 8):
            await asyncio.sleep(2.3)
            await keepers.rotate_gateways_keys(number, ahead=timedelta())
        await asyncio.sleep(2)
        await running.finish()

    running.require_exactly_once()


@dataclass(frozen=True, kw_only=True)
class Out:
    """A key that was taken out, from when until when."""

    kid: KeyId
    since: datetime
    """The act was committed."""
    until: datetime
    """The act that gave the key back, or its successor, was not yet committed."""
    refused_at: datetime

    @property
    def until_refused(self) -> timedelta:
        """From the commit to the first refusal."""
        return self.refused_at - self.since

    @property
    def lasted(self) -> timedelta:
        """How long there was no key."""
        return self.until - self.since


async def suspend_and_lift(keepers: Keepers, running: Traffic) -> Out:
    """One administrator suspends an agency's signing key; two give it back."""
    sender, kit = agency_of(SUSPENDED), keepers.rotating.world.kits[SUSPENDED]
    kid = keepers.in_use[sender].signature
    act = kit.alone(ActKind.SUSPEND, at=datetime.now(UTC), keys=[kid])
    since = await keepers.rotating.publish(act)
    refused = await running.first_refusal(sender, since)
    await asyncio.sleep(1)
    until = datetime.now(UTC)
    lift = kit.decide(ActKind.LIFT, keys=[kid], at=(until, until))
    await keepers.rotating.publish(*lift)
    return Out(kid=kid, since=since, until=until, refused_at=refused.at)


async def compromise_and_replace(keepers: Keepers, running: Traffic) -> Out:
    """One administrator says that others may hold a desk's key; two let a new one receive.

    The desk is away meanwhile. What waits for it is re-wrapped, and then the old key is erased.
    """
    desk, kit = desk_of(COMPROMISED), keepers.rotating.world.kits[COMPROMISED]
    kid = keepers.in_use[desk].encryption
    assert kid is not None
    await running.leave(desk)
    await asyncio.sleep(1)
    act = kit.alone(ActKind.COMPROMISE, at=datetime.now(UTC), keys=[kid])
    since = await keepers.rotating.publish(act)
    refusal = await running.try_once(next(p for p in TEN_PAIRS.pairs if p.desk == desk))
    assert (refusal.status, refusal.code) == (503, Code.RECIPIENT_KEY_UNAVAILABLE)
    refused_at = datetime.now(UTC)
    until = await keepers.replace_encryption(desk, 22)
    await running.clients[desk].wallet.look()
    totals = await Rewrapper(running.clients[desk]).run(kid)
    assert totals.rewrapped == totals.waiting > 0
    assert totals.left == []
    await keepers.erase(desk, kid)
    running.come(desk)
    return Out(kid=kid, since=since, until=until, refused_at=refused_at)


async def rotate_everything(keepers: Keepers, number: int, running: Traffic) -> None:
    """Let every kind of key in the exchange rotate once."""
    rotating = keepers.rotating
    await keepers.rotate_roots(number)
    await keepers.rotate_administrators(number)
    await keepers.rotate_gateways_keys(number)
    renew_certificate(rotating.world, rotating.authority, 10 * number)
    await keepers.rotate_participants(number)
    await keepers.change_passphrases(desk_of(GT), agency_of(MX))
    await asyncio.sleep(IN_FORCE.total_seconds())
    running.end_tokens()
    for gateway in rotating.gateways:
        await shows_certificate(rotating, gateway, 10 * number)
    await running.require_client_keys(
        {subject: each.authentication for subject, each in keepers.in_use.items()},
        token_key=KeyId(f"GW-token-{number}"),
    )


async def shows_certificate(rotating: RotatingWorld, gateway: GatewayProcess, number: int) -> None:
    """Wait until a gateway shows the certificate of that number."""
    port = split_address(gateway.listen)[1]
    client = ssl.create_default_context(cadata=rotating.authority.pem.decode())
    await shows(port, client, number)


async def restart(node: PrivateRabbitNode) -> None:
    """Stop RabbitMQ, and start it again after a while."""
    await node.stop()
    await asyncio.sleep(1)
    await node.start()


async def together(*parts: Coroutine[Any, Any, object]) -> None:
    """Do things at once, and all of them."""
    async with asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(part)

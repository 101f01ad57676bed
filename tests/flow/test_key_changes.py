"""Do messages flow on while every key of a desk changes under them?"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from broker import file_watch
from broker.desk import wallet as wallet_module
from broker.desk.client import EnlaceClient
from broker.desk.inbox import Inbox
from broker.desk.profile import Profile
from broker.desk.subscribe import Subscription
from broker.desk.wallet import FileWallet
from broker.evidence.receipts import verify_receipt
from broker.model.events import DeliveryState
from broker.model.names import MessageId
from broker.sandbox.countries import Holding
from broker.sandbox.kits import STATED
from keys import jws
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody.bundle import KeyBundle, write_bundle
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.secret import Passphrase
from schemas.loader import SchemaSet
from tests.desk.served import served_key
from tests.fakes.certificates import Authority, replace_file
from tests.flow.conftest import FISCALIA, GT_DESK, Running, lines, message, running
from tests.gateway.test_tls_reload import shows


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The three keys of a desk that change together."""

    authentication: SigningKey
    signature: SigningKey
    decryption: DecryptionKey

    @classmethod
    def of(cls, holding: Holding) -> "Generation":
        """The keys that a desk began with."""
        assert holding.decryption is not None
        return cls(
            authentication=holding.authentication,
            signature=holding.signature,
            decryption=holding.decryption,
        )

    @classmethod
    def new(cls, number: int) -> "Generation":
        """Draw the next ones."""

        def signing(name: str) -> SigningKey:
            kid = KeyId(f"GT-desk-intelligence-{name}-{number}")
            return SigningKey.generate(SignatureAlgorithm.ED25519, kid)

        kid = KeyId(f"GT-desk-intelligence-{number}")
        return cls(
            authentication=signing("client"),
            signature=signing("ack"),
            decryption=DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, kid),
        )


async def state_keys(exchange: Running, new: Generation) -> None:
    """Put the country's statements for new keys into the directory, as an administrator does."""
    kit = exchange.world.kits[GT_DESK.country]
    desk = Holder.desk(GT_DESK.country, GT_DESK.compartment)
    client_id = exchange.world.holdings[GT_DESK].client_id
    client = Holder.client(GT_DESK.country, client_id)
    stated = [
        kit.state(client, KeyUse.CLIENT_AUTHENTICATION, new.authentication.public),
        kit.state(desk, KeyUse.DESK_SIGNATURE, new.signature.public),
        kit.state(desk, KeyUse.DESK_ENCRYPTION, new.decryption.public),
    ]
    # Decided a day ago: what is looked at here are files, and not time-locks.
    at = (kit.now - timedelta(hours=40), kit.now - timedelta(hours=40))
    acts = kit.decide(ActKind.ACTIVATE, keys=[new.decryption.kid], at=at)
    async with exchange.directory_change() as store:
        await store.add_statements(stated, at=kit.now - STATED)
        await store.add_statements(acts, at=at[0])


def put_bundle(folder: Path, old: Generation, new: Generation, passphrase: str) -> None:
    """Put all keys in place, old and new, under another passphrase."""
    keys = [old.authentication, old.signature, old.decryption]
    keys += [new.authentication, new.signature, new.decryption]
    beside, closed_with = folder / "client.key.new", Passphrase.from_text(passphrase)
    write_bundle(beside, KeyBundle.of(keys), closed_with, cost=INTERACTIVE_DEMO)
    beside.replace(folder / "client.key")
    replace_file(folder / "passphrase", passphrase.encode())


def name_keys(folder: Path, old: Generation, new: Generation) -> None:
    """Let the profile name the new keys, once their statements are with the gateway."""
    text = (folder / "profile.toml").read_text()
    text = text.replace(f'"{old.authentication.kid}"', f'"{new.authentication.kid}"')
    text = text.replace(f'"{old.signature.kid}"', f'"{new.signature.kid}"')
    replace_file(folder / "profile.toml", text.encode())


@asynccontextmanager
async def subscribed(client: EnlaceClient, folder: Path) -> AsyncIterator["asyncio.Task[None]"]:
    """Subscribe for as long as the context lasts."""
    with Inbox(folder / "inbox.jsonl") as inbox, Inbox(folder / "refused.jsonl") as refused:
        schemas = SchemaSet.load()
        subscription = Subscription(client, inbox=inbox, refused=refused, schemas=schemas)
        running_on = asyncio.create_task(subscription.run())
        try:
            yield running_on
        finally:
            running_on.cancel()
            with suppress(asyncio.CancelledError):
                await running_on


@dataclass(frozen=True, kw_only=True)
class Proven:
    """Which keys a message's evidence names."""

    sealed_to: KeyId
    acknowledged_with: str


async def travel(exchange: Running) -> Proven:
    """Send a message, wait for the desk's acknowledgement, and read what it proves."""
    sender = await exchange.client(FISCALIA)
    message_id = MessageId(await exchange.post(message()))
    async with asyncio.timeout(20):
        while True:
            status = await sender.status(message_id)
            if status.recipients[0].state is DeliveryState.ACKNOWLEDGED:
                break
            await asyncio.sleep(0.05)
    keys = exchange.receipt_keys
    evidence = status.recipients[0].desk_evidence
    assert evidence is not None
    receipt = verify_receipt(status.receipt, find_key=keys.get)
    return Proven(
        sealed_to=receipt.recipients[GT_DESK],
        acknowledged_with=jws.read_header(evidence).kid,
    )


async def test_subscription_goes_on_when_all_keys_of_the_desk_change_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client, signature and decryption key, passphrase and profile change; nobody starts anew."""
    monkeypatch.setattr(wallet_module, "LOOK_EVERY", timedelta())
    async with running(tmp_path / "exchange") as exchange:
        folder = exchange.world.folder_of(GT_DESK)
        generations = [Generation.of(exchange.world.holdings[GT_DESK])]
        wallet = FileWallet(Profile.load(folder), environ={}, minimum=INTERACTIVE_DEMO)
        proven, served = [], []
        async with EnlaceClient.of_wallet(wallet) as client, subscribed(client, folder) as task:
            proven.append(await travel(exchange))
            for number in (2, 3):
                old, new = generations[-1], Generation.new(number)
                generations.append(new)
                on_the_way = asyncio.create_task(travel(exchange))
                put_bundle(folder, old, new, f"passphrase {number}")
                await state_keys(exchange, new)
                name_keys(folder, old, new)
                # Its token comes to its end, and the next one is asked for with the new key.
                client._opened().tokens._token = None
                await on_the_way
                proven.append(await travel(exchange))
                served.append(served_key(client))
            goes_on = not task.done()

        inbox = lines(folder / "inbox.jsonl")
    expected = [
        Proven(sealed_to=each.decryption.kid, acknowledged_with=each.signature.kid)
        for each in generations
    ]
    assert goes_on
    assert proven == expected
    assert served == [each.authentication for each in generations[1:]]
    assert len({each["id"] for each in inbox}) == len(inbox) == 5
    assert lines(folder / "refused.jsonl") == []


async def test_client_trusts_another_authority_when_the_gateway_changes_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real TLS: the next connection of a running client is held against the new file."""
    monkeypatch.setattr(file_watch, "INTERVAL", file_watch.INTERVAL / 20)
    async with running(tmp_path / "exchange") as exchange:
        world, authority = exchange.world, Authority()
        folder = world.folder_of(GT_DESK)
        wallet = FileWallet(Profile.load(folder), environ={}, minimum=INTERACTIVE_DEMO)
        async with EnlaceClient.of_wallet(wallet) as client:
            before = await client.queues()
            files = [world.folder / "tls" / name for name in ("gateway.pem", "gateway.key")]
            authority.issue(20).write(*files)
            port = int(world.settings.listen.rpartition(":")[2])
            await shows(port, ssl.create_default_context(cadata=authority.pem.decode()), 20)
            # Nobody's connection was cut for it.
            between = await client.queues()
            replace_file(folder / "ca.pem", authority.pem)
            await client.wallet.look()

            after = await client.queues()

    assert before == between == after

"""From a desk's old key to its active one, over the real gateway; nothing stays open."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from broker.cli.exit_codes import ExitCode
from broker.cli.main import run
from broker.desk import rewrap as desk_rewrap
from broker.desk.client import EnlaceClient
from broker.desk.failures import UnreachableError
from broker.desk.held_keys import HeldKeys
from broker.desk.rewrap import Rewrapper, RewrapTotals
from broker.desk.wire import ContentRef
from broker.desk.wraps import Moved
from broker.errors import ConfigurationError, UnsealError
from broker.model.names import MessageId
from broker.sandbox.kits import STATED
from broker.sealing.unseal import unseal
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.custody.bundle import KeyBundle, read_bundle, write_bundle
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse
from keys.secret import Passphrase
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, Running, message, running


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """An exchange whose Guatemalan desk has a next key that the country has stated."""

    exchange: Running
    old: DecryptionKey
    new: DecryptionKey

    def client(self, *keys: DecryptionKey) -> EnlaceClient:
        """A client of the desk that holds these keys."""
        world = self.exchange.world
        held = HeldKeys.of(world.holdings[GT_DESK].bundle, world.profile(GT_DESK))
        decryption = {key.kid: key for key in keys}
        held = replace(held, decryption=decryption)
        return EnlaceClient(world.profile(GT_DESK), held, world.pins)

    async def rewrap(self, **settings: object) -> RewrapTotals:
        """Run with both keys at hand."""
        async with self.client(self.old, self.new) as client:
            return await Rewrapper(client).run(self.old.kid, **settings)  # type: ignore[arg-type]

    def sealed(self) -> list[bytes]:
        """What lies in the ledger."""
        file = self.exchange.world.settings.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file)) as connection:
            return [row[0] for row in connection.execute("SELECT sealed FROM messages")]


def opens(sealed: bytes, key: DecryptionKey) -> bool:
    """Whether this key opens it."""
    try:
        unseal(sealed, {key.kid: key})
    except UnsealError:
        return False
    return True


@asynccontextmanager
async def rotating(folder: Path, posted: int) -> AsyncIterator[tuple[Rotation, list[str]]]:
    """Post messages to the old key, then have the country state the next one."""
    async with running(folder) as exchange:
        world = exchange.world
        old, kit = world.holdings[GT_DESK].decryption, world.kits[GT_DESK.country]
        assert old is not None
        new = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId("GT-next-2"))
        to = {"countries": ["GT", "HN"], "compartment": "intelligence"}
        ids = [await exchange.post(message(to=to)) for _ in range(posted)]
        holder = Holder.desk(GT_DESK.country, GT_DESK.compartment)
        stated = kit.state(holder, KeyUse.DESK_ENCRYPTION, new.public)
        # Longer ago than the time-lock: it is the active key as soon as the gateway reads it.
        at = (kit.now - timedelta(hours=40), kit.now - timedelta(hours=39))
        proposal, approval = kit.decide(ActKind.ACTIVATE, keys=[new.kid], at=at)
        async with exchange.directory_change() as store:
            await store.add_statements([stated], at=kit.now - STATED)
            await store.add_statements([proposal], at=at[0])
            await store.add_statements([approval], at=at[1])
        yield Rotation(exchange=exchange, old=old, new=new), ids


async def test_rewrap_leaves_nothing_that_the_old_key_opens(tmp_path: Path) -> None:
    """The new key opens all, the old none; receipts, hashes and the other desk's entry stay."""
    async with rotating(tmp_path / "exchange", 3) as (rotation, ids):
        sender = await rotation.exchange.client(FISCALIA)
        before = [await sender.status(MessageId(each)) for each in ids]
        honduras = rotation.exchange.world.holdings[HN_DESK].decryption
        assert honduras is not None
        assert all(opens(each, rotation.old) for each in rotation.sealed())

        totals = await rotation.rewrap()

        assert (totals.waiting, totals.rewrapped, totals.left) == (3, 3, [])
        for sealed in rotation.sealed():
            assert [opens(sealed, key) for key in (rotation.old, rotation.new, honduras)] == [
                False,
                True,
                True,
            ]
        assert [await sender.status(MessageId(each)) for each in ids] == before
        async with rotation.client(rotation.new) as only_new:
            rotation.exchange.clients[GT_DESK] = only_new
            received = await rotation.exchange.receive(GT_DESK)
        assert {each["message"]["id"] for each in received} == set(ids)


async def test_rewrap_goes_on_when_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the first batch, the second run does the rest and only that."""
    monkeypatch.setattr(desk_rewrap, "BATCH", 2)

    def stop(_: RewrapTotals) -> None:
        raise InterruptedError

    async with rotating(tmp_path / "exchange", 5) as (rotation, _):
        with pytest.raises(InterruptedError):
            await rotation.rewrap(on_progress=stop)

        totals = await rotation.rewrap()
        again = await rotation.rewrap()

        assert (totals.waiting, totals.rewrapped, totals.left) == (3, 3, [])
        assert (again.waiting, again.rewrapped) == (0, 0)
        assert not any(opens(each, rotation.old) for each in rotation.sealed())


async def test_rewrap_loses_nothing_when_an_answer_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded but reported failed: nothing is left to do, and a repeat gets the first receipt."""
    genuine = EnlaceClient.rewrap
    lost: list[tuple[list[str], list[ContentRef]]] = []

    async def lose(
        self: EnlaceClient, tokens: list[str], refs: list[ContentRef], *, new: KeyId
    ) -> object:
        lost.append((tokens, refs))
        await genuine(self, tokens, refs, new=new)
        raise UnreachableError("lost")

    async with rotating(tmp_path / "exchange", 2) as (rotation, _):
        with monkeypatch.context() as patch:
            patch.setattr(EnlaceClient, "rewrap", lose)
            with pytest.raises(UnreachableError):
                await rotation.rewrap()

        totals = await rotation.rewrap()
        [(tokens, refs)] = lost
        async with rotation.client(rotation.new) as client:
            repeated = [await client.rewrap(tokens, refs, new=rotation.new.kid) for _ in range(2)]

        assert (totals.waiting, totals.rewrapped) == (0, 0)
        assert all(isinstance(each, Moved) for each in repeated[0])
        assert repeated[0] == repeated[1]


async def test_rewrap_names_what_it_could_not_open_and_keeps_it(tmp_path: Path) -> None:
    """A damaged entry stays as it is, is named, and keeps none of the others."""
    async with rotating(tmp_path / "exchange", 3) as (rotation, ids):
        file = rotation.exchange.world.settings.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file)) as connection, connection:
            [sealed] = connection.execute(
                "SELECT sealed FROM messages WHERE message_id = ?", (ids[1],)
            ).fetchone()
            members = json.loads(sealed)
            entry = next(
                each for each in members["recipients"] if each["header"]["kid"] == rotation.old.kid
            )
            entry["encrypted_key"] = "A" * 64
            connection.execute(
                "UPDATE messages SET sealed = ? WHERE message_id = ?",
                (json.dumps(members, sort_keys=True, separators=(",", ":")).encode(), ids[1]),
            )

        totals = await rotation.rewrap()

        assert totals.rewrapped == 2
        assert [(each.ref.message_id, each.code) for each in totals.left] == [
            (ids[1], "cannot-open")
        ]


async def test_rewrap_refuses_keys_that_are_not_at_hand(tmp_path: Path) -> None:
    """Neither to a key that it could not open with, nor from the active one to itself."""
    async with rotating(tmp_path / "exchange", 1) as (rotation, _):
        for keys, old in (
            ([rotation.old], rotation.old.kid),
            ([rotation.new], rotation.old.kid),
            ([rotation.new], rotation.new.kid),
        ):
            async with rotation.client(*keys) as client:
                with pytest.raises(ConfigurationError):
                    await Rewrapper(client).run(old)

        assert all(opens(each, rotation.old) for each in rotation.sealed())


async def test_message_waits_when_a_colleague_has_rewrapped_it(tmp_path: Path) -> None:
    """A process that holds only the old key leaves it unanswered; it is not refused."""
    async with rotating(tmp_path / "exchange", 1) as (rotation, ids):
        await rotation.rewrap()
        async with rotation.client(rotation.old) as only_old:
            rotation.exchange.clients[GT_DESK] = only_old
            with pytest.raises(Exception, match="not in the key file here"):
                await rotation.exchange.receive(GT_DESK)

        sender = await rotation.exchange.client(FISCALIA)
        status = await sender.status(MessageId(ids[0]))
        states = {each.desk: each.state.value for each in status.recipients}
        assert states[GT_DESK] in {"delivered", "dispatched"}


@pytest.fixture
def fresh_logs() -> Iterator[None]:
    """Let no command's logging outlive its test."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("fresh_logs")
async def test_keys_rewrap_takes_what_waits_to_the_active_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command, with the keys in their file: a summary on standard output, status 0."""
    async with rotating(tmp_path / "exchange", 2) as (rotation, _):
        world = rotation.exchange.world
        folder, bundle = world.folder_of(GT_DESK), world.holdings[GT_DESK].bundle
        (folder / "client.key").unlink()
        passphrase = Passphrase.from_text((folder / "passphrase").read_text())
        keys = KeyBundle.of([*bundle.signing.values(), rotation.old, rotation.new])
        write_bundle(folder / "client.key", keys, passphrase)
        command = ["--json", "keys", "rewrap", rotation.old.kid, "--profile", str(folder)]

        codes = [await asyncio.to_thread(run, command) for _ in range(2)]
        misnamed = await asyncio.to_thread(run, ["keys", "rewrap", "nonsense"])
        absent = await asyncio.to_thread(run, [*command[:3], "GT-absent-9", *command[4:]])

        assert codes == [0, 0]
        assert (misnamed, absent) == (ExitCode.USAGE, ExitCode.USAGE)
        # The gateway runs in this process, and logs to the same place.
        written = capfd.readouterr().out.splitlines()
        shown = [json.loads(line) for line in written if line.startswith("{")]
        assert [each["rewrapped"] for each in shown] == [2, 0]
        assert {each["new"] for each in shown} == {rotation.new.kid}


@pytest.mark.usefixtures("fresh_logs")
async def test_keys_erase_lets_a_key_go_when_two_have_agreed_and_nothing_waits(
    tmp_path: Path,
) -> None:
    """Refused before the decision, and while a message waits; afterwards the key is gone."""
    async with rotating(tmp_path / "exchange", 1) as (rotation, _):
        world, kid = rotation.exchange.world, rotation.old.kid
        folder, bundle = world.folder_of(GT_DESK), world.holdings[GT_DESK].bundle
        (folder / "client.key").unlink()
        passphrase = Passphrase.from_text((folder / "passphrase").read_text())
        keys = KeyBundle.of([*bundle.signing.values(), rotation.old, rotation.new])
        write_bundle(folder / "client.key", keys, passphrase)
        command = ["keys", "erase", kid, "--yes", "--profile", str(folder)]

        undecided = await asyncio.to_thread(run, command)
        kit = world.kits[GT_DESK.country]
        at = (kit.now - timedelta(hours=38), kit.now - timedelta(hours=37))
        acts = kit.decide(ActKind.DESTROY, keys=[kid], at=at)
        async with rotation.exchange.directory_change() as store:
            for token, moment in zip(acts, at, strict=True):
                await store.add_statements([token], at=moment)
        waiting = await asyncio.to_thread(run, command)
        await rotation.rewrap()
        erased = await asyncio.to_thread(run, command)

        assert (undecided, waiting, erased) == (ExitCode.USAGE, ExitCode.USAGE, ExitCode.OK)
        assert kid not in read_bundle(folder / "client.key", passphrase).decryption

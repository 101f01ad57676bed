"""A key is declared compromised: who is told, and what becomes of what still waits?"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.cli.exit_codes import ExitCode
from broker.cli.notices import _rows
from broker.desk.leave_compromised import leave_compromised
from broker.key_watch import KeyWatch
from broker.notices import Notices
from broker.storage.ledger import open_ledger
from keys.act_kind import ActKind
from tests.flow.conftest import FISCALIA, GT_DESK
from tests.flow.test_rewrap import rotating


async def test_compromise_tells_the_origin_and_moves_what_waits(tmp_path: Path) -> None:
    """One notice names exactly the messages; the desk leaves the key by itself."""
    async with rotating(tmp_path / "exchange", 2) as (rotation, ids):
        exchange = rotation.exchange
        kit, now = exchange.world.kits[GT_DESK.country], datetime.now(UTC)
        act = kit.alone(ActKind.COMPROMISE, at=now, keys=[rotation.old.kid])
        await exchange.decide(act)
        async with open_ledger(exchange.world.settings.database_url) as ledger:
            watch = KeyWatch(
                directory=exchange.gateway.directory,
                ledger=ledger.keys,
                notices=Notices(
                    ledger=ledger.keys,
                    sign=exchange.gateway.keys.sign_notice,  # type: ignore[attr-defined]
                    issuer=exchange.world.settings.base_url,
                ),
                clock=lambda: datetime.now(UTC),
            )
            for _ in range(2):
                await watch.look()
            pickups = {one.party: one.version for one in await ledger.keys.pickups()}

        sender = await exchange.client(FISCALIA)
        told = await sender.notices()
        async with rotation.client(rotation.old, rotation.new) as desk:
            moved = await leave_compromised(desk)

        [notice] = told
        assert (notice.event, notice.kid) == ("key-compromised", rotation.old.kid)
        assert {mid for mid, _, desk in notice.deliveries if desk == str(GT_DESK)} == {*ids}
        assert {row["id"] for row in _rows(notice)} == {*ids}
        assert await sender.notices(after=notice.number) == ()
        assert moved == len(ids)
        assert pickups[watch.name] == exchange.gateway.directory.current.version
        assert any(party.startswith("mx-") for party in pickups)
        assert ExitCode.ACTION_NEEDED == 7


async def test_unratified_act_is_told_when_nobody_agrees_in_time(tmp_path: Path) -> None:
    """After a day the log says so, and it stays in force."""
    async with rotating(tmp_path / "exchange", 0) as (rotation, _):
        exchange = rotation.exchange
        kit, old = exchange.world.kits[GT_DESK.country], rotation.old.kid
        at = kit.now - timedelta(hours=25)
        act = kit.alone(ActKind.SUSPEND, at=at, keys=[old])
        async with exchange.directory_change() as store:
            await store.add_statements([act], at=at)

        decisions = exchange.gateway.directory.current.decisions

        assert [one.act.token for one in decisions.unratified(datetime.now(UTC))] == [act]

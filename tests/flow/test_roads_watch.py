"""One person takes a road away: who hears of it, and who sees by whom (SG-14)?"""

from datetime import UTC, datetime
from pathlib import Path

from structlog.testing import capture_logs

from keys.act_kind import ActKind
from keys.channel import ChannelState
from schemas.vocabulary import Country
from tests.flow.conftest import GT_DESK, running
from tests.flow.test_requests import ASKING, CHANNEL


async def test_taking_a_road_away_is_loud_and_signed(tmp_path: Path) -> None:
    """The operator is warned once; each member's client has the act, with who signed it."""
    async with running(tmp_path / "exchange", plan=ASKING) as exchange:
        kit = exchange.world.kits[Country.MEXICO]
        member = await exchange.client(GT_DESK)
        act = kit.alone(ActKind.SUSPEND_CHANNEL, at=datetime.now(UTC), channel=CHANNEL)

        with capture_logs() as logs:
            await exchange.decide(act)
            await exchange.close(exchange.pair(GT_DESK))
            await exchange.gateway.directory.refresh()

        warned = [each for each in logs if each["event"] == "road:taken-away"]
        assert [(one["log_level"], one["kind"], one["roads"], one["owner"]) for one in warned] == [
            ("warning", "suspend-channel", [CHANNEL], "MX"),
            ("warning", "close", ["MX.GT.intelligence"], "GW"),
        ]
        seen = await member.directory()
        channel = seen.channel(CHANNEL)
        assert channel is not None
        assert channel.state(datetime.now(UTC)) is ChannelState.SUSPENDED
        [suspended] = [
            one.act
            for one in seen.decisions.by_id.values()
            if one.act.kind is ActKind.SUSPEND_CHANNEL
        ]
        assert str(suspended.by).startswith("MX")
        assert suspended.id == warned[0]["act"]

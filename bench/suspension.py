"""How long after an administrator's act does a gateway refuse the key? Over HTTPS, by the clock."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from bench.load import Author
from bench.stage import LOADED, SENDER
from broker.desk.failures import ProblemError
from broker.model.names import Pair
from broker.sandbox.world import Plan, make_world
from broker.storage.ledger import open_ledger
from broker.wiring.run import running_gateway
from keys.act_kind import ActKind
from keys.custody.envelope import INTERACTIVE_DEMO
from schemas.vocabulary import AgencyFunction

LONGEST: Final = 10.0
"""Seconds after which the measurement gives up: twice what is promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """From the commit of the act to the first refused post, in seconds."""

    seconds: Sequence[float]

    def line(self) -> str:
        """Say it for the table."""
        return (
            f"suspend to first refusal, {len(self.seconds)} times: "
            f"median {median(self.seconds):.2f} s, longest {max(self.seconds):.2f} s"
        )


async def measure_suspension(folder: Path, *, times: int) -> Suspension:
    """Suspend an agency's key and post until it is refused, each time in a new exchange."""
    return Suspension(seconds=[await _once(folder / str(number)) for number in range(times)])


async def _once(folder: Path) -> float:
    plan = Plan(
        agencies={SENDER: (AgencyFunction.PROSECUTION, "FGR")},
        desks=frozenset({LOADED}),
        pairs=frozenset({Pair(origin=SENDER.country, desk=LOADED)}),
    )
    world = await make_world(folder, plan, cost=INTERACTIVE_DEMO)
    author, kit = Author.of(world, SENDER, LOADED), world.kits[SENDER.country]
    async with (
        running_gateway(world.settings, minimum=INTERACTIVE_DEMO),
        world.client(SENDER) as client,
        open_ledger(world.settings.database_url) as ledger,
    ):
        await client.send(author.write())
        now = datetime.now(UTC)
        act = kit.alone(ActKind.SUSPEND, at=now, keys=[author.key.kid])
        await ledger.directory.add_statements([act], at=now)
        begun = time.monotonic()
        while time.monotonic() - begun < LONGEST:
            try:
                await client.send(author.write())
            except ProblemError:
                return time.monotonic() - begun
    raise RuntimeError("the suspended key was not refused")

"""What does a message to a channel cost, beside one to a single country?

The same report, the same gateway, in turn: to a pair, and to channels of 2, 5 and 11 members.
The sender gets no copy, so a channel of two has one recipient, as the pair has.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.load import Author, Caller, Target
from bench.services import Child, environment_of, running
from bench.stage import LIMITS, LOADED, SENDER
from broker.desk.tls import client_context
from broker.gateway.server import split_address
from broker.model.names import AgencyRef, DeskRef, Pair
from broker.sandbox.world import Plan, World, make_world
from keys.charter import ChannelName, Charter, Sealing
from keys.custody.envelope import INTERACTIVE_DEMO
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind

PAIR: Final = "pair"
CLIENTS: Final = 16
MEMBERS: Final = (2, 5, 11)
HIDDEN: Final = "11 members, hidden from each other"
AIM: Final = 2.5
"""For eleven members, over one recipient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """Where messages went, and what one cost the gateway."""

    name: str
    recipients: int
    accept_us: float
    """CPU of the accept path, relay held."""
    over_pair: float


def charter_of(name: str, members: Sequence[Country], *, shows: bool = True) -> Charter:
    """Write the charter of a channel of these countries, each with one agency."""
    return Charter(
        channel=ChannelName(name),
        version=1,
        title=name,
        purpose="Measurement",
        legal_basis="None",
        compartment=Compartment.INTELLIGENCE,
        kinds=frozenset({Kind.ROUTE_REPORT}),
        ceiling=HandlingCode.H3,
        sealing=Sealing.GATEWAY,
        shows_recipients=shows,
        review=datetime.now(UTC).replace(microsecond=0) + timedelta(days=365),
        conveners=frozenset(members[:1]),
        members=dict.fromkeys(members, (SENDER.agency,)),
    )


def agencies() -> Mapping[AgencyRef, tuple[AgencyFunction, str]]:
    """One of each country: what nobody there may read is not sent there."""
    return {
        AgencyRef(country=country, agency=SENDER.agency): (AgencyFunction.PROSECUTION, "Fiscalía")
        for country in Country
    }


async def measure_fan_out(folder: Path, *, messages: int, repeats: int) -> list[Road]:
    """Post to each road in turn, the first time only to warm up."""
    countries = [SENDER.country, *(one for one in Country if one is not SENDER.country)]
    named = {f"{number} members": countries[:number] for number in MEMBERS}
    charters = [charter_of(f"of-{len(members)}", members) for members in named.values()]
    quiet = charter_of("quiet", countries, shows=False)
    world = await make_world(folder, _plan((*charters, quiet)), cost=INTERACTIVE_DEMO, **LIMITS)
    pair = Author.of(world, SENDER, LOADED)
    authors = {PAIR: pair} | {
        name: _to(pair, one.channel) for name, one in zip(named, charters, strict=True)
    }
    authors[HIDDEN] = _to(pair, quiet.channel)
    samples: dict[str, list[float]] = {name: [] for name in authors}
    async with running("bench.gateway_process", environ=environment_of(world.settings)) as gateway:
        for repeat in range(repeats + 1):
            for name in authors if repeat % 2 else reversed(authors):
                cost = await _post(world, gateway, authors[name], messages)
                if repeat:
                    samples[name].append(cost)
    recipients = {PAIR: 1, HIDDEN: len(countries) - 1} | {
        name: len(members) - 1 for name, members in named.items()
    }
    return _roads(samples, recipients)


def _roads(samples: Mapping[str, Sequence[float]], recipients: Mapping[str, int]) -> list[Road]:
    medians = {name: statistics.median(costs) for name, costs in samples.items()}
    return [
        Road(
            name=name,
            recipients=recipients[name],
            accept_us=cost,
            over_pair=cost / medians[PAIR],
        )
        for name, cost in medians.items()
    ]


async def _post(world: World, gateway: Child, author: Author, number: int) -> float:
    """Post with the relay held; return the gateway's CPU for each, in microseconds."""
    await gateway.ask("hold")
    caller = Caller(world=world, subject=SENDER)
    await caller.log_in()
    requests = [caller.request(author.write()) for _ in range(number)]
    tls = client_context(world.folder / "tls" / "ca.pem")
    lines = await Target(address=split_address(world.settings.listen), tls=tls).open(CLIENTS)
    await gateway.ask("collect")
    before = (await gateway.ask("usage"))["cpu_us"]
    await lines.send(requests)
    spent = (await gateway.ask("usage"))["cpu_us"] - before
    await lines.close()
    return spent / number


def _to(author: Author, channel: ChannelName) -> Author:
    return replace(author, template={**author.template, "to": {"channel": channel}})


def _plan(charters: tuple[Charter, ...]) -> Plan:
    return Plan(
        agencies=agencies(),
        desks=frozenset(
            DeskRef(country=country, compartment=Compartment.INTELLIGENCE) for country in Country
        ),
        pairs=frozenset({Pair(origin=SENDER.country, desk=LOADED)}),
        channels=charters,
    )

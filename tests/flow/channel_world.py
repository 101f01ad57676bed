"""Exchanges that have channels, for tests: three members, two kinds of charter."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from broker.model.names import AgencyRef, DeskRef, Pair
from broker.sandbox.world import Plan, make_world
from broker.wiring.run import running_gateway
from keys.act_kind import ActKind
from keys.charter import ChannelName, Charter, Sealing
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.policy import STANDARD_KEY_POLICY
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind
from tests.flow.conftest import AGENCIES, FISCALIA, GT_DESK, HN_DESK, MX_DESK, Document, Running

MX, GT, HN, SV = Country.MEXICO, Country.GUATEMALA, Country.HONDURAS, Country.EL_SALVADOR
SV_DESK = DeskRef(country=SV, compartment=Compartment.INTELLIGENCE)
GT_PROTECTION = DeskRef(country=GT, compartment=Compartment.PROTECTION)
HN_PROTECTION = DeskRef(country=HN, compartment=Compartment.PROTECTION)
MP = AgencyRef(country=GT, agency="mp")
HN_MP = AgencyRef(country=HN, agency="mp")
PGN = AgencyRef(country=GT, agency="pgn")
TRIO, QUIET, CARE = ChannelName("trio"), ChannelName("quiet"), ChannelName("care")
LOCK = STANDARD_KEY_POLICY.time_lock
MEMBERS: Mapping[Country, tuple[str, ...]] = {MX: ("fgr",), GT: ("mp",), HN: ("mp",)}


def charter(channel: ChannelName = TRIO, **terms: Any) -> Charter:
    """A charter of Mexico, Guatemala and Honduras for intelligence; ``terms`` replace its own."""
    whole = {
        "channel": channel,
        "version": 1,
        "title": "Mexico, Guatemala, Honduras",
        "purpose": "Joint analysis of smuggling routes",
        "legal_basis": "Palermo Convention, Article 27",
        "compartment": Compartment.INTELLIGENCE,
        "kinds": frozenset({Kind.ROUTE_REPORT}),
        "ceiling": HandlingCode.H2,
        "sealing": Sealing.GATEWAY,
        "shows_recipients": True,
        # Whole seconds: that is how a charter is written.
        "review": datetime.now(UTC).replace(microsecond=0) + timedelta(days=300),
        "conveners": frozenset({GT, MX}),
        "members": MEMBERS,
        **terms,
    }
    return Charter(**whole)


def care() -> Charter:
    """A channel for protection, between two authorities for children.

    Not for referrals: their envelope names the desk, and a channel's message does not.
    """
    return charter(
        CARE,
        compartment=Compartment.PROTECTION,
        kinds=frozenset({Kind.VULNERABILITY_REPORT}),
        members={GT: ("pgn",), HN: ("dinaf",)},
        conveners=frozenset({GT}),
    )


PLAN = Plan(
    agencies={
        **AGENCIES,
        MP: (AgencyFunction.PROSECUTION, "Ministerio Público"),
        HN_MP: (AgencyFunction.PROSECUTION, "Ministerio Público"),
        AgencyRef(country=HN, agency="dinaf"): (AgencyFunction.CHILD_PROTECTION, "DINAF"),
        AgencyRef(country=SV, agency="pnc"): (AgencyFunction.POLICE_INTELLIGENCE, "PNC"),
        AgencyRef(country=MX, agency="uif"): (AgencyFunction.PROSECUTION, "Another of Mexico"),
    },
    desks=frozenset({GT_DESK, HN_DESK, MX_DESK, SV_DESK, GT_PROTECTION, HN_PROTECTION}),
    pairs=frozenset(
        {
            Pair(origin=MX, desk=GT_DESK),
            Pair(origin=MX, desk=HN_DESK),
            Pair(origin=GT, desk=MX_DESK),
            Pair(origin=GT, desk=HN_DESK),
        }
    ),
)


def to(channel: ChannelName = TRIO, *, own_copy: bool = False) -> Document:
    """Address a message to a channel."""
    return {"channel": channel, "own_copy": True} if own_copy else {"channel": channel}


@asynccontextmanager
async def with_channels(
    folder: Path, *charters: Charter, **settings: object
) -> AsyncIterator[Running]:
    """Run an exchange with these channels; without any, with the trio and the quiet one."""
    chosen = charters or (charter(), charter(QUIET, shows_recipients=False), care())
    plan = replace(PLAN, channels=chosen)
    settings = {"amqp_namespace": f"t{token_hex(4)}.", **settings}
    world = await make_world(folder, plan, cost=INTERACTIVE_DEMO, **settings)  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            running_gateway(world.settings, minimum=INTERACTIVE_DEMO)
        )
        clients = await stack.enter_async_context(AsyncExitStack())
        yield Running(world=world, gateway=gateway, stack=clients)


async def act(exchange: Running, kind: ActKind, by: Country, channel: ChannelName = TRIO) -> None:
    """Let one administrator of a member do what one may do alone; in force when it ends."""
    kit = exchange.world.kits[by]
    await exchange.decide(kit.alone(kind, at=datetime.now(UTC), channel=channel))


async def recharter(exchange: Running, terms: Charter) -> None:
    """Let all members agree to another charter, a time-lock ago; it counts when this ends."""
    kits, now = exchange.world.kits, datetime.now(UTC) + timedelta(seconds=1)
    proposed, consented = now - LOCK - timedelta(minutes=1), now - LOCK
    proposal = kits[min(terms.conveners)].propose(terms, at=proposed)
    consents = [kits[each].consent(proposal, at=consented) for each in sorted(terms.members)]
    async with exchange.directory_change() as store:
        await store.add_statements([proposal], at=proposed)
        await store.add_statements(consents, at=consented)
    # An act is dated to the second, so this is a moment after.
    await asyncio.sleep(1.1)


__all__ = ["FISCALIA", "GT_DESK", "HN_DESK", "MX_DESK"]

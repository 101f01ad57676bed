"""A channel message: sealed once, one entry and one queue for each member, and nobody else's."""

import asyncio
from collections.abc import Sequence
from typing import Final

from broker.demo.desks import inbox_file
from broker.demo.evidence import check_evidence
from broker.demo.progress import Progress
from broker.demo.proofs import desk_key, ledger_of, opens, under_name_of
from broker.demo.second.house import GROUP, TRINATIONAL, House
from broker.demo.second.ledger import Sealed, sealed_of
from broker.demo.second.letters import letter, scene_of, to_channel
from broker.desk.rewriting import read_lines
from broker.model.names import AgencyRef, DeskRef, channel_queue
from broker.sandbox.world import World
from keys.charter import ChannelName
from schemas.vocabulary import Country, Kind

MX_FGR: Final = AgencyRef(country=Country.MEXICO, agency="fgr")
PA_SENAFRONT: Final = AgencyRef(country=Country.PANAMA, agency="senafront")


async def fan_out(house: House) -> Progress:
    """Post to two channels; return the message to the first one.

    Raises:
        NotDeliveredError: A member's desk did not get it.
    """
    house.title("channel.title")
    first = letter(Kind.ROUTE_REPORT, "ida-y-vuelta-por-la-montana", MX_FGR, to=to_channel(GROUP))
    second = letter(
        Kind.ROUTE_REPORT,
        "caribbean-boat-to-corn-island",
        PA_SENAFRONT,
        to=to_channel(TRINATIONAL),
    )
    delivered = await house.deliver(
        [
            scene_of(first, house.charter(GROUP)),
            scene_of(second, house.charter(TRINATIONAL)),
        ]
    )
    ledger = ledger_of(house.world)
    found = [sealed_of(ledger, one.scene.id) for one in delivered]
    for one, sealed in zip(delivered, found, strict=True):
        house.tell(
            "channel.posted",
            sender=one.scene.sender,
            channel=one.scene.name,
            entries=" ".join(sealed.entries),
            queues=" ".join(sealed.queues),
        )
    house.see(
        "channel.sealed",
        holds=all(
            map(lambda one, sealed: _is_fanned_out(house.world, one, sealed), delivered, found)
        ),
        desks=sum(len(one.scene.desks) for one in delivered),
    )
    house.see(
        "channel.sender",
        holds=not any(_came_back(house.world, one) for one in delivered),
        countries=" ".join(one.scene.sender.country for one in delivered),
    )
    strangers, only_members = await asyncio.to_thread(_try_all, house.world, delivered, found)
    house.see("channel.stranger", holds=only_members, keys=strangers)
    evidence = await check_evidence(house.world, house.senders, delivered)
    house.see("channel.opened", holds=all(each.holds for each in evidence))
    return delivered[0]


def _is_fanned_out(world: World, progress: Progress, sealed: Sealed) -> bool:
    """Whether it lies there once, with an entry and a queue for each member desk and no other."""
    desks, channel = progress.scene.desks, ChannelName(progress.scene.name)
    queues = sorted(channel_queue(channel, desk.country) for desk in desks)
    keys = sorted(desk_key(world, desk).kid for desk in desks)
    return len(sealed.forms) == 1 and (sorted(sealed.entries), sorted(sealed.queues)) == (
        keys,
        queues,
    )


def _came_back(world: World, progress: Progress) -> bool:
    """Whether a desk of the sender's own country has it."""
    scene = progress.scene
    own = DeskRef(country=scene.sender.country, compartment=scene.desks[0].compartment)
    named = {each.desk.country for each in progress.recipients}
    return own.country in named or any(
        line.get("id") == scene.id for line in read_lines(inbox_file(world, own))
    )


def _try_all(
    world: World, delivered: Sequence[Progress], found: Sequence[Sealed]
) -> tuple[int, bool]:
    """Try the key of every other country's desk: under its own name, and under a member's."""
    tried, results = 0, []
    for one, sealed in zip(delivered, found, strict=True):
        members, [form] = one.scene.desks, sealed.forms
        own = desk_key(world, members[0])
        results.append(all(opens(form, desk_key(world, desk)) for desk in members))
        for country in Country:
            desk = DeskRef(country=country, compartment=members[0].compartment)
            if desk in members:
                continue
            key = desk_key(world, desk)
            tried += 1
            results.append(not opens(form, key))
            results.append(not opens(form, under_name_of(key, own)))
    return tried, all(results)

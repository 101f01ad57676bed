"""Which pairs and channels carry nothing, or less, when somebody has no key?"""

from typing import TypeAlias

from broker.directory import Directory
from broker.model.names import AgencyRef, DeskRef, Pair
from keys.channel import Channel, ChannelState
from keys.forecast import Outage
from keys.holder import HolderKind
from keys.identifiers import Exchange
from schemas.vocabulary import Compartment

Whose: TypeAlias = AgencyRef | DeskRef | Exchange | None
"""Who is without a key; None: nobody whom a message needs."""


def dark_pairs(outage: Outage, directory: Directory) -> list[str]:
    """Name the open pairs that go dark."""
    whose = _whose(outage, directory)
    return [pair.queue for pair in directory.open_pairs if _is_pair_dark(pair, whose)]


def dark_channels(outage: Outage, directory: Directory) -> list[str]:
    """Name the active channels that go dark: one member that cannot read stops all of it."""
    whose = _whose(outage, directory)
    return [
        channel.name
        for channel in directory.channels
        if channel.state(directory.at) is ChannelState.ACTIVE
        and _is_channel_dark(channel, whose, directory)
    ]


def _whose(outage: Outage, directory: Directory) -> Whose:
    holder = outage.holder
    if holder is None:
        # A root: what it has stated lives on.
        return None
    if isinstance(holder.owner, Exchange):
        return holder.owner
    if holder.kind is HolderKind.DESK:
        return DeskRef(country=holder.owner, compartment=Compartment(holder.name))
    if holder.kind is HolderKind.AGENCY:
        return AgencyRef(country=holder.owner, agency=holder.name)
    clients = directory.record.clients
    return next((one.subject for one in clients if one.client_id == holder.name), None)


def _is_pair_dark(pair: Pair, whose: Whose) -> bool:
    if isinstance(whose, AgencyRef):
        return pair.origin is whose.country
    return isinstance(whose, Exchange) or pair.desk == whose


def _is_channel_dark(channel: Channel, whose: Whose, directory: Directory) -> bool:
    members = channel.members(directory.at)
    if isinstance(whose, AgencyRef):
        return whose.agency in members.get(whose.country, ())
    if isinstance(whose, DeskRef):
        return channel.compartment is whose.compartment and whose.country in members
    return isinstance(whose, Exchange)

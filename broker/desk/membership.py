"""Was this desk meant, when the message came to its channel? Read off the signed acts.

The gateway says so by handing it over; the acts of the members' own administrators prove it.
"""

from datetime import datetime, timedelta
from typing import Final

from broker.admission.recall import TAKING_BACK
from broker.directory import Directory
from broker.model.names import AgencyRef, DeskRef
from broker.sealing.route import SealRoute
from keys.channel import Channel
from keys.charter import Sealing

UNKNOWN_STEP: Final = "channel"
"""What a desk says when it does not know the channel; it looks again before it stops."""
MEMBERS_STEP: Final = "channel-members"
"""What it says when the channel is of others; it looks again before it refuses."""
ON_ITS_WAY: Final = timedelta(minutes=1)
"""A member may leave by one clock while a message is accepted by another. The gateway, which
holds the ledger's lock, knows which was first; what came before is still the member's."""
ROUNDED: Final = timedelta(milliseconds=1)
"""A receipt tells its time to the millisecond, and a member may have joined within that one."""


def fault_of(route: SealRoute, *, desk: DeskRef, at: datetime, directory: Directory) -> str | None:
    """Say why a channel message is not for this desk; None: it is.

    Args:
        route: Of a message to a channel, as it lay under the seal.
        desk: Whose inbox this is.
        at: When the gateway accepted it, by its receipt.
        directory: Of any later moment.

    Returns:
        A step: the channel is not known here, or its members at that time were others.
    """
    channel = None if route.channel is None else directory.channel(route.channel)
    if channel is None or channel.charter(at + ROUNDED) is None:
        return UNKNOWN_STEP
    if desk.country is route.origin and not route.own_copy:
        return MEMBERS_STEP
    origin = AgencyRef(country=route.origin, agency=route.agency)
    if route.kind in TAKING_BACK:
        # It goes to whoever had the message, also when they, or its writer, have left (SG-07).
        return None if _ever_took_part(channel, desk, origin, at) else MEMBERS_STEP
    if (
        channel.compartment is not desk.compartment
        or not _took_part(channel, desk, at)
        or not _could_write(channel, origin, at)
    ):
        return MEMBERS_STEP
    return None


def must_be_sealed(route: SealRoute, *, at: datetime, directory: Directory) -> bool:
    """Whether the charter of that time lets only the origin seal: then the gateway saw nothing."""
    channel = None if route.channel is None else directory.channel(route.channel)
    charters = [] if channel is None else [channel.charter(moment) for moment in _moments(at)]
    return bool(charters) and all(
        one is not None and one.sealing is Sealing.ORIGIN for one in charters
    )


def _took_part(channel: Channel, desk: DeskRef, at: datetime) -> bool:
    return any(desk.country in channel.members(moment) for moment in _moments(at))


def _ever_took_part(channel: Channel, desk: DeskRef, origin: AgencyRef, at: datetime) -> bool:
    terms = [term.charter for term in channel.terms if term.since <= at + ROUNDED]
    return (
        channel.compartment is desk.compartment
        and any(desk.country in each.members for each in terms)
        and any(origin.agency in each.members.get(origin.country, ()) for each in terms)
    )


def _could_write(channel: Channel, origin: AgencyRef, at: datetime) -> bool:
    return any(
        origin.agency in channel.members(moment).get(origin.country, ()) for moment in _moments(at)
    )


def _moments(at: datetime) -> tuple[datetime, datetime]:
    return at + ROUNDED, at - ON_ITS_WAY

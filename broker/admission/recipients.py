"""Which desks does this message want to reach, and by which road?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.directory import Directory
from broker.errors import Code, FieldProblem, PermissionDeniedError
from broker.model.message import Envelope, Route
from broker.model.names import DeskRef, Pair, channel_queue
from keys.channel import Channel, ChannelState
from keys.charter import Charter
from schemas.vocabulary import Compartment, Country, HandlingCode

OPEN_PAIR: Final = "open-pair"
"""The rule that allows a recipient: it has this desk, and the pair is open."""
CHANNEL_MEMBER: Final = "channel-member"
"""The rule that allows a recipient: sender and it take part in the channel, which is active."""
STRICTNESS: Final = tuple(HandlingCode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a message wants to go."""

    compartment: Compartment
    routes: tuple[Route, ...]
    charter: Charter | None = None
    """Of the channel, if it is one and its charter counts."""


def destination_of(message: Envelope, directory: Directory, now: datetime) -> Destination:
    """Find the desks that a message wants to reach.

    Raises:
        PermissionDeniedError: A recipient or channel is unknown, the pair is closed, or the
            channel takes nothing now; ``rule`` is the one that would have allowed it.
    """
    if message.to.channel is not None:
        return _by_channel(message, directory, now)
    compartment = message.to.compartment
    if compartment is None:
        raise RuntimeError("a message is routed before its schema was checked")
    routes = tuple(
        _by_pair(message, directory, DeskRef(country=country, compartment=compartment), index)
        for index, country in enumerate(message.to.countries)
    )
    return Destination(compartment=compartment, routes=routes)


def _by_pair(message: Envelope, directory: Directory, desk: DeskRef, index: int) -> Route:
    pair = Pair(origin=message.sender.country, desk=desk)
    if not directory.has_desk(desk):
        raise refusal(Code.RECIPIENT_UNKNOWN, f"/to/countries/{index}", rule=OPEN_PAIR)
    if not directory.is_open(pair):
        raise refusal(Code.PAIR_CLOSED, f"/to/countries/{index}", rule=OPEN_PAIR)
    return Route(desk=desk, queue=pair.queue, rule=OPEN_PAIR)


def _by_channel(message: Envelope, directory: Directory, now: datetime) -> Destination:
    channel, charter = _channel_of(message, directory, now)
    members = channel.members(now)
    return Destination(
        compartment=charter.compartment,
        routes=tuple(
            _to_member(charter, directory, country)
            for country in sorted(members)
            if country is not message.sender.country or message.to.own_copy
        ),
        charter=charter,
    )


def _channel_of(message: Envelope, directory: Directory, now: datetime) -> tuple[Channel, Charter]:
    channel = None if message.to.channel is None else directory.channel(message.to.channel)
    charter = None if channel is None else channel.charter(now)
    agencies = () if channel is None else channel.members(now).get(message.sender.country, ())
    # One answer for who is no member and for what is no channel; the charters tell him the rest.
    if channel is None or charter is None or message.sender.agency not in agencies:
        raise refusal(Code.RECIPIENT_UNKNOWN, "/to/channel", rule=CHANNEL_MEMBER)
    if channel.state(now) is not ChannelState.ACTIVE:
        raise refusal(Code.CHANNEL_INACTIVE, "/to/channel", rule=CHANNEL_MEMBER)
    return channel, charter


def _to_member(charter: Charter, directory: Directory, country: Country) -> Route:
    desk = DeskRef(country=country, compartment=charter.compartment)
    if not directory.has_desk(desk):
        # One that cannot read is no reason to leave it out unsaid.
        raise refusal(Code.RECIPIENT_UNKNOWN, "/to/channel", rule=CHANNEL_MEMBER)
    return Route(desk=desk, queue=channel_queue(charter.channel, country), rule=CHANNEL_MEMBER)


def refusal(code: Code, pointer: str, *, rule: str) -> PermissionDeniedError:
    """Say which member of the message is refused, and by which rule."""
    problem = FieldProblem(pointer=pointer, code=code.value)
    return PermissionDeniedError(code, problems=[problem], rule=rule)

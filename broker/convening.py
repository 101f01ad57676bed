"""Pure. What may a convener know of the requests that a channel's members have not answered?

Whose business they are, and whether the desks that are late may be named: where a charter hides
recipients from each other (SG-12), a convener learns how many they are, and which is his own.
"""

from datetime import datetime

from broker.model.names import DeskRef
from keys.channel import Channel
from schemas.vocabulary import Country


def conveners(channel: Channel, now: datetime) -> frozenset[Country]:
    """Which members convene it, of those who are still in it, whatever state it is in?"""
    charter = channel.charter(now)
    return frozenset() if charter is None else charter.conveners & channel.members(now).keys()


def hides_desks(channel: Channel, *, asked_at: datetime, now: datetime) -> bool:
    """Are recipients hidden now, or were they when the request was accepted?"""
    charters = (channel.charter(asked_at), channel.charter(now))
    return any(charter is None or not charter.shows_recipients for charter in charters)


def may_know(country: Country, desk: DeskRef, *, asker: Country) -> bool:
    """Does a country know of this recipient all the same: its own, or of what it asked itself?"""
    return country in {desk.country, asker}

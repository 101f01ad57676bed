"""Which channels are there, who is in them, and who may change them? Read off the decisions.

A channel is never stored: it is what its signed acts make of it. A convener proposes a charter,
each member consents by an administrator who is not the proposer, and after the time-lock it
counts. One person takes away (leave, suspend, close); nobody alone gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from keys.act import Act, ActId
from keys.act_kind import ON_CHANNELS, ActKind
from keys.charter import FEWEST_MEMBERS, ChannelName, Charter
from keys.decision import Decision
from keys.errors import ActError
from schemas.vocabulary import Compartment, Country

CHANNEL_KINDS: Final = ON_CHANNELS | {ActKind.CHARTER}

Known: TypeAlias = Mapping[ActId, Decision]


class ChannelState(StrEnum):
    """Where a channel stands; it takes messages only while ``ACTIVE``."""

    PROPOSED = "proposed"
    """Somebody has yet to consent."""
    CONSENTED = "consented"
    """All have; the time-lock runs."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """By an act, because its review is due, or because one member is left."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A charter, and from when on it counts."""

    charter: Charter
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel, with all that was decided of it."""

    name: ChannelName
    terms: tuple[Term, ...] = ()
    """Charters that all members have consented to, the oldest first."""
    proposals: tuple[Decision, ...] = ()
    """Charters that wait for somebody's consent."""
    left: tuple[tuple[datetime, Country], ...] = ()
    stops: tuple[tuple[datetime, ActKind], ...] = ()
    """When it was suspended and resumed."""
    closed_at: datetime | None = None

    def charter(self, now: datetime) -> Charter | None:
        """By which terms does it work at this moment?"""
        term = self._term(now)
        return None if term is None else term.charter

    def outline(self, now: datetime) -> Charter | None:
        """The charter that counts; before there is one, the one that will or may.

        None: nobody has proposed any.
        """
        coming = [term.charter for term in self.terms[:1]]
        coming += [charter_of(one.act) for one in reversed(self.proposals)]
        return self.charter(now) or next(iter(coming), None)

    def members(self, now: datetime) -> Mapping[Country, tuple[str, ...]]:
        """Who is in it at this moment, with which agencies? Empty before it begins."""
        term = self._term(now)
        if term is None:
            return MappingProxyType({})
        gone = {country for at, country in self.left if term.since <= at <= now}
        return MappingProxyType(
            {
                country: agencies
                for country, agencies in term.charter.members.items()
                if country not in gone
            }
        )

    def state(self, now: datetime) -> ChannelState:
        """Where does it stand at this moment?"""
        charter = self.charter(now)
        if self.closed_at is not None and self.closed_at <= now:
            return ChannelState.CLOSED
        if charter is None:
            return ChannelState.CONSENTED if self.terms else ChannelState.PROPOSED
        if self.is_stopped(now) or charter.review <= now or len(self.members(now)) < FEWEST_MEMBERS:
            return ChannelState.SUSPENDED
        return ChannelState.ACTIVE

    def is_stopped(self, now: datetime) -> bool:
        """Has somebody suspended it, and nobody resumed it since?"""
        return [kind for at, kind in self.stops if at <= now][-1:] == [ActKind.SUSPEND_CHANNEL]

    @property
    def compartment(self) -> Compartment | None:
        """In which compartment is it? It never changes; None while it is only proposed."""
        return self.terms[0].charter.compartment if self.terms else None

    @property
    def countries(self) -> frozenset[Country]:
        """Who is, was or will be a member: what was accepted for them is still theirs."""
        return frozenset(country for term in self.terms for country in term.charter.members)

    def _term(self, now: datetime) -> Term | None:
        return next((term for term in reversed(self.terms) if term.since <= now), None)


def channels_of(known: Known) -> Mapping[ChannelName, Channel]:
    """Put together what was decided of each channel."""
    channels: dict[ChannelName, Channel] = {}
    for one in known.values():
        name = name_of(one.act)
        if name is None or one.cancelled_at is not None:
            continue
        channels[name] = _with(channels.get(name, Channel(name=name)), one)
    return MappingProxyType(channels)


def find_channel(known: Known, name: ChannelName) -> Channel | None:
    """Put together what was decided of one channel; None if it was never proposed."""
    found = {each: one for each, one in known.items() if name_of(one.act) == name}
    return channels_of(found).get(name)


def name_of(one: Act) -> ChannelName | None:
    """Name the channel of an act that counts, without reading its charter again."""
    if one.charter is not None:
        return ChannelName(str(one.charter.get("channel")))
    return one.channel


def channel_of(one: Act) -> ChannelName:
    """Name the channel that an act is about.

    Raises:
        ActError: It is about none.
    """
    if one.charter is not None:
        return charter_of(one).channel
    if one.channel is None:
        raise ActError("the act names no channel")
    return one.channel


def charter_of(one: Act) -> Charter:
    """Read the charter that an act proposes.

    Raises:
        ActError: It proposes none, or a malformed one.
    """
    return Charter.from_json(one.charter or {})


def _with(channel: Channel, one: Decision) -> Channel:
    act, at = one.act, one.effective_at
    if act.kind is ActKind.CHARTER and at is None:
        return replace(channel, proposals=(*channel.proposals, one))
    if at is None:
        return channel
    if act.kind is ActKind.CHARTER:
        # In the order of versions, whichever was proposed first.
        terms = sorted((*channel.terms, Term(charter=charter_of(act), since=at)), key=_version)
        return replace(channel, terms=tuple(terms))
    if act.kind is ActKind.LEAVE_CHANNEL and isinstance(act.by.owner, Country):
        return replace(channel, left=(*channel.left, (at, act.by.owner)))
    if act.kind is ActKind.CLOSE_CHANNEL:
        return replace(channel, closed_at=at if channel.closed_at is None else channel.closed_at)
    return replace(channel, stops=tuple(sorted((*channel.stops, (at, act.kind)))))


def _version(term: Term) -> int:
    return term.charter.version

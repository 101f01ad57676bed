"""Which channels are there, who is in them, and who may change them? Read off the decisions.

A channel is never stored: it is what its signed acts make of it. A convener proposes a charter,
each member consents by an administrator who is not the proposer, and after the time-lock it
counts. One person takes away (leave, suspend, close); nobody alone gives.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from keys.act import ON_CHANNELS, Act, ActId, ActKind
from keys.charter import FEWEST_MEMBERS, ChannelName, Charter
from keys.decision import Decision
from keys.errors import ActError
from keys.identifiers import Exchange, Owner
from schemas.vocabulary import Compartment, Country

MAX_REVIEW: Final = timedelta(days=3 * 366)
"""Europol reviews at least every three years; a charter lives no longer unread."""
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
        stopped = [kind for at, kind in self.stops if at <= now][-1:] == [ActKind.SUSPEND_CHANNEL]
        if stopped or charter.review <= now or len(self.members(now)) < FEWEST_MEMBERS:
            return ChannelState.SUSPENDED
        return ChannelState.ACTIVE

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
        if one.act.kind not in CHANNEL_KINDS or one.cancelled_at is not None:
            continue
        name = channel_of(one.act)
        channels[name] = _with(channels.get(name, Channel(name=name)), one)
    return MappingProxyType(channels)


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


def require_right(by: Owner, one: Act, known: Known, now: datetime) -> None:
    """Return if an administrator of this owner may do, answer or cancel this.

    Raises:
        ActError: The channel is unknown or closed, or the act is for others to do.
    """
    channel = channels_of(known).get(channel_of(one))
    if one.kind is ActKind.CHARTER:
        if not (by in charter_of(one).members or isinstance(by, Exchange)):
            raise ActError("the charter is of other countries")
        return
    charter = None if channel is None else channel.charter(now)
    if channel is None or charter is None:
        raise ActError("the channel is not known")
    if channel.state(now) is ChannelState.CLOSED:
        raise ActError("the channel is closed")
    allowed: set[Owner] = set(channel.members(now))
    if one.kind is ActKind.CLOSE_CHANNEL:
        allowed &= charter.conveners
    if one.kind is not ActKind.LEAVE_CHANNEL:
        allowed |= set(Exchange)
    if by not in allowed:
        raise ActError("the channel is for others to change")


def require_sense(one: Act, known: Known, now: datetime) -> None:
    """Return if this act can be done to its channel as it stands.

    Raises:
        ActError: It cannot.
    """
    channel = channels_of(known).get(channel_of(one))
    if one.kind is ActKind.CHARTER:
        _require_next(one, channel, now)
    elif one.kind is ActKind.RESUME_CHANNEL and (
        channel is None or channel.stops[-1:] == () or channel.stops[-1][1] is one.kind
    ):
        raise ActError("no channel is resumed that is not suspended")


def consent(answer: Act, found: Decision, known: Known, lock: timedelta, now: datetime) -> Decision:
    """Add a country's consent to a charter; the last one lets the time-lock begin.

    Args:
        answer: Signed by an administrator whose key counts.
        found: The proposal.
        known: All that was decided before.
        lock: From the last consent to the moment when the charter counts.
        now: When the consent came.

    Raises:
        ActError: It is not this country's, was given already, is the proposer's own, or the
            charter waits no more.
    """
    charter, country = charter_of(found.act), answer.by.owner
    if found.effective_at is not None or found.cancelled_at is not None:
        raise ActError("there is nothing left to consent to")
    if not isinstance(country, Country) or country not in charter.members:
        raise ActError("the charter is of other countries")
    if country in {one.by.owner for one in found.consents}:
        raise ActError("the country has consented already")
    if answer.at < found.act.at:
        raise ActError("the consent is older than the charter")
    _require_next(found.act, channels_of(known).get(charter.channel), now)
    consents = (*found.consents, answer)
    is_last = {one.by.owner for one in consents} == set(charter.members)
    effective = max(answer.at, now) + lock if is_last else None
    return replace(found, consents=consents, effective_at=effective)


def waiting_with(country: Owner, name: ChannelName, known: Known, now: datetime) -> Iterable[ActId]:
    """Which charters of a channel wait and name this country? Whoever leaves stops them."""
    for one in known.values():
        if (
            one.act.kind is ActKind.CHARTER
            and one.is_pending(now)
            and channel_of(one.act) == name
            and country in charter_of(one.act).members
        ):
            yield one.act.id


def _require_next(one: Act, channel: Channel | None, now: datetime) -> None:
    charter = charter_of(one)
    if one.by.owner not in charter.conveners:
        raise ActError("a charter is proposed by one of its conveners")
    if not now < charter.review <= now + MAX_REVIEW:
        raise ActError("the charter's review is past, or more than three years ahead")
    newest = channel.terms[-1].charter if channel is not None and channel.terms else None
    if channel is not None and channel.closed_at is not None:
        raise ActError("the channel is closed")
    if charter.version != (1 if newest is None else newest.version + 1):
        raise ActError("the charter's version is not the next one")
    if newest is not None and newest.compartment is not charter.compartment:
        # Its queues hold what one desk of each member may read, and no other.
        raise ActError("a channel stays in its compartment")
    if newest is not None and one.by.owner not in newest.conveners:
        raise ActError("the next charter is proposed by a convener of the one before")


def _with(channel: Channel, one: Decision) -> Channel:
    act, at = one.act, one.effective_at
    if act.kind is ActKind.CHARTER and at is None:
        return replace(channel, proposals=(*channel.proposals, one))
    if at is None:
        return channel
    if act.kind is ActKind.CHARTER:
        terms = sorted((*channel.terms, Term(charter=charter_of(act), since=at)), key=_since)
        return replace(channel, terms=tuple(terms))
    if act.kind is ActKind.LEAVE_CHANNEL and isinstance(act.by.owner, Country):
        return replace(channel, left=(*channel.left, (at, act.by.owner)))
    if act.kind is ActKind.CLOSE_CHANNEL:
        return replace(channel, closed_at=at if channel.closed_at is None else channel.closed_at)
    return replace(channel, stops=tuple(sorted((*channel.stops, (at, act.kind)))))


def _since(term: Term) -> tuple[datetime, int]:
    return term.since, term.charter.version

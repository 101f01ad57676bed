"""Who may do what to a channel, and when does it make sense? Judged by what was known then."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from keys.act import Act, ActId
from keys.act_kind import ActKind
from keys.channel import Channel, ChannelState, Known, channel_of, charter_of, find_channel, name_of
from keys.charter import Charter
from keys.decision import Decision
from keys.errors import ActError
from keys.identifiers import Exchange, Owner
from schemas.vocabulary import Country

MAX_REVIEW: Final = timedelta(days=3 * 366)
"""Europol reviews at least every three years; a charter lives no longer unread."""


def require_right(by: Owner, one: Act, known: Known, now: datetime) -> None:
    """Return if an administrator of this owner may do, answer or cancel this.

    Raises:
        ActError: The channel is unknown or closed, or the act is for others to do.
    """
    channel = find_channel(known, channel_of(one))
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
        allowed = set(_leaders(channel, charter, now))
    if one.kind is not ActKind.LEAVE_CHANNEL:
        allowed |= set(Exchange)
    if by not in allowed:
        raise ActError("the channel is for others to change")


def require_sense(one: Act, known: Known, now: datetime) -> None:
    """Return if this act can be done to its channel as it stands.

    Raises:
        ActError: It cannot.
    """
    channel = find_channel(known, channel_of(one))
    if one.kind is ActKind.CHARTER:
        _require_next(one, channel, now)
    elif one.kind is ActKind.RESUME_CHANNEL and (channel is None or not channel.is_stopped(now)):
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
    _require_next(found.act, find_channel(known, charter.channel), now)
    consents = (*found.consents, answer)
    is_last = {one.by.owner for one in consents} == set(charter.members)
    effective = max(answer.at, now) + lock if is_last else None
    return replace(found, consents=consents, effective_at=effective)


def stopped_by(one: Act, waiting: Iterable[Decision]) -> Iterable[ActId]:
    """Which of the acts that wait does this one stop?

    Whoever leaves stops every charter that would bring his country back; whoever suspends,
    every resumption that others agreed on before they knew why.
    """
    name = channel_of(one)
    for each in waiting:
        if name_of(each.act) != name:
            continue
        if one.kind is ActKind.LEAVE_CHANNEL and each.act.kind is ActKind.CHARTER:
            if one.by.owner in charter_of(each.act).members:
                yield each.act.id
        elif one.kind is ActKind.SUSPEND_CHANNEL and each.act.kind is ActKind.RESUME_CHANNEL:
            yield each.act.id


def _require_next(one: Act, channel: Channel | None, now: datetime) -> None:
    charter = charter_of(one)
    if one.by.owner not in charter.conveners:
        raise ActError("a charter is proposed by one of its conveners")
    if not now < charter.review <= now + MAX_REVIEW:
        raise ActError("the charter's review is past, or more than three years ahead")
    if channel is None or not channel.terms:
        if charter.version != 1:
            raise ActError("the charter's version is not the next one")
        return
    if channel.closed_at is not None:
        raise ActError("the channel is closed")
    newest = channel.terms[-1]
    if charter.version != newest.charter.version + 1:
        raise ActError("the charter's version is not the next one")
    if newest.since > now:
        # Else whoever cancels that one in time would not have stopped this one.
        raise ActError("the charter before this one waits for its time; cancel it, or wait")
    if newest.charter.compartment is not charter.compartment:
        # Its queues hold what one desk of each member may read, and no other.
        raise ActError("a channel stays in its compartment")
    if one.by.owner not in _leaders(channel, newest.charter, now):
        raise ActError("the next charter is proposed by a convener of the one before")


def _leaders(channel: Channel, charter: Charter, now: datetime) -> frozenset[Country]:
    """Its conveners who are still in it; if all have left, whoever is."""
    members = frozenset(channel.members(now))
    return charter.conveners & members or members

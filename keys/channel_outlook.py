"""What is to be done about a channel, by whom, and which charters are due for review?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keys.channel import Channel, ChannelState, Term, charter_of
from keys.charter import FEWEST_MEMBERS, ChannelName
from keys.decision import Decision
from keys.forecast import passed_warning
from keys.policy import KeyPolicy
from schemas.vocabulary import Country


class ChannelStep(StrEnum):
    """What comes next."""

    CONSENT = "consent"
    """Members have yet to consent to a version."""
    TIME_LOCK = "time-lock"
    """All have; it begins by itself, and can be cancelled until then."""
    RESUME = "resume"
    """It was suspended; two owners let it go on."""
    REVIEW = "review"
    """The charter's review is due, or soon: propose the next version."""
    MEMBERS = "members"
    """One alone is no channel: propose the next version, or close it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTask:
    """Something to be done, or waited for."""

    step: ChannelStep
    version: int
    """Of the charter that it is about."""
    by: tuple[Country, ...] = ()
    """Whose consent is missing."""
    at: datetime | None = None
    """When it begins, or is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDue:
    """A charter that its members should look at by now."""

    channel: ChannelName
    version: int
    review: datetime
    before: timedelta | None
    """The narrowest warning that has passed; None: only its part of life."""


def tasks(channel: Channel, policy: KeyPolicy, now: datetime) -> tuple[ChannelTask, ...]:
    """Find what is next for a channel; nothing for one that is closed, or simply works."""
    if channel.state(now) is ChannelState.CLOSED:
        return ()
    return tuple(_tasks(channel, policy, now))


def reviews_due(
    channels: Iterable[Channel], policy: KeyPolicy, now: datetime
) -> tuple[ReviewDue, ...]:
    """Find the charters whose review is due or soon, the first one first.

    One that has a successor, which only waits for its time, is looked after already.
    """
    found = [due for channel in channels if (due := _review_due(channel, policy, now)) is not None]
    return tuple(sorted(found, key=lambda due: (due.review, due.channel)))


def missing(one: Decision) -> tuple[Country, ...]:
    """Whose consent to a proposed charter is missing?"""
    consented = {answer.by.owner for answer in one.consents}
    return tuple(sorted(set(charter_of(one.act).members) - consented))


def _tasks(channel: Channel, policy: KeyPolicy, now: datetime) -> Iterator[ChannelTask]:
    newest = channel.terms[-1] if channel.terms else None
    if newest is not None and newest.since > now:
        yield _task(ChannelStep.TIME_LOCK, newest, at=newest.since)
    next_version = 1 if newest is None else newest.charter.version + 1
    for one in channel.proposals:
        version = charter_of(one.act).version
        if version == next_version:
            yield ChannelTask(step=ChannelStep.CONSENT, version=version, by=missing(one))
    if newest is None or channel.charter(now) is None:
        return
    if channel.is_stopped(now):
        yield _task(ChannelStep.RESUME, newest)
    if len(channel.members(now)) < FEWEST_MEMBERS:
        yield _task(ChannelStep.MEMBERS, newest)
    if _review_due(channel, policy, now) is not None:
        yield _task(ChannelStep.REVIEW, newest, at=newest.charter.review)


def _task(step: ChannelStep, term: Term, *, at: datetime | None = None) -> ChannelTask:
    return ChannelTask(step=step, version=term.charter.version, at=at)


def _review_due(channel: Channel, policy: KeyPolicy, now: datetime) -> ReviewDue | None:
    newest = channel.terms[-1] if channel.terms else None
    if newest is None or newest.since > now or channel.state(now) is ChannelState.CLOSED:
        return None
    passed = passed_warning(newest.since, newest.charter.review, policy, now)
    if passed is None:
        return None
    return ReviewDue(
        channel=channel.name,
        version=newest.charter.version,
        review=newest.charter.review,
        before=passed[0],
    )

"""What have the administrators decided, and from when on does it count?

How their acts become decisions is in :mod:`keys.decide`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from keys.act import ActId
from keys.act_kind import RATIFIED, ActKind
from keys.channel import Channel, channels_of
from keys.charter import ChannelName
from keys.decision import Decision
from keys.identifiers import KeyId
from keys.policy import STANDARD_KEY_POLICY, KeyPolicy
from keys.strict_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """Something that was decided of a key, and has its moment."""

    at: datetime
    kind: ActKind
    since: datetime
    """Of a compromise: from when on the key proves nothing. Else the same as ``at``."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """All that was decided so far; made by :func:`keys.decide.decide`."""

    by_id: Mapping[ActId, Decision] = field(default_factory=dict)
    rejected: tuple[tuple[ActId, str], ...] = ()
    """Acts that count for nothing, and why."""

    def events_of(self, kid: KeyId) -> tuple[KeyEvent, ...]:
        """What was decided of a key, in the order of its moments."""
        found = [
            KeyEvent(
                at=one.effective_at,
                kind=one.act.kind,
                # An act that is dated ahead, by its own clock, protects nobody until then.
                since=min(one.act.since or one.effective_at, one.effective_at),
            )
            for one in self.by_id.values()
            if kid in one.act.keys and one.effective_at is not None and one.cancelled_at is None
        ]
        return tuple(sorted(found, key=lambda event: event.at))

    def open_pairs(self, now: datetime) -> frozenset[str]:
        """Which ways are open at this moment?"""
        known: set[str] = set()
        for one in self._in_force(now, ActKind.OPEN, ActKind.CLOSE):
            if one.act.kind is ActKind.OPEN:
                known.update(one.act.pairs)
            else:
                known.difference_update(one.act.pairs)
        return frozenset(known)

    def policy(self, now: datetime) -> KeyPolicy:
        """What is asked of keys at this moment?"""
        newest = STANDARD_KEY_POLICY
        for one in self._in_force(now, ActKind.POLICY):
            newest = KeyPolicy.from_json(one.act.policy or {})
        return newest

    def safeguards(self, now: datetime) -> tuple[JsonObject, ...]:
        """Which rules of who may send what to whom were decided, the last one last?

        What they say is not judged here.
        """
        decided = self._in_force(now, ActKind.SAFEGUARDS)
        return tuple(one.act.policy or {} for one in decided)

    def every_safeguards(self) -> tuple[JsonObject, ...]:
        """All such rules that were ever proposed and not cancelled, in the order of proposal."""
        return tuple(
            one.act.policy or {}
            for one in self.by_id.values()
            if one.act.kind is ActKind.SAFEGUARDS and one.cancelled_at is None
        )

    def channels(self) -> Mapping[ChannelName, Channel]:
        """Every channel that was ever proposed."""
        return channels_of(self.by_id)

    def unratified(self, now: datetime) -> tuple[Decision, ...]:
        """Which emergency acts has nobody agreed with in the time that there was?"""
        within = self.policy(now).ratify_within
        return tuple(
            one
            for one in self.by_id.values()
            if one.act.kind in RATIFIED
            and one.approved_by is None
            and one.cancelled_at is None
            and (one.effective_at or one.act.at) + within <= now
        )

    def next_moment(self, now: datetime) -> datetime | None:
        """When does the next decision take effect?"""
        coming = [
            one.effective_at
            for one in self.by_id.values()
            if one.cancelled_at is None and one.effective_at is not None and one.effective_at > now
        ]
        coming += [
            term.charter.review
            for channel in self.channels().values()
            for term in channel.terms
            if term.charter.review > now
        ]
        return min(coming, default=None)

    def _in_force(self, now: datetime, *kinds: ActKind) -> Sequence[Decision]:
        found = [
            (one.effective_at, one)
            for one in self.by_id.values()
            if one.act.kind in kinds and one.effective_at is not None and one.in_force(now)
        ]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

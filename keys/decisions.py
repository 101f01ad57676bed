"""What have the administrators decided, and from when on does it count?

Acts are judged in the order in which they came, by what was known then: a key that is revoked
later does not undo what its holder did before. One person takes away; two persons give, and
what two gave can be cancelled until its time-lock ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from keys import act as acts
from keys import channel_rules
from keys.act import (
    ALONE,
    BY_ALL,
    BY_TWO,
    ON_ACTS,
    ON_CHANNELS,
    ON_POLICIES,
    RATIFIED,
    Act,
    ActId,
    ActKind,
)
from keys.channel import CHANNEL_KINDS, Channel, channels_of
from keys.charter import ChannelName
from keys.decision import Decision
from keys.errors import ActError, PolicyError
from keys.holder import Holder
from keys.identifiers import Exchange, KeyId, Owner, kid_owner
from keys.jws import FindKey
from keys.key import KeyUse, VerificationKey
from keys.policy import STANDARD_KEY_POLICY, KeyPolicy
from keys.statement import KeyStatement
from keys.strict_json import JsonObject
from schemas.vocabulary import Country

Statements: TypeAlias = Mapping[KeyId, KeyStatement]
NO_LOCK: Final = timedelta(0)
CLOCKS_APART: Final = timedelta(minutes=5)
"""How far an administrator's clock may be from the ledger's."""
OF_TWO_OWNERS: Final = ON_POLICIES | {ActKind.RESUME_CHANNEL}
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """Something that was decided of a key, and has its moment."""

    at: datetime
    kind: ActKind
    since: datetime
    """Of a compromise: from when on the key proves nothing. Else the same as ``at``."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """All that was decided so far; made by :func:`decide`."""

    by_id: Mapping[ActId, Decision] = field(default_factory=dict)
    rejected: tuple[tuple[ActId, str], ...] = ()
    """Acts that count for nothing, and why."""

    def events_of(self, kid: KeyId) -> tuple[KeyEvent, ...]:
        """What was decided of a key, in the order of its moments."""
        found = [
            KeyEvent(
                at=one.effective_at,
                kind=one.act.kind,
                since=one.act.since or one.effective_at,
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
            and one.act.at + within <= now
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


def decide(
    tokens: Iterable[str],
    statements: Statements,
    arrivals: Mapping[str, datetime] | None = None,
) -> Decisions:
    """Judge acts in the order in which they came.

    What an act says of its own time is its signer's word, and he may want to be earlier or
    later than he is. So time is when it came; one that says something else counts for nothing.

    Args:
        tokens: Signed acts.
        statements: Every stated key; administrators are found among them.
        arrivals: When documents came. Where that is noted, what gives counts only with it;
            what takes away counts without. None: nobody notes it here.

    Returns:
        What counts, and why each act that does not was left out.
    """
    found, now = Decisions(), BEGINNING
    for token in tokens:
        came = None if arrivals is None else arrivals.get(token)
        # Time never goes back, whatever a row says.
        now = now if came is None else max(now, came)
        found = _with(
            found, token, statements, _Arrival(None if came is None else now, arrivals is not None)
        )
    return found


@dataclass(frozen=True, slots=True)
class _Arrival:
    at: datetime | None
    is_noted: bool
    """Whether arrivals are noted at all."""


def _with(before: Decisions, token: str, statements: Statements, came: _Arrival) -> Decisions:
    try:
        one = acts.verify(token, find_key=_administrators(statements))
        _require_date(one, came)
        by_id = _judge(before, one, statements, came.at or one.at)
    except (ActError, PolicyError) as error:
        return replace(before, rejected=(*before.rejected, (acts.act_id(token), str(error))))
    return replace(before, by_id=MappingProxyType(by_id))


def _require_date(one: Act, came: _Arrival) -> None:
    if not came.is_noted or one.kind in ALONE:
        return
    if came.at is None or abs(one.at - came.at) > CLOCKS_APART:
        raise ActError("the act is dated otherwise than it came")


def _administrators(statements: Statements) -> FindKey:
    def find(kid: KeyId) -> VerificationKey | None:
        stated = statements.get(kid)
        if stated is None or stated.use is not KeyUse.ADMINISTRATION:
            return None
        return stated.key if isinstance(stated.key, VerificationKey) else None

    return find


def _judge(
    before: Decisions, one: Act, statements: Statements, now: datetime
) -> dict[ActId, Decision]:
    stated = statements[one.signed_with]
    if stated.holder != one.by:
        raise ActError("the act is signed with another administrator's key")
    events = before.events_of(one.signed_with)
    if (
        not (stated.valid_at(one.at) and stated.valid_at(now))
        or _is_out(events, one.at)
        or _is_out(events, now)
    ):
        raise ActError("the administrator's key does not count at the time of the act")
    known = dict(before.by_id)
    if one.kind in ON_ACTS:
        known.update(_answer(before, one, statements, now))
        return known
    if one.id in known:
        return known
    _require_right(one.by, one, before, now)
    _require_sense(before, one, statements, now)
    _require_new(before, one)
    begins = _begins(one, now)
    known[one.id] = Decision(act=one, effective_at=begins)
    if one.kind in RATIFIED:
        known.update(_without(known.values(), one, now))
    if one.kind in ON_CHANNELS:
        for stopped in channel_rules.stopped_by(one, before.by_id, now):
            known[stopped] = replace(known[stopped], cancelled_at=now)
    return known


def _begins(one: Act, now: datetime) -> datetime | None:
    """From when on does a new act count? None: somebody else has to agree first."""
    if one.kind not in ALONE:
        return None
    # A country leaves the channel, and suspends it, as it stands when the act comes: dated by
    # a slow clock, before the newest charter or resumption, it would not count against them.
    return now if one.kind in ON_CHANNELS else min(one.at, now)


def _require_new(before: Decisions, one: Act) -> None:
    """Some signatures can be written in two ways: nothing is done twice with one's old word."""
    for each in before.by_id.values():
        known = each.act
        if (known.signed_with, known.at, known.kind) == (one.signed_with, one.at, one.kind) and (
            known.payload() == one.payload()
        ):
            raise ActError("the act stands there already, under another signature")


def _require_sense(before: Decisions, one: Act, statements: Statements, now: datetime) -> None:
    if one.kind is ActKind.POLICY:
        KeyPolicy.from_json(one.policy or {})
    if one.kind in CHANNEL_KINDS:
        channel_rules.require_sense(one, before.by_id, now)
    if one.kind is ActKind.LIFT and not all(
        _is_revoked(before.events_of(kid), now) for kid in one.keys
    ):
        raise ActError("nothing is lifted that is not suspended")
    if one.kind is ActKind.ACTIVATE and not all(kid in statements for kid in one.keys):
        raise ActError("a key is activated that nobody has stated")


def _without(known: Iterable[Decision], one: Act, now: datetime) -> dict[ActId, Decision]:
    """Stop what waits for its time and was proposed or approved with a key that is taken out."""
    taken = set(one.keys)
    return {
        each.act.id: replace(each, cancelled_at=now)
        for each in known
        if each.act.kind in BY_TWO | BY_ALL
        and each.is_pending(now)
        and not taken.isdisjoint(signer.signed_with for signer in _signers(each))
    }


def _signers(one: Decision) -> Iterable[Act]:
    return filter(None, (one.act, one.approved_by, *one.consents))


def _answer(
    before: Decisions, one: Act, statements: Statements, now: datetime
) -> dict[ActId, Decision]:
    """Approve or cancel what was proposed."""
    found = before.by_id.get(one.of) if one.of is not None else None
    if found is None:
        raise ActError("the act that is answered is not known")
    _require_right(one.by, found.act, before, now)
    if one.kind is ActKind.CANCEL:
        if found.act.kind not in BY_TWO | BY_ALL or found.in_force(now):
            raise ActError("what has taken effect cannot be cancelled")
        return {found.act.id: replace(found, cancelled_at=now)}
    if one.kind is ActKind.CONSENT:
        return {found.act.id: _consented(before, one, found, statements, now)}
    if found.act.kind not in BY_TWO | RATIFIED or found.cancelled_at or found.approved_by:
        raise ActError("there is nothing left to approve")
    _require_second(one, found.act, statements)
    if found.act.kind in CHANNEL_KINDS:
        # Who has left a channel meanwhile has no hand in it any more.
        _require_right(found.act.by, found.act, before, now)
    _require_sense(before, found.act, statements, now)
    agreed = max(one.at, now)
    effective = found.effective_at or agreed + _lock(before, found.act, now, statements)
    return {found.act.id: replace(found, approved_by=one, effective_at=effective)}


def _consented(
    before: Decisions, one: Act, found: Decision, statements: Statements, now: datetime
) -> Decision:
    if found.act.kind is not ActKind.CHARTER:
        raise ActError("only a charter is consented to")
    lock = before.policy(now).time_lock
    consented = channel_rules.consent(one, found, before.by_id, lock, now)
    for other in (found.act, *found.consents):
        _require_another(one, other, statements)
    return consented


def _require_right(by: Holder, one: Act, before: Decisions, now: datetime) -> None:
    """The exchange's administrators may act on everything, a country's on what is its own."""
    if one.kind in CHANNEL_KINDS:
        channel_rules.require_right(by.owner, one, before.by_id, now)
        return
    if isinstance(by.owner, Exchange) or one.kind in ON_POLICIES:
        return
    if not all(by.owner is kid_owner(kid) for kid in one.keys):
        raise ActError("the key is another owner's")
    if not all(by.owner in _countries(pair) for pair in one.pairs):
        raise ActError("the pair is of other countries")


def _require_second(second: Act, first: Act, statements: Statements) -> None:
    _require_another(second, first, statements)
    if second.at < first.at:
        raise ActError("the approval is older than the act")
    owners: set[Owner] = {first.by.owner, second.by.owner}
    if first.kind in OF_TWO_OWNERS and len(owners) == 1:
        raise ActError("this is decided by administrators of two owners")
    # The exchange's administrators alone add no reader to a country.
    if first.kind in BY_TWO and not all(kid_owner(kid) in owners for kid in first.keys):
        raise ActError("one of the two must be the key owner's administrator")


def _require_another(second: Act, first: Act, statements: Statements) -> None:
    # The same key under another name is the same person.
    keys = [statements[one.signed_with].key for one in (first, second)]
    forms = [key.form for key in keys if isinstance(key, VerificationKey)]
    if second.by == first.by or forms[0] == forms[-1]:
        raise ActError("nobody approves his own act")


def _lock(before: Decisions, one: Act, now: datetime, statements: Statements) -> timedelta:
    policy = before.policy(now)
    if one.kind in {ActKind.LIFT, ActKind.RESUME_CHANNEL}:
        return NO_LOCK
    if one.kind is ActKind.ACTIVATE and all(
        _replaces(before, kid, now, statements) for kid in one.keys
    ):
        return policy.replacement_lock
    return policy.time_lock


def _replaces(before: Decisions, kid: KeyId, now: datetime, statements: Statements) -> bool:
    """Was the key of this desk taken out, so that nobody can write to it now?"""
    stated = statements.get(kid)
    if stated is None:
        return False
    others = [
        before.events_of(other.kid)
        for other in statements.values()
        if (other.holder, other.use) == (stated.holder, stated.use)
        and other.kid != kid
        # One that was never let receive, or has ended, leaves no gap.
        and other.valid_at(now)
    ]
    let_in = [
        events
        for events in others
        if any(one.kind is ActKind.ACTIVATE and one.at <= now for one in events)
    ]
    return bool(let_in) and all(_is_revoked(events, now) for events in let_in)


def _is_out(events: Sequence[KeyEvent], at: datetime) -> bool:
    """Is an act that comes now too late, whatever moment it names?

    Whoever stole a key could date his acts back to before it was taken out, so nothing that
    comes after that counts, unless the key was lifted since; and nothing from in between.
    """
    decided = [one.at for one in events if one.kind in RATIFIED or one.kind is ActKind.LIFT]
    return _is_revoked(events, at) or (bool(decided) and _is_revoked(events, max(decided)))


def _is_revoked(events: Sequence[KeyEvent], now: datetime) -> bool:
    revoked = False
    for event in events:
        if event.at <= now and event.kind is ActKind.COMPROMISE:
            # Nothing lifts that: somebody else may have the key.
            return True
        if event.at <= now and event.kind is ActKind.SUSPEND:
            revoked = True
        elif event.at <= now and event.kind is ActKind.LIFT:
            revoked = False
    return revoked


def _countries(pair: str) -> tuple[Country | None, ...]:
    known = {country.value: country for country in Country}
    return known.get(pair[:2]), known.get(pair[3:5])

"""Who will have no key, when, and why? And what is to be done about it by now?

Found by stepping a ring through the moments at which anything changes by itself, with nothing
new being decided: so it is what happens if nobody does anything.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keys.act_kind import ActKind
from keys.errors import NoKeyError
from keys.holder import Holder
from keys.identifiers import KeyId, Owner
from keys.key import KeyUse
from keys.policy import KeyPolicy
from keys.ring import KeyRing, KeyState, Purpose, RingEntry, step
from keys.root import RootTerms


class Why(StrEnum):
    """Why there is no key."""

    NONE_STATED = "none-stated"
    NOT_ACTIVATED = "not-activated"
    """One is stated, and waits for two administrators or for its time."""
    SUSPENDED = "suspended"
    COMPROMISED = "compromised"
    ALGORITHM = "algorithm"
    """The policy allows the key's algorithm no more."""
    EXPIRED = "expired"
    ROOT_EXPIRED = "root-expired"
    """The owner can state no new key; those that he has live on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Somebody has no key for a purpose, from one moment to another."""

    owner: Owner
    holder: Holder | None
    """None: the owner's root."""
    use: KeyUse
    why: Why
    kid: KeyId | None
    """The key that could end it, or ended."""
    at: datetime
    until: datetime | None
    """None: it does not end by itself in the time that was looked at."""


class Step(StrEnum):
    """What is to be done next."""

    SUCCESSOR = "state-successor"
    """Make a key, certify it, add the statement."""
    ACTIVATE = "activate"
    """The successor is stated; two administrators let it receive."""
    DESTROY = "destroy"
    """Nothing needs the key any more, and its grace is over."""
    ROOT = "new-root"
    """The holders make the next version of the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that should be done by now."""

    owner: Owner
    holder: Holder | None
    use: KeyUse
    kid: KeyId | None
    step: Step
    ends: datetime
    """When the key or root ends, or ended."""
    before: timedelta | None
    """The narrowest warning before the end that has passed; None: only its part of life."""


def forecast(
    ring: KeyRing,
    purposes: Iterable[Purpose],
    roots: Iterable[RootTerms] = (),
    *,
    now: datetime,
    span: timedelta,
) -> tuple[Outage, ...]:
    """Find every time without a key that begins by ``now + span``.

    Args:
        ring: With statements and decisions, also those whose time has not come.
        purposes: Who should always have a key, and for what.
        roots: The newest root of each owner.
        now: Aware.
        span: How far to look.

    Returns:
        In the order of their beginning.
    """
    moments = _moments(ring, now, now + span)
    rings = [(at, step(ring, at)) for at in moments]
    found = [outage for purpose in purposes for outage in _outages(rings, purpose)]
    found += [_of_root(root, now) for root in roots if root.expires <= now + span]
    return tuple(sorted(found, key=lambda one: (one.at, one.owner, str(one.holder), one.use)))


def warnings(
    ring: KeyRing,
    now: datetime,
    roots: Iterable[RootTerms] = (),
    purposes: Iterable[Purpose] = (),
) -> tuple[Due, ...]:
    """Find what is due: successors that are missing, keys that may go, roots that end.

    Args:
        ring: Stepped to ``now``; with counts, else no key is ever taken for done.
        now: Aware.
        roots: The newest root of each owner.
        purposes: Who should always have a key; whoever has none any more stays on the list.

    Returns:
        In the order in which keys and roots end.
    """
    due = [*_successors(ring, now), *_done(ring, now)]
    told = {one.kid for one in due}
    due += [one for one in _missing(ring, purposes, now) if one.kid not in told]
    for root in roots:
        passed = passed_warning(root.issued, root.expires, ring.policy, now)
        if passed is not None:
            due.append(
                Due(
                    owner=root.owner,
                    holder=None,
                    use=KeyUse.ROOT_SIGNATURE,
                    kid=None,
                    step=Step.ROOT,
                    ends=root.expires,
                    before=passed[0],
                )
            )
    return tuple(sorted(due, key=lambda one: (one.ends, one.owner, str(one.kid))))


def _moments(ring: KeyRing, now: datetime, until: datetime) -> list[datetime]:
    moments = {now}
    for entry in ring.entries.values():
        stated = entry.statement
        moments |= {stated.not_before, stated.not_after}
        moments.add(stated.issued + ring.policy.uses[stated.use].announce)
        moments |= {event.at for event in entry.events}
    return sorted(at for at in moments if now <= at <= until)


def _outages(rings: Sequence[tuple[datetime, KeyRing]], purpose: Purpose) -> Iterator[Outage]:
    begun: tuple[datetime, Why, KeyId | None] | None = None
    for at, ring in rings:
        has_key = _has_key(ring, purpose, at)
        if begun is None and not has_key:
            begun = (at, *_why(ring, purpose, at))
        elif begun is not None and has_key:
            yield _outage(purpose, begun, until=at)
            begun = None
    if begun is not None:
        yield _outage(purpose, begun, until=None)


def _outage(
    purpose: Purpose, begun: tuple[datetime, Why, KeyId | None], *, until: datetime | None
) -> Outage:
    (holder, use), (at, why, kid) = purpose, begun
    return Outage(owner=holder.owner, holder=holder, use=use, why=why, kid=kid, at=at, until=until)


def _of_root(root: RootTerms, now: datetime) -> Outage:
    return Outage(
        owner=root.owner,
        holder=None,
        use=KeyUse.ROOT_SIGNATURE,
        why=Why.ROOT_EXPIRED,
        kid=None,
        at=max(root.expires, now),
        until=None,
    )


def _has_key(ring: KeyRing, purpose: Purpose, at: datetime) -> bool:
    try:
        ring.key_for(*purpose, at)
    except NoKeyError:
        return False
    return True


def _why(ring: KeyRing, purpose: Purpose, at: datetime) -> tuple[Why, KeyId | None]:
    """Name the key that is nearest to ending the outage, and what keeps it from that."""
    entries = ring.of(*purpose)
    for state, why in (
        (KeyState.ANNOUNCED, Why.NOT_ACTIVATED),
        (KeyState.SUSPENDED, Why.SUSPENDED),
        (KeyState.COMPROMISED, Why.COMPROMISED),
        (KeyState.ACTIVE, Why.ALGORITHM),
    ):
        for entry in entries:
            if entry.state is state and at < entry.statement.not_after:
                return why, entry.kid
    last = max(entries, key=lambda entry: entry.statement.not_after, default=None)
    return (Why.NONE_STATED, None) if last is None else (Why.EXPIRED, last.kid)


def _successors(ring: KeyRing, now: datetime) -> Iterator[Due]:
    """Which keys are in use, near their end, and have nobody to follow them?

    Near is where a warning has passed, or where the successor should overlap by the policy.
    """
    for entry in ring.entries.values():
        stated = entry.statement
        passed = passed_warning(stated.not_before, stated.not_after, ring.policy, now)
        is_overlap = stated.not_after - ring.policy.uses[stated.use].overlap <= now
        if entry.state is not KeyState.ACTIVE or (passed is None and not is_overlap):
            continue
        later = [
            other
            for other in ring.of(stated.holder, stated.use)
            if other.state in {KeyState.ANNOUNCED, KeyState.ACTIVE}
            and other.statement.not_before <= stated.not_after < other.statement.not_after
        ]
        if any(_starts_by_itself(other) for other in later):
            continue
        next_step = Step.ACTIVATE if later else Step.SUCCESSOR
        yield _due(entry, next_step, before=passed[0] if passed is not None else None)


def _missing(ring: KeyRing, purposes: Iterable[Purpose], now: datetime) -> Iterator[Due]:
    """Who has no key any more, or none yet that may be used? A warning does not end unheard."""
    for purpose in purposes:
        if _has_key(ring, purpose, now):
            continue
        why, kid = _why(ring, purpose, now)
        entry = ring.by_kid(kid) if kid is not None else None
        # What was suspended waits for its second person: `admin acts` tells of that.
        if entry is None or why is Why.SUSPENDED:
            continue
        is_announced = why is Why.NOT_ACTIVATED
        if is_announced and _starts_by_itself(entry):
            continue
        stated = entry.statement
        passed = passed_warning(stated.not_before, stated.not_after, ring.policy, now)
        next_step = Step.ACTIVATE if is_announced else Step.SUCCESSOR
        yield _due(entry, next_step, before=passed[0] if passed is not None else None)


def _starts_by_itself(entry: RingEntry) -> bool:
    return entry.statement.use is not KeyUse.DESK_ENCRYPTION or any(
        event.kind is ActKind.ACTIVATE for event in entry.events
    )


def _done(ring: KeyRing, now: datetime) -> Iterator[Due]:
    """Which empty keys have been kept for as long as their grace?"""
    for entry in ring.entries.values():
        use = entry.statement.use
        grace = ring.policy.uses[use].grace
        if (
            use is KeyUse.DESK_ENCRYPTION
            and entry.state is KeyState.EMPTY
            and entry.since + grace <= now
        ):
            yield _due(entry, Step.DESTROY, before=None)


def _due(entry: RingEntry, next_step: Step, *, before: timedelta | None) -> Due:
    stated = entry.statement
    return Due(
        owner=stated.owner,
        holder=stated.holder,
        use=stated.use,
        kid=entry.kid,
        step=next_step,
        ends=stated.not_after,
        before=before,
    )


def passed_warning(
    begins: datetime, ends: datetime, policy: KeyPolicy, now: datetime
) -> tuple[timedelta | None] | None:
    """Which warning has passed? None: not one; a tuple of None: only the part of life."""
    narrow = [span for span in policy.warn_before if ends - span <= now]
    if narrow:
        return (min(narrow),)
    part = (ends - begins) * policy.warn_at_percent / 100
    return (None,) if begins + part <= now else None

"""Which key, for whom, for what, at this moment? And: whose signature was this, then?

A ring never forgets a key: new messages ask what is active now, old evidence asks what was
good when it was signed. A ring is a value; :func:`step` makes the ring of another moment.

::

    announced → active → draining → empty → destroyed        suspended, compromised
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from keys.act_kind import ActKind
from keys.algorithms import SUITE_OF, Suite
from keys.decisions import KeyEvent
from keys.errors import KeysError, NoKeyError
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import EncryptionKey, KeyUse, VerificationKey
from keys.policy import STANDARD_KEY_POLICY, KeyPolicy
from keys.statement import KeyStatement, StatedKey

Purpose: TypeAlias = tuple[Holder, KeyUse]


class KeyState(StrEnum):
    """Where a key stands in its life, and the two ways of being taken out of it."""

    ANNOUNCED = "announced"
    """Published, not yet used."""
    ACTIVE = "active"
    """Messages are sealed to it, signatures made with it."""
    DRAINING = "draining"
    """It still opens what is under way, or still verifies; its successor is active."""
    EMPTY = "empty"
    """Nothing is under way any more; its grace runs."""
    DESTROYED = "destroyed"
    """The private half may be gone; old signatures still verify."""
    SUSPENDED = "suspended"
    """Taken out at once by one person; comes back or is revoked."""
    COMPROMISED = "compromised"
    """Somebody else may hold the private half since then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """What the ledger knows of an encryption key, as of one moment."""

    count: int
    """Sealed to it and not yet opened, wherever it lies."""
    emptied_at: datetime | None = None
    """When the last of it was settled; None if nothing ever was sealed to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingEntry:
    """One stated key, what was decided of it, and its state at the ring's moment."""

    statement: KeyStatement
    events: tuple[KeyEvent, ...] = ()
    in_flight: InFlight | None = None
    """None: nobody has counted; then it is never taken for empty."""
    state: KeyState = KeyState.ANNOUNCED
    since: datetime
    """When it entered this state."""
    revoked_since: datetime | None = None
    """From then on it proves nothing; also of a key that was destroyed since."""

    @property
    def kid(self) -> KeyId:
        """The key's name."""
        return self.statement.kid

    def could_sign_at(self, moment: datetime) -> bool:
        """Does a signature from that moment count?

        That it is really as old as it says, a receipt must prove.
        """
        is_good = self.revoked_since is None or moment < self.revoked_since
        return is_good and self.statement.valid_at(moment)


def announce(statement: KeyStatement, events: Sequence[KeyEvent] = ()) -> RingEntry:
    """Put a stated key into a ring, before anything has become of it."""
    return RingEntry(statement=statement, events=tuple(events), since=statement.issued)


class KeyRing:
    """All stated keys that a party knows, by name and by purpose."""

    __slots__ = ("_by_kid", "_by_purpose", "policy")

    def __init__(
        self, entries: Iterable[RingEntry] = (), *, policy: KeyPolicy = STANDARD_KEY_POLICY
    ) -> None:
        by_kid: dict[KeyId, RingEntry] = {}
        by_purpose: dict[Purpose, tuple[RingEntry, ...]] = {}
        for entry in entries:
            statement = entry.statement
            if statement.kid in by_kid:
                # Two keys under one name: a verifier could be shown either.
                raise KeysError("a key id stands twice in the ring")
            by_kid[statement.kid] = entry
            purpose = (statement.holder, statement.use)
            by_purpose[purpose] = (*by_purpose.get(purpose, ()), entry)
        self._by_kid: Final = MappingProxyType(by_kid)
        self._by_purpose: Final = MappingProxyType(by_purpose)
        self.policy: Final = policy

    @property
    def entries(self) -> Mapping[KeyId, RingEntry]:
        """Every key, by name."""
        return self._by_kid

    def by_kid(self, kid: KeyId) -> RingEntry | None:
        """Find a key by its name, whatever its state."""
        return self._by_kid.get(kid)

    def of(self, holder: Holder, use: KeyUse) -> tuple[RingEntry, ...]:
        """Every key of a purpose, whatever its state."""
        return self._by_purpose.get((holder, use), ())

    def with_counts(self, counts: Mapping[KeyId, InFlight]) -> "KeyRing":
        """Make a ring that knows what is under way; a key that is not named has nothing."""
        nothing = InFlight(count=0)
        return KeyRing(
            (
                replace(entry, in_flight=counts.get(entry.kid, nothing))
                for entry in self._by_kid.values()
            ),
            policy=self.policy,
        )

    def key_for(self, holder: Holder, use: KeyUse, at: datetime) -> StatedKey:
        """Which key serves this purpose at this moment? Of several, the one stated last.

        Raises:
            NoKeyError: None is active and in its time.
        """
        allowed = self.policy.uses[use].algorithms
        fitting = [
            entry.statement
            for entry in self.of(holder, use)
            if entry.state is KeyState.ACTIVE
            and entry.since <= at
            and entry.statement.valid_at(at)
            and entry.statement.key.algorithm.value in allowed
        ]
        if not fitting:
            raise NoKeyError("no key is active for this purpose")
        return max(fitting, key=lambda statement: statement.serial).key

    def encryption_key_for(self, holder: Holder, at: datetime) -> EncryptionKey:
        """To which key is a message for this desk sealed now?

        Raises:
            NoKeyError: None is active and in its time.
        """
        key = self.key_for(holder, KeyUse.DESK_ENCRYPTION, at)
        if not isinstance(key, EncryptionKey):  # pragma: no cover - a statement forbids it
            raise NoKeyError("no key is active for this purpose")
        return key

    def keys_that_verify(
        self, holder: Holder, use: KeyUse, signed_at: datetime
    ) -> tuple[VerificationKey, ...]:
        """Which keys could have signed for this purpose at that moment? Old ones included.

        The one that was stated last stands first.
        """
        fitting = [entry for entry in self.of(holder, use) if entry.could_sign_at(signed_at)]
        newest_first = sorted(fitting, key=lambda entry: -entry.statement.serial)
        return tuple(
            entry.statement.key
            for entry in newest_first
            if isinstance(entry.statement.key, VerificationKey)
        )


def step(ring: KeyRing, now: datetime) -> KeyRing:
    """Bring every key to the state that it has at this moment.

    The same ring at the same moment gives the same states, however often and from wherever
    it is asked: states follow from what was stated, decided and counted, and nothing else.

    Args:
        ring: Its entries carry statements, decisions and counts.
        now: Aware.

    Returns:
        One active encryption key for each desk and suite, or none; any number draining.
    """
    groups: dict[tuple[Purpose, Suite | None], list[RingEntry]] = {}
    for entry in ring.entries.values():
        groups.setdefault(_group(entry), []).append(entry)
    return KeyRing(
        (
            _stepped(entry, groups[_group(entry)], ring.policy, now)
            for entry in ring.entries.values()
        ),
        policy=ring.policy,
    )


def starts_at(entry: RingEntry, policy: KeyPolicy, now: datetime) -> datetime | None:
    """From when on is a key used, as far as it is decided now? None: nobody let it.

    A key that signs begins with its time; one that receives needs two administrators, and
    has been announced for a while, so that nobody meets it unprepared.
    """
    statement = entry.statement
    if statement.use is not KeyUse.DESK_ENCRYPTION:
        return statement.not_before
    given_up = _given_up_at(entry, now)
    activated = [one.at for one in entry.events if one.kind is ActKind.ACTIVATE and one.at <= now]
    if given_up is not None:
        activated = [at for at in activated if at <= given_up]
    if not activated:
        return None
    announced = statement.issued + policy.uses[statement.use].announce
    start = max(activated[-1], statement.not_before, announced)
    # Its private half may be gone by then: what was given up before never begins.
    return start if given_up is None or start <= given_up else None


def _group(entry: RingEntry) -> tuple[Purpose, Suite | None]:
    statement = entry.statement
    suite = SUITE_OF[statement.key.algorithm] if isinstance(statement.key, EncryptionKey) else None
    return (statement.holder, statement.use), suite


def _stepped(
    entry: RingEntry, group: Sequence[RingEntry], policy: KeyPolicy, now: datetime
) -> RingEntry:
    revoked, revoked_since = _revocation(entry, now)
    state, since = revoked or _in_turn(entry, group, policy, now)
    destroyed = None if state is KeyState.ACTIVE else _destroyed(entry, policy, since, now)
    if destroyed is not None:
        state, since = KeyState.DESTROYED, destroyed
    return replace(entry, state=state, since=since, revoked_since=revoked_since)


def _revocation(
    entry: RingEntry, now: datetime
) -> tuple[tuple[KeyState, datetime] | None, datetime | None]:
    state: tuple[KeyState, datetime] | None = None
    revoked_since: datetime | None = None
    given_up = _given_up_at(entry, now)
    for event in entry.events:
        if event.at > now:
            continue
        if event.kind is ActKind.COMPROMISE:
            # The earliest moment that anybody named counts: nobody moves it forward.
            named = [event.since] if revoked_since is None else [event.since, revoked_since]
            if state is None or state[0] is not KeyState.COMPROMISED:
                state = (KeyState.COMPROMISED, event.at)
            revoked_since = min(named)
        elif state is not None and state[0] is KeyState.COMPROMISED:
            continue
        elif event.kind is ActKind.SUSPEND and state is None:
            state, revoked_since = (KeyState.SUSPENDED, event.at), event.at
        elif event.kind is ActKind.LIFT and (given_up is None or event.at < given_up):
            # What was given up while it was suspended may be gone: it does not come back.
            state, revoked_since = None, None
    return state, revoked_since


def _in_turn(
    entry: RingEntry, group: Sequence[RingEntry], policy: KeyPolicy, now: datetime
) -> tuple[KeyState, datetime]:
    """Where does a key stand that nobody took out?"""
    statement = entry.statement
    start = starts_at(entry, policy, now)
    if start is None or start > now:
        if statement.not_after <= now:
            return KeyState.EMPTY, statement.not_after
        return KeyState.ANNOUNCED, statement.issued
    own = (start, statement.serial)
    later = [
        (other_start, other.statement.serial)
        for other in group
        if (other_start := starts_at(other, policy, now)) is not None and other_start <= now
    ]
    successors = [place for place in later if place > own]
    if not successors and now < statement.not_after:
        return KeyState.ACTIVE, start
    drains = min([place[0] for place in successors] + [statement.not_after])
    emptied = _emptied(entry, drains, now)
    return (KeyState.DRAINING, drains) if emptied is None else (KeyState.EMPTY, emptied)


def _emptied(entry: RingEntry, drains: datetime, now: datetime) -> datetime | None:
    statement = entry.statement
    if statement.use is not KeyUse.DESK_ENCRYPTION:
        # A key that signs is done when nothing signed with it can be new any more.
        return statement.not_after if statement.not_after <= now else None
    if entry.in_flight is None or entry.in_flight.count:
        return None
    return max(drains, entry.in_flight.emptied_at or drains)


def _given_up_at(entry: RingEntry, now: datetime) -> datetime | None:
    """When did two administrators let its private half go?"""
    return next(
        (one.at for one in entry.events if one.kind is ActKind.DESTROY and one.at <= now), None
    )


def _destroyed(
    entry: RingEntry, policy: KeyPolicy, left: datetime, now: datetime
) -> datetime | None:
    """When was it let go? Never while something waits for it, whoever decided."""
    given_up, in_flight = _given_up_at(entry, now), entry.in_flight
    if given_up is None:
        return None
    if entry.statement.use is KeyUse.DESK_ENCRYPTION and (in_flight is None or in_flight.count):
        return None
    at = max(given_up, left)
    if in_flight is not None and in_flight.emptied_at is not None:
        at = max(at, in_flight.emptied_at + policy.uses[entry.statement.use].grace)
    return at if at <= now else None

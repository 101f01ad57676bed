"""What do the administrators' acts decide?

Acts are judged in the order in which they came, by what was known then: a key that is revoked
later does not undo what its holder did before. One person takes away; two persons give, and
what two gave can be cancelled until its time-lock ends.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from keys import act as acts
from keys import channel_rules
from keys.act import Act, ActId
from keys.act_kind import ALONE, BY_ALL, BY_TWO, ON_ACTS, ON_CHANNELS, RATIFIED, ActKind
from keys.channel import CHANNEL_KINDS
from keys.decision import Decision
from keys.decisions import Decisions
from keys.errors import ActError, PolicyError
from keys.identifiers import KeyId
from keys.jws import FindKey
from keys.key import KeyUse, VerificationKey
from keys.policy import KeyPolicy
from keys.revocation import is_out, is_revoked, replaces
from keys.rights import require_another, require_right, require_second
from keys.statement import Statements

NO_LOCK: Final = timedelta(0)
CLOCKS_APART: Final = timedelta(minutes=5)
"""How far an administrator's clock may be from the ledger's."""
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


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
        arrival = _Arrival(
            at=None if came is None else now, after=now, is_noted=arrivals is not None
        )
        found = _with(found, token, statements, arrival)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    at: datetime | None
    """None: it is not noted of this act."""
    after: datetime
    """When the last one before it came of which that is noted."""
    is_noted: bool
    """Whether arrivals are noted at all."""

    def moment(self, one: Act) -> datetime:
        """By which time is this act judged?"""
        # What comes without a moment comes after all that lies before it, whatever it says: a
        # cancellation would else undo what took effect years ago.
        return self.at or max(one.at, self.after)


def _with(before: Decisions, token: str, statements: Statements, came: _Arrival) -> Decisions:
    try:
        one = acts.verify(token, find_key=_administrators(statements))
        _require_date(one, came)
        by_id = _judge(before, one, statements, came.moment(one))
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
        or is_out(events, one.at)
        or is_out(events, now)
    ):
        raise ActError("the administrator's key does not count at the time of the act")
    known = dict(before.by_id)
    if one.kind in ON_ACTS:
        known.update(_answer(before, one, statements, now))
        return known
    if one.id in known:
        return known
    require_right(one.by, one, before, now)
    _require_sense(before, one, statements, now)
    _require_new(before, one)
    known[one.id] = Decision(act=one, effective_at=_begins(before, one, now))
    for stopped in _stopped_by(before, one, now):
        known[stopped] = replace(known[stopped], cancelled_at=now)
    return known


def _begins(before: Decisions, one: Act, now: datetime) -> datetime | None:
    """From when on does a new act count? None: somebody else has to agree first."""
    if one.kind not in ALONE:
        return None
    # What is taken away is what stands when the act comes: dated by a slow clock, before the
    # newest charter, lift or opening, it would not count against them.
    dated = min(one.at, now)
    is_undone = any(
        each.in_force(now)
        and each.effective_at is not None
        and each.effective_at >= dated
        and _gives_back(each, one)
        for each in before.by_id.values()
    )
    # Nothing lifts a compromise: it stays as early as it was seen.
    is_late = one.kind in ON_CHANNELS or (is_undone and one.kind is not ActKind.COMPROMISE)
    return now if is_late else dated


def _gives_back(each: Decision, one: Act) -> bool:
    """Would this decision undo what that act takes away?"""
    given = each.act
    if given.kind is ActKind.LIFT and one.kind in RATIFIED:
        return not set(given.keys).isdisjoint(one.keys)
    if given.kind is ActKind.OPEN and one.kind is ActKind.CLOSE:
        return not set(given.pairs).isdisjoint(one.pairs)
    return False


def _stopped_by(before: Decisions, one: Act, now: datetime) -> Iterable[ActId]:
    """Which acts that wait does this one stop?

    What was to give back what it takes away: others agreed on that before they knew why. And
    what was proposed or approved with a key that it takes out.
    """
    if one.kind not in ALONE:
        return
    waiting = [each for each in before.by_id.values() if each.is_pending(now)]
    if one.kind in ON_CHANNELS:
        yield from channel_rules.stopped_by(one, waiting)
    for each in waiting:
        if _gives_back(each, one) or (one.kind in RATIFIED and _is_signed_with(each, one.keys)):
            yield each.act.id


def _require_new(before: Decisions, one: Act) -> None:
    """Some signatures can be written in two ways: nothing is done twice with one's old word."""
    signed = _signed_part(one)
    for each in before.by_id.values():
        if each.act.signed_with == one.signed_with and _signed_part(each.act) == signed:
            raise ActError("the act stands there already, under another signature")


def _signed_part(one: Act) -> str:
    return one.token.rpartition(".")[0]


def _require_sense(before: Decisions, one: Act, statements: Statements, now: datetime) -> None:
    if one.kind is ActKind.POLICY:
        KeyPolicy.from_json(one.policy or {})
    if one.kind in CHANNEL_KINDS:
        channel_rules.require_sense(one, before.by_id, now)
    if one.kind is ActKind.LIFT and not all(
        is_revoked(before.events_of(kid), now) for kid in one.keys
    ):
        raise ActError("nothing is lifted that is not suspended")
    if one.kind is ActKind.ACTIVATE and not all(kid in statements for kid in one.keys):
        raise ActError("a key is activated that nobody has stated")


def _is_signed_with(one: Decision, keys: Collection[KeyId]) -> bool:
    signers = filter(None, (one.act, one.approved_by, *one.consents))
    return one.act.kind in BY_TWO | BY_ALL and any(each.signed_with in keys for each in signers)


def _answer(
    before: Decisions, one: Act, statements: Statements, now: datetime
) -> dict[ActId, Decision]:
    """Approve or cancel what was proposed."""
    found = before.by_id.get(one.of) if one.of is not None else None
    if found is None:
        raise ActError("the act that is answered is not known")
    require_right(one.by, found.act, before, now)
    if one.kind is ActKind.CANCEL:
        if found.act.kind not in BY_TWO | BY_ALL or found.in_force(now):
            raise ActError("what has taken effect cannot be cancelled")
        return {found.act.id: replace(found, cancelled_at=now)}
    if one.kind is ActKind.CONSENT:
        return {found.act.id: _consented(before, one, found, statements, now)}
    if found.act.kind not in BY_TWO | RATIFIED or found.cancelled_at or found.approved_by:
        raise ActError("there is nothing left to approve")
    require_second(one, found, statements)
    if found.act.kind in CHANNEL_KINDS:
        # Who has left a channel meanwhile has no hand in it any more.
        require_right(found.act.by, found.act, before, now)
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
        require_another(one, other, statements)
    return consented


def _lock(before: Decisions, one: Act, now: datetime, statements: Statements) -> timedelta:
    policy = before.policy(now)
    if one.kind in {ActKind.LIFT, ActKind.RESUME_CHANNEL}:
        return NO_LOCK
    if one.kind is ActKind.ACTIVATE and all(
        replaces(before, kid, now, statements) for kid in one.keys
    ):
        return policy.replacement_lock
    return policy.time_lock

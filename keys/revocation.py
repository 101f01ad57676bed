"""Is a key taken out, by what was decided of it?"""

from collections.abc import Sequence
from datetime import datetime

from keys.act_kind import RATIFIED, ActKind
from keys.decisions import Decisions, KeyEvent
from keys.identifiers import KeyId
from keys.statement import Statements


def is_out(events: Sequence[KeyEvent], at: datetime) -> bool:
    """Is an act that comes now too late, whatever moment it names?

    Whoever stole a key could date his acts back to before it was taken out, so nothing that
    comes after that counts, unless the key was lifted since; and nothing from in between.
    """
    decided = [one.at for one in events if one.kind in RATIFIED or one.kind is ActKind.LIFT]
    return is_revoked(events, at) or (bool(decided) and is_revoked(events, max(decided)))


def is_revoked(events: Sequence[KeyEvent], now: datetime) -> bool:
    """Is the key taken out at this moment, by what was decided of it?"""
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


def replaces(before: Decisions, kid: KeyId, now: datetime, statements: Statements) -> bool:
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
    return bool(let_in) and all(is_revoked(events, now) for events in let_in)

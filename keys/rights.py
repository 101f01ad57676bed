"""Who may decide what, and who may be the second to say so?"""

from datetime import datetime
from typing import Final

from keys import channel_rules
from keys.act import Act
from keys.act_kind import BY_TWO, ON_POLICIES, ActKind
from keys.channel import CHANNEL_KINDS
from keys.decision import Decision
from keys.decisions import Decisions
from keys.errors import ActError
from keys.holder import Holder
from keys.identifiers import Exchange, Owner, kid_owner
from keys.key import VerificationKey
from keys.statement import Statements
from schemas.vocabulary import Country

OF_TWO_OWNERS: Final = ON_POLICIES | {ActKind.RESUME_CHANNEL}


def require_right(by: Holder, one: Act, before: Decisions, now: datetime) -> None:
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


def require_second(second: Act, found: Decision, statements: Statements) -> None:
    """Who agrees is another person, agrees afterwards, and is of the owner that the act needs."""
    first = found.act
    require_another(second, first, statements)
    # What takes effect at once does so when it comes, also if it is dated ahead.
    if second.at < (found.effective_at or first.at):
        raise ActError("the approval is older than the act")
    owners: set[Owner] = {first.by.owner, second.by.owner}
    if first.kind in OF_TWO_OWNERS and len(owners) == 1:
        raise ActError("this is decided by administrators of two owners")
    # The exchange's administrators alone add no reader to a country.
    if first.kind in BY_TWO and not all(kid_owner(kid) in owners for kid in first.keys):
        raise ActError("one of the two must be the key owner's administrator")


def require_another(second: Act, first: Act, statements: Statements) -> None:
    """Two persons have two names and two keys."""
    # The same key under another name is the same person.
    keys = [statements[one.signed_with].key for one in (first, second)]
    forms = [key.form for key in keys if isinstance(key, VerificationKey)]
    if second.by == first.by or forms[0] == forms[-1]:
        raise ActError("nobody approves his own act")


def _countries(pair: str) -> tuple[Country | None, ...]:
    known = {country.value: country for country in Country}
    return known.get(pair[:2]), known.get(pair[3:5])

"""What somebody does to a channel that there is."""

from collections.abc import Callable

from keys.act_kind import ActKind
from schemas.vocabulary import Country
from tests.keys.assembly import GT, HN, MX, Life

LEAVE, SUSPEND, RESUME, CLOSE = (
    ActKind.LEAVE_CHANNEL,
    ActKind.SUSPEND_CHANNEL,
    ActKind.RESUME_CHANNEL,
    ActKind.CLOSE_CHANNEL,
)
Attempt = Callable[[Life], None]


def propose_next(who: str, *countries: Country, **changes: object) -> Attempt:
    """Propose another version of the channel that there is."""
    return lambda life: void(life.propose(who, *countries, **{"version": 2, **changes}))


def consented_by(*who: str) -> Attempt:
    """Propose the next version as Mexico's Ana, and let these consent."""

    def attempt(life: Life) -> None:
        proposal = life.propose("MX ana", MX, GT, HN, version=2)
        life.consent(proposal, *who)

    return attempt


def done(who: str, kind: ActKind) -> Attempt:
    """Do something to the channel that there is."""
    return lambda life: void(life.do(who, kind))


def void(_: object) -> None:
    """Want no answer."""

"""What becomes of a channel by what its members do?"""

import pytest

from keys.act import act_id
from keys.act_kind import ActKind
from keys.decide import CLOCKS_APART
from tests.keys.assembly import DAY, GT, HN, HOUR, LOCK, MX, REVIEW, SECOND, SV, Life
from tests.keys.channel.attempts import CLOSE, LEAVE, RESUME, SUSPEND, Attempt, done


def joined(life: Life) -> None:
    """El Salvador joins by the next version."""
    life.consent(
        life.propose("MX ana", MX, GT, HN, SV, version=2),
        "MX luis",
        "GT luis",
        "HN luis",
        "SV luis",
    )
    life.wait()


def joined_by_another(life: Life) -> None:
    """The next version lacks one consent, and the first one goes on."""
    life.consent(life.propose("MX ana", MX, GT, HN, SV, version=2), "MX luis", "GT luis", "SV luis")
    life.wait()


def expelled(life: Life) -> None:
    """Those who stay consent to a version without Honduras."""
    life.consent(life.propose("MX ana", MX, GT, version=2), "MX luis", "GT luis")
    life.wait()


def handed_on(life: Life) -> None:
    """Mexico lets Guatemala convene, and then leaves; Guatemala goes on."""
    members = frozenset({MX, GT})
    life.consent(
        life.propose("MX ana", MX, GT, HN, version=2, conveners=members),
        "MX luis", "GT luis", "HN luis",
    )  # fmt: skip
    life.wait()
    life.do("MX ana", LEAVE)
    life.consent(life.propose("GT ana", GT, HN, version=3), "GT luis", "HN luis")
    life.wait()


def orphaned(life: Life) -> None:
    """The only convener leaves: whoever is left may lead."""
    life.do("MX ana", LEAVE)
    life.consent(life.propose("HN ana", HN, GT, version=2), "GT luis", "HN luis")
    life.wait()


def orphaned_and_closed(life: Life) -> None:
    """The only convener leaves, and one that is left closes it."""
    life.do("MX ana", LEAVE)
    life.do("GT ana", CLOSE)


def left_alone(life: Life) -> None:
    """Two of three leave: one alone is no channel."""
    life.do("GT ana", LEAVE)
    life.do("HN ana", LEAVE)


def left_by_all(life: Life) -> None:
    """Nobody is left."""
    left_alone(life)
    life.do("MX luis", LEAVE)


def left_and_back(life: Life) -> None:
    """Guatemala leaves, and comes back by a version that it consents to."""
    life.do("GT ana", LEAVE)
    life.wait(DAY)
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.wait()


def left_while_another_version_waited(life: Life) -> None:
    """All had consented, Guatemala too; it leaves before the time-lock is over."""
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.wait(HOUR)
    life.do("GT ana", LEAVE)
    life.wait()


def left_while_a_version_without_it_waited(life: Life) -> None:
    """A version that leaves Guatemala out goes on when Guatemala leaves."""
    life.consent(life.propose("MX ana", MX, HN, version=2), "MX luis", "HN luis")
    life.do("GT ana", LEAVE)
    life.wait()


def left_by_a_slow_clock(life: Life) -> None:
    """The next version has begun; the act of leaving is dated before it did."""
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.wait()
    life.wait(SECOND)
    life.do("GT ana", LEAVE, late=HOUR)


def suspended(life: Life) -> None:
    """One member is enough."""
    life.do("HN ana", SUSPEND)


def suspended_by_the_exchange(life: Life) -> None:
    """Break-glass."""
    life.do("GW ana", SUSPEND)


def suspended_and_resumed(life: Life) -> None:
    """Two owners agree; at once."""
    life.do("HN ana", SUSPEND)
    life.wait(HOUR)
    life.resume("MX ana", "GW luis")


def suspended_by_a_slow_clock(life: Life) -> None:
    """Suspended, resumed, and suspended again by somebody whose clock is an hour late."""
    suspended_and_resumed(life)
    life.wait(SECOND)
    life.do("HN ana", SUSPEND, late=HOUR)


def suspended_before_a_fast_resumption(life: Life) -> None:
    """Whoever agreed had a fast clock; meanwhile it is suspended again."""
    life.do("HN ana", SUSPEND)
    proposal = life.do("MX ana", RESUME)
    life.clock += CLOCKS_APART
    agreed = life.sign("GT ana", ActKind.APPROVE, of=act_id(proposal))
    life.clock -= CLOCKS_APART
    life.come(agreed)
    life.wait(SECOND)
    life.do("HN ana", SUSPEND)
    life.wait(CLOCKS_APART)


def suspended_and_renewed(life: Life) -> None:
    """Another version does not lift a suspension."""
    life.do("HN ana", SUSPEND)
    life.consent(life.propose("MX ana", MX, GT, version=2), "MX luis", "GT luis")
    life.wait()


def closed(life: Life) -> None:
    """A convener ends it."""
    life.do("MX ana", CLOSE)


def closed_by_the_exchange(life: Life) -> None:
    """The exchange ends it."""
    life.do("GW ana", CLOSE)


def closed_while_a_version_has_its_lock(life: Life) -> None:
    """What all consented to does not open it again."""
    life.consent(life.propose("MX ana", MX, GT, version=2), "MX luis", "GT luis")
    life.do("MX luis", CLOSE)
    life.wait()


def reviewed_too_late(life: Life) -> None:
    """Nobody has looked at it for a year."""
    life.wait(REVIEW - LOCK)


def renewed_after_the_review(life: Life) -> None:
    """It goes on when its members have consented anew."""
    life.wait(REVIEW)
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.wait()


def cancelled_in_its_lock(life: Life) -> None:
    """A member sees in time what it consented to."""
    proposal = life.propose("MX ana", MX, GT, version=2)
    life.consent(proposal, "MX luis", "GT luis")
    life.answer("GT ana", ActKind.CANCEL, proposal)
    life.wait()


def cancelled_by_the_exchange(life: Life) -> None:
    """The exchange stops a version."""
    proposal = life.propose("MX ana", MX, GT, version=2)
    life.consent(proposal, "MX luis", "GT luis")
    life.answer("GW ana", ActKind.CANCEL, proposal)
    life.wait()


def stolen(who: str, kind: ActKind = ActKind.COMPROMISE) -> Attempt:
    """A key that signed what waits turns out to be another's."""

    def attempt(life: Life) -> None:
        life.consent(life.propose("MX ana", MX, GT, version=2), "MX luis", "GT luis")
        life.wait(HOUR)
        life.take_key(who, kind)
        life.wait()

    return attempt


def stolen_when_in_force(life: Life) -> None:
    """What counts already is not undone; whoever doubts it suspends."""
    life.take_key("MX ana")


LIVES: dict[str, tuple[Attempt, tuple[str, str, int]]] = {
    "a member joins": (joined, ("active", "GT HN MX SV", 2)),
    "one consent is missing": (joined_by_another, ("active", "GT HN MX", 1)),
    "a member is left out": (expelled, ("active", "GT MX", 2)),
    "a member leaves": (done("GT ana", LEAVE), ("active", "HN MX", 1)),
    "all but one leave": (left_alone, ("suspended", "MX", 1)),
    "all leave": (left_by_all, ("suspended", "", 1)),
    "a member leaves and comes back": (left_and_back, ("active", "GT HN MX", 2)),
    "leaving stops the version that waits": (
        left_while_another_version_waited, ("active", "HN MX", 1),
    ),
    "leaving stops no version of others": (
        left_while_a_version_without_it_waited, ("active", "HN MX", 2),
    ),
    "leaving by a slow clock": (left_by_a_slow_clock, ("active", "HN MX", 2)),
    "conveners change": (handed_on, ("active", "GT HN", 3)),
    "the only convener leaves": (orphaned, ("active", "GT HN", 2)),
    "the only convener leaves, and it is closed": (orphaned_and_closed, ("closed", "GT HN", 1)),
    "suspended": (suspended, ("suspended", "GT HN MX", 1)),
    "suspended by the exchange": (suspended_by_the_exchange, ("suspended", "GT HN MX", 1)),
    "resumed by two owners": (suspended_and_resumed, ("active", "GT HN MX", 1)),
    "suspended again by a slow clock": (suspended_by_a_slow_clock, ("suspended", "GT HN MX", 1)),
    "suspended again before a fast clock's word": (
        suspended_before_a_fast_resumption, ("suspended", "GT HN MX", 1),
    ),
    "a new version lifts no suspension": (suspended_and_renewed, ("suspended", "GT MX", 2)),
    "closed": (closed, ("closed", "GT HN MX", 1)),
    "closed by the exchange": (closed_by_the_exchange, ("closed", "GT HN MX", 1)),
    "closed while a version waits": (closed_while_a_version_has_its_lock, ("closed", "GT MX", 2)),
    "its review is due": (reviewed_too_late, ("suspended", "GT HN MX", 1)),
    "renewed after its review": (renewed_after_the_review, ("active", "GT HN MX", 2)),
    "the next version is cancelled": (cancelled_in_its_lock, ("active", "GT HN MX", 1)),
    "the exchange cancels the next version": (cancelled_by_the_exchange, ("active", "GT HN MX", 1)),
    "the proposer's key was stolen": (stolen("MX ana"), ("active", "GT HN MX", 1)),
    "a consenting key was stolen": (stolen("GT luis"), ("active", "GT HN MX", 1)),
    "a consenting key is suspended": (
        stolen("GT luis", ActKind.SUSPEND), ("active", "GT HN MX", 1),
    ),
    "another key was stolen": (stolen("HN ana"), ("active", "GT MX", 2)),
    "a key was stolen when all counted": (stolen_when_in_force, ("active", "GT HN MX", 1)),
}  # fmt: skip


@pytest.mark.parametrize(("happens", "expected"), LIVES.values(), ids=LIVES.keys())
def test_channel_becomes_what_its_acts_say(
    life: Life, happens: Attempt, expected: tuple[str, str, int]
) -> None:
    """Mexico convenes it with Guatemala and Honduras; no act of these is refused."""
    life.begin(MX, GT, HN)

    happens(life)

    assert life.refused == []
    assert (life.state, life.members, life.version) == expected


def test_channel_keeps_for_a_country_what_came_while_it_was_a_member(life: Life) -> None:
    """Who left, or will come, is still a country of the channel; its queue is not forgotten."""
    life.begin(MX, GT, HN)
    life.do("GT ana", LEAVE)
    life.consent(life.propose("MX ana", MX, HN, SV, version=2), "MX luis", "HN luis", "SV luis")

    assert life.channel.countries == {MX, GT, HN, SV}
    assert life.members == "HN MX"

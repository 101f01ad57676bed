"""A channel is what its signed acts make of it: its life, and whoever would bend it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from keys import channel as channels
from keys import decide
from keys.act import Act, act_id
from keys.act_kind import ActKind
from keys.channel import Channel, ChannelState
from keys.channel_rules import MAX_REVIEW
from keys.decide import CLOCKS_APART
from keys.decisions import Decisions
from keys.errors import ActError
from schemas.vocabulary import Compartment, Country
from tests.keys.assembly import (
    DAY,
    GT,
    HN,
    HOUR,
    LOCK,
    MX,
    NAME,
    PA,
    REVIEW,
    SECOND,
    SV,
    Assembly,
    Life,
)

LEAVE, SUSPEND, RESUME, CLOSE = (
    ActKind.LEAVE_CHANNEL,
    ActKind.SUSPEND_CHANNEL,
    ActKind.RESUME_CHANNEL,
    ActKind.CLOSE_CHANNEL,
)


@pytest.fixture(scope="module")
def assembly(now: datetime) -> Assembly:
    """Give the countries; no test changes them."""
    return Assembly(now=now)


@pytest.fixture
def life(assembly: Assembly) -> Life:
    """Give an empty journal."""
    return Life(assembly=assembly)


def test_channel_begins_when_every_member_has_consented_and_its_lock_is_over(life: Life) -> None:
    """Proposed, consented, active, and not a second too early."""
    proposal = life.propose("MX ana", MX, GT)
    states = [life.state]
    life.consent(proposal, "MX luis")
    states.append(life.state)
    life.consent(proposal, "GT luis")
    states.append(life.state)
    life.wait(LOCK - SECOND)
    states.append(life.state)
    assert life.members == ""
    life.wait(SECOND)

    assert states == ["proposed", "proposed", "consented", "consented"]
    assert (life.state, life.members, life.version) == ("active", "GT MX", 1)
    assert life.channel.compartment is Compartment.INTELLIGENCE
    assert life.refused == []


def test_outline_is_the_charter_that_counts_or_else_the_one_that_may(life: Life) -> None:
    """Of several proposals the newest; then the one that all consented to; then what counts."""

    def title() -> str:
        charter = life.channel.outline(life.clock)
        return "" if charter is None else charter.title

    first = life.propose("MX ana", MX, GT, title="first")
    life.propose("MX ana", MX, GT, title="second")
    proposed = title()
    life.consent(first, "MX luis", "GT luis")
    consented = title()
    life.wait()
    life.propose("MX ana", MX, GT, version=2, title="next")

    assert (proposed, consented, title()) == ("second", "first", "first")


def test_decisions_change_next_when_a_charter_begins_and_when_its_review_is_due(
    life: Life,
) -> None:
    """Whoever waits for the next change is woken for both."""
    proposal = life.propose("MX ana", MX, GT)
    life.consent(proposal, "MX luis", "GT luis")

    begins = life.decisions.next_moment(life.clock)

    assert begins == life.clock + LOCK
    assert life.decisions.next_moment(begins) == life.clock + REVIEW
    assert life.decisions.next_moment(life.clock + REVIEW) is None


def test_channel_is_nothing_when_nobody_proposed_it(now: datetime) -> None:
    """No member, no compartment, no country."""
    channel = Channel(name=NAME)

    assert channel.state(now) is ChannelState.PROPOSED
    assert (channel.compartment, channel.countries) == (None, frozenset())
    assert channel.charter(now) is channel.outline(now) is None


def test_channel_of_refuses_an_act_about_no_channel(life: Life) -> None:
    """Nothing is guessed."""
    life.begin(MX, GT)
    life.do("MX ana", CLOSE)
    life.take_key("GT ana")
    charter, closed, about_a_key = (one.act for one in life.decisions.by_id.values())

    assert channels.channel_of(charter) == channels.channel_of(closed) == NAME
    with pytest.raises(ActError, match="names no channel"):
        channels.channel_of(about_a_key)


# ------------------------------------------------------------------ What is refused, and why

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


def two_versions_at_once(life: Life) -> None:
    """While one waits for its time, another is built upon it."""
    proposal = life.propose("MX ana", MX, GT, version=2)
    life.consent(proposal, "MX luis", "GT luis")
    life.propose("MX ana", MX, GT, version=3)


def approved_instead(life: Life) -> None:
    """A charter is approved, as if two were enough."""
    proposal = life.propose("MX ana", MX, GT, HN, version=2)
    life.answer("MX luis", ActKind.APPROVE, proposal)


def consented_to_a_suspension(life: Life) -> None:
    """A consent to what is no charter."""
    life.consent(life.do("MX ana", SUSPEND), "GT luis")


def consented_when_in_force(life: Life) -> None:
    """A consent to what counts already."""
    life.consent(life.tokens[0], "GT ana")


def consented_when_cancelled(life: Life) -> None:
    """A consent to what was cancelled."""
    proposal = life.propose("MX ana", MX, GT, version=2)
    life.answer("GT ana", ActKind.CANCEL, proposal)
    life.consent(proposal, "GT luis")


def consented_to_what_was_overtaken(life: Life) -> None:
    """Of two second versions one has come to count; the other is no next one any more."""
    late, soon = (life.propose("MX ana", MX, GT, version=2, title=text) for text in "AB")
    life.consent(late, "MX luis")
    life.consent(soon, "MX luis", "GT luis")
    life.wait()
    life.consent(late, "GT luis")


def consented_after_the_review(life: Life) -> None:
    """The last consent comes when the review is over."""
    proposal = life.propose("MX ana", MX, GT, version=2, review=life.clock + DAY)
    life.consent(proposal, "MX luis")
    life.wait(DAY)
    life.consent(proposal, "GT luis")


def consented_before_it_was_proposed(life: Life) -> None:
    """A consent that is dated before the charter that it names."""
    proposal = life.propose("MX ana", MX, GT, HN, version=2)
    life.consent(proposal, "GT luis", late=SECOND)


def consented_by_a_late_letter(life: Life) -> None:
    """A consent that lay somewhere for an hour."""
    proposal = life.propose("MX ana", MX, GT, HN, version=2)
    life.wait(HOUR)
    life.consent(proposal, "GT luis", late=HOUR)


def consented_twice(life: Life) -> None:
    """One country is not counted for two."""
    proposal = life.propose("MX ana", MX, GT, HN, version=2)
    life.consent(proposal, "GT luis", "GT ana")


def consented_with_one_key_for_two(life: Life) -> None:
    """One person is an administrator of two countries, under two names."""
    proposal = life.propose("MX ana", MX, GT, PA, version=2)
    life.consent(proposal, "GT ana", "PA eva")


def consented_with_the_proposers_key(life: Life) -> None:
    """He proposes for one country, and consents under another name for the other."""
    proposal = life.propose(
        "GT ana", GT, PA, version=1, channel="another-channel", conveners=frozenset({GT})
    )
    life.consent(proposal, "PA eva")


def cancelled_when_in_force(life: Life) -> None:
    """What counts is left, suspended or closed, and not cancelled."""
    life.answer("GT luis", ActKind.CANCEL, life.tokens[0])


def cancelled_by_a_stranger(life: Life) -> None:
    """Whoever is not named has no say."""
    proposal = life.propose("MX ana", MX, GT, version=2)
    life.answer("HN luis", ActKind.CANCEL, proposal)


def left_and_acts(who: str, kind: ActKind) -> Attempt:
    """A country has left, and would still decide."""

    def attempt(life: Life) -> None:
        life.do(f"{who[:2]} luis", LEAVE)
        life.do(who, kind)

    return attempt


def convener_left_and_proposes(life: Life) -> None:
    """One of two conveners has left; the other one leads."""
    life.propose("MX ana", MX, GT, HN, version=2, conveners=frozenset({MX, GT}))
    life.consent(life.tokens[-1], "MX luis", "GT luis", "HN luis")
    life.wait()
    life.do("MX luis", LEAVE)
    life.propose("MX ana", MX, GT, HN, version=3)


def closed_and(kind: ActKind) -> Attempt:
    """A channel is closed, and something else is done to it."""

    def attempt(life: Life) -> None:
        life.do("MX ana", CLOSE)
        life.wait()
        life.do("GT ana", kind)

    return attempt


def closed_and_proposed(version: int) -> Attempt:
    """A closed name is taken again."""

    def attempt(life: Life) -> None:
        life.do("MX ana", CLOSE)
        life.propose("MX ana", MX, GT, version=version)

    return attempt


def closed_while_it_waits(life: Life) -> None:
    """The next version lacks one consent when the channel is closed."""
    proposal = life.propose("MX ana", MX, GT, version=2)
    life.consent(proposal, "MX luis")
    life.do("MX luis", CLOSE)
    life.consent(proposal, "GT luis")


def resumed_by_one_owner(life: Life) -> None:
    """Both administrators of one country want it."""
    life.do("HN ana", SUSPEND)
    life.resume("MX ana", "MX luis")


def resumed_by_the_exchange(life: Life) -> None:
    """The exchange alone wants it."""
    life.do("HN ana", SUSPEND)
    life.resume("GW ana", "GW luis")


def resumed_by_a_stranger(life: Life) -> None:
    """A country that is no member would agree."""
    life.do("HN ana", SUSPEND)
    life.resume("MX ana", "SV luis")


def resumed_with_one_who_left(life: Life) -> None:
    """He proposed it, and left; the one who agrees would be alone."""
    life.do("HN ana", SUSPEND)
    proposal = life.do("GT ana", RESUME)
    life.do("GT luis", LEAVE)
    life.answer("MX ana", ActKind.APPROVE, proposal)


def resumed_when_it_was_suspended_again(life: Life) -> None:
    """What Honduras saw meanwhile, the two did not know."""
    life.do("HN ana", SUSPEND)
    proposal = life.do("MX ana", RESUME)
    life.wait(HOUR)
    life.do("HN ana", SUSPEND)
    life.answer("GT ana", ActKind.APPROVE, proposal)


def resumed_after_the_review(life: Life) -> None:
    """A review that is past is no suspension that two could lift."""
    life.wait(REVIEW)
    life.do("MX ana", RESUME)


def expelled_and_acts(life: Life) -> None:
    """A country is no member of the version that counts now."""
    life.consent(life.propose("MX ana", MX, GT, version=2), "MX luis", "GT luis")
    life.wait()
    life.do("HN ana", SUSPEND)


def suspended_administrator(life: Life) -> None:
    """His key was taken out before he consents."""
    proposal = life.propose("MX ana", MX, GT, HN, version=2)
    life.take_key("GT luis", ActKind.SUSPEND)
    life.wait(SECOND)
    life.consent(proposal, "GT luis")


def old_version_again(life: Life) -> None:
    """The first version, which let Honduras in, is proposed once more."""
    life.consent(life.propose("MX ana", MX, GT, version=2), "MX luis", "GT luis")
    life.wait()
    life.propose("MX ana", MX, GT, HN, version=1)


OTHERS, NOT_NEXT = "of other countries", "not the next one"
CONVENER, NOT_HIS = "by a convener", "for others to change"
REFUSED: dict[str, tuple[Attempt, str]] = {
    "version 1 again": (propose_next("MX ana", MX, GT, version=1), NOT_NEXT),
    "version 3 after 1": (propose_next("MX ana", MX, GT, version=3), NOT_NEXT),
    "an old version replayed": (old_version_again, NOT_NEXT),
    "a version upon one that waits": (two_versions_at_once, "waits for its time"),
    "another compartment": (
        propose_next("MX ana", MX, GT, compartment=Compartment.JUDICIAL), "in its compartment",
    ),
    "proposed by a member that convenes nothing": (
        propose_next("GT ana", MX, GT, HN), "one of its conveners",
    ),
    "a member makes itself the convener": (propose_next("GT ana", GT, MX, HN), CONVENER),
    "a stranger names itself the convener": (propose_next("SV ana", SV, MX, GT, HN), CONVENER),
    "a stranger takes the name for himself": (propose_next("SV ana", SV, PA, version=1), NOT_NEXT),
    "a stranger proposes for others": (propose_next("SV ana", MX, GT), OTHERS),
    "the exchange proposes": (propose_next("GW ana", MX, GT), "one of its conveners"),
    "a review that is past": (
        lambda life: void(life.propose("MX ana", MX, GT, version=2, review=life.clock)), "review",
    ),
    "a review in four years": (
        lambda life: void(
            life.propose("MX ana", MX, GT, version=2, review=life.clock + MAX_REVIEW + SECOND)
        ),
        "review",
    ),
    "consent of the proposer himself": (consented_by("MX ana"), "nobody approves his own"),
    "consent of a stranger": (consented_by("SV luis"), OTHERS),
    "consent of the exchange": (consented_by("GW luis"), OTHERS),
    "consent of one country twice": (consented_twice, "consented already"),
    "consent with one key for two countries": (consented_with_one_key_for_two, "nobody approves"),
    "consent with the proposer's key": (consented_with_the_proposers_key, "nobody approves"),
    "consent dated before the charter": (consented_before_it_was_proposed, "older than"),
    "consent that comes an hour later": (consented_by_a_late_letter, "dated otherwise"),
    "consent with a key that was taken out": (suspended_administrator, "does not count"),
    "consent to a suspension": (consented_to_a_suspension, "only a charter"),
    "consent to what is in force": (consented_when_in_force, "nothing left to consent"),
    "consent to what was cancelled": (consented_when_cancelled, "nothing left to consent"),
    "consent to what was overtaken": (consented_to_what_was_overtaken, NOT_NEXT),
    "consent after the review": (consented_after_the_review, "review"),
    "consent when it is closed": (closed_while_it_waits, "is closed"),
    "approval instead of consent": (approved_instead, "nothing left to approve"),
    "cancelling what is in force": (cancelled_when_in_force, "taken effect"),
    "cancelling for others": (cancelled_by_a_stranger, OTHERS),
    "a stranger leaves": (done("SV ana", LEAVE), NOT_HIS),
    "the exchange leaves": (done("GW ana", LEAVE), NOT_HIS),
    "a stranger suspends": (done("SV ana", SUSPEND), NOT_HIS),
    "a stranger closes": (done("SV ana", CLOSE), NOT_HIS),
    "a member closes that convenes nothing": (done("GT ana", CLOSE), NOT_HIS),
    "one who left leaves again": (left_and_acts("GT ana", LEAVE), NOT_HIS),
    "one who left suspends": (left_and_acts("GT ana", SUSPEND), NOT_HIS),
    "a convener who left closes": (left_and_acts("MX ana", CLOSE), NOT_HIS),
    "a convener who left proposes": (convener_left_and_proposes, CONVENER),
    "an expelled country suspends": (expelled_and_acts, NOT_HIS),
    "leaving what is closed": (closed_and(LEAVE), "is closed"),
    "suspending what is closed": (closed_and(SUSPEND), "is closed"),
    "resuming what is closed": (closed_and(RESUME), "is closed"),
    "a closed name from the beginning": (closed_and_proposed(1), "is closed"),
    "the next version of a closed name": (closed_and_proposed(2), "is closed"),
    "resuming what goes on": (done("MX ana", RESUME), "not suspended"),
    "resuming after the review": (resumed_after_the_review, "not suspended"),
    "resuming by one owner": (resumed_by_one_owner, "two owners"),
    "resuming by the exchange alone": (resumed_by_the_exchange, "two owners"),
    "resuming with a stranger": (resumed_by_a_stranger, NOT_HIS),
    "resuming with one who left": (resumed_with_one_who_left, NOT_HIS),
    "resuming what was suspended again": (
        resumed_when_it_was_suspended_again, "nothing left to approve",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("attempt", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_decide_refuses_what_bends_a_channel(life: Life, attempt: Attempt, why: str) -> None:
    """Mexico convenes it with Guatemala and Honduras; the last thing that is tried counts not."""
    life.begin(MX, GT, HN)

    attempt(life)

    assert len(life.refused) == 1
    assert why in life.refused[0]


@pytest.mark.parametrize("kind", [LEAVE, SUSPEND, RESUME, CLOSE])
def test_decide_refuses_to_change_a_channel_that_does_not_count_yet(
    life: Life, kind: ActKind
) -> None:
    """Whoever has second thoughts before it begins cancels it."""
    life.do("MX ana", kind)
    proposal = life.propose("MX ana", MX, GT)
    life.consent(proposal, "MX luis", "GT luis")
    life.do("GT ana", kind)

    assert len(life.refused) == 2
    assert all("is not known" in reason for reason in life.refused)


# ------------------------------------------------------------------------ What becomes of it


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


def test_first_charter_is_version_one(life: Life) -> None:
    """Nobody begins in the middle."""
    life.propose("MX ana", MX, GT, version=2)

    assert len(life.refused) == 1
    assert NOT_NEXT in life.refused[0]


def test_name_goes_to_those_who_consented_first(life: Life) -> None:
    """A proposal reserves nothing; who is too late takes another name."""
    squatter = life.propose("SV ana", SV, PA)
    rightful = life.propose("MX ana", MX, GT)
    life.consent(squatter, "SV luis")
    life.consent(rightful, "MX luis", "GT luis")
    life.consent(squatter, "PA luis")
    life.wait()

    assert life.members == "GT MX"
    assert len(life.refused) == 1


def test_name_is_free_again_when_the_exchange_stops_a_squatter(life: Life) -> None:
    """The time-lock is long enough for somebody to notice."""
    squatter = life.propose("SV ana", SV, PA)
    life.consent(squatter, "SV luis", "PA luis")
    life.answer("GW ana", ActKind.CANCEL, squatter)
    life.begin(MX, GT)

    assert (life.members, life.refused) == ("GT MX", [])


def test_decide_does_nothing_twice_when_one_word_is_signed_in_two_ways(life: Life) -> None:
    """An insider writes an ES256 signature otherwise, to put out who came back since."""
    life.begin(MX, GT, HN)
    left = life.do("GT ana", LEAVE)
    life.wait(DAY)
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.wait()
    before = life.decisions
    again = replace(next(one.act for one in before.by_id.values() if one.act.token == left))

    assert judged_again(before, replace(again, token=f"{again.token}A"), life) == (
        "the act stands there already, under another signature"
    )
    assert life.members == "GT HN MX"


def test_decide_takes_no_act_twice_when_it_is_replayed(life: Life) -> None:
    """The same bytes say nothing new, and stop nothing that waits since."""
    life.begin(MX, GT, HN)
    left = life.do("GT ana", LEAVE)
    life.wait(DAY)
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.tokens.append(left)
    life.wait()

    assert (life.members, life.refused) == ("GT HN MX", [])


def judged_again(before: Decisions, one: Act, life: Life) -> str:
    """Judge an act whose signature nobody can make here; say why it is refused."""
    with pytest.raises(ActError) as refused:
        decide._judge(before, one, life.assembly.statements, life.clock)
    return str(refused.value)

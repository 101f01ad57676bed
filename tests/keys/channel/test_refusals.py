"""Who would bend a channel, and what stops him?"""

import pytest

from keys.act_kind import ActKind
from keys.channel_rules import MAX_REVIEW
from schemas.vocabulary import Compartment
from tests.keys.assembly import DAY, GT, HN, HOUR, MX, PA, REVIEW, SECOND, SV, Life
from tests.keys.channel.attempts import (
    CLOSE,
    LEAVE,
    RESUME,
    SUSPEND,
    Attempt,
    consented_by,
    done,
    propose_next,
    void,
)


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


def test_first_charter_is_version_one(life: Life) -> None:
    """Nobody begins in the middle."""
    life.propose("MX ana", MX, GT, version=2)

    assert len(life.refused) == 1
    assert NOT_NEXT in life.refused[0]

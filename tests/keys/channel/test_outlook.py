"""What is next for a channel, and whose charter should be looked at by now?"""

from datetime import timedelta

import pytest

from keys.act_kind import ActKind
from keys.channel_outlook import reviews_due, tasks
from keys.policy import STANDARD_KEY_POLICY
from tests.keys.assembly import DAY, GT, HN, HOUR, MX, NAME, REVIEW, SECOND, SV, Life


def said(life: Life) -> list[tuple[str, int, str]]:
    """Say what is next."""
    found = tasks(life.channel, STANDARD_KEY_POLICY, life.clock)
    return [(task.step.value, task.version, " ".join(task.by)) for task in found]


def warned(life: Life) -> list[int | None]:
    """Say which warnings have passed, in days."""
    found = reviews_due([life.channel], STANDARD_KEY_POLICY, life.clock)
    assert all((due.channel, due.version) == (NAME, life.version) for due in found)
    return [None if due.before is None else due.before.days for due in found]


def test_tasks_name_whose_consent_is_missing_and_then_the_time_lock(life: Life) -> None:
    """Until all have consented; then it begins by itself, and nothing is left to do."""
    proposal = life.propose("MX ana", MX, GT, HN)
    before = said(life)
    life.consent(proposal, "MX luis", "HN luis")
    between = said(life)
    life.consent(proposal, "GT luis")
    locked = said(life)
    life.wait()

    assert before == [("consent", 1, "GT HN MX")]
    assert between == [("consent", 1, "GT")]
    assert locked == [("time-lock", 1, "")]
    assert said(life) == []


def test_tasks_leave_out_proposals_that_nobody_can_consent_to_any_more(life: Life) -> None:
    """Of two first versions one was taken."""
    life.propose("SV ana", SV, HN)
    life.begin(MX, GT)

    assert len(life.channel.proposals) == 1
    assert said(life) == []


def test_tasks_name_all_that_keeps_a_channel_from_working(life: Life) -> None:
    """Suspended, alone, and past its review: each is somebody's to mend."""
    life.begin(MX, GT)
    life.do("GT ana", ActKind.SUSPEND_CHANNEL)
    life.do("GT ana", ActKind.LEAVE_CHANNEL)
    life.wait(REVIEW)

    assert said(life) == [("resume", 1, ""), ("members", 1, ""), ("review", 1, "")]


def test_tasks_and_warnings_are_none_when_a_channel_is_closed(life: Life) -> None:
    """Nobody is reminded of what is over."""
    life.begin(MX, GT)
    life.do("MX ana", ActKind.CLOSE_CHANNEL)
    life.wait(REVIEW)

    assert said(life) == []
    assert warned(life) == []


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (100 * DAY, []),
        (66 * DAY, [None]),
        (30 * DAY + SECOND, [None]),
        (30 * DAY, [30]),
        (14 * DAY, [14]),
        (3 * DAY, [3]),
        (timedelta(0), [3]),
        (-5 * DAY, [3]),
    ],
    ids=["a third is over", "two thirds", "before 30", "30", "14", "3", "now", "past"],
)
def test_reviews_due_warns_like_keys_do(
    life: Life, left: timedelta, expected: list[int | None]
) -> None:
    """Two thirds of the time, and 30, 14 and 3 days before; from then on until it is mended."""
    proposal = life.propose("MX ana", MX, GT)
    review = life.clock + REVIEW
    life.consent(proposal, "MX luis", "GT luis")
    life.clock = review - left

    assert warned(life) == expected


def test_reviews_due_is_quiet_when_the_next_version_only_waits_for_its_time(life: Life) -> None:
    """Somebody has looked after it; until all had consented nobody had."""
    life.begin(MX, GT)
    life.wait(REVIEW - 10 * DAY)
    proposal = life.propose("MX ana", MX, GT, version=2)
    life.consent(proposal, "MX luis")
    before = warned(life)
    life.wait(HOUR)
    life.consent(proposal, "GT luis")

    assert (before, warned(life)) == ([14], [])
    assert said(life) == [("time-lock", 2, "")]


def test_reviews_due_is_nothing_for_what_is_only_proposed(life: Life) -> None:
    """What never counted has no review."""
    life.propose("MX ana", MX, GT)

    assert warned(life) == []

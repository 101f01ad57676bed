"""Until when is a request to be answered, and what answers it?"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.admission.reply_clock import ANSWERS, REQUESTS, TIMES, answers, due_at
from schemas.vocabulary import Kind, Urgency

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY, MOMENT = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
CODES = Path(__file__).parents[2] / "schemas" / "code_lists" / "reply_outcome.json"


@pytest.mark.parametrize(
    ("urgency", "span"),
    [
        (Urgency.FLASH, 8 * HOUR),
        (Urgency.IMMEDIATE, 8 * HOUR),
        (Urgency.PRIORITY, 3 * DAY),
        (Urgency.ROUTINE, 7 * DAY),
    ],
)
@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_due_at_follows_the_urgency_unless_the_sender_says_earlier(
    kind: Kind, urgency: Urgency, span: timedelta
) -> None:
    """The earlier of the two counts, to the microsecond."""

    def due(reply_by: datetime | None) -> datetime | None:
        return due_at(kind, urgency, accepted_at=NOW, reply_by=reply_by)

    assert due(None) == NOW + span
    assert due(NOW + span - MOMENT) == NOW + span - MOMENT
    assert due(NOW + span) == NOW + span
    assert due(NOW + span + MOMENT) == NOW + span
    # Past before it came: overdue at once, and that is what its sender has said.
    assert due(NOW - DAY) == NOW - DAY


@pytest.mark.parametrize("kind", sorted(set(Kind) - REQUESTS))
def test_due_at_is_none_when_nothing_is_asked(kind: Kind) -> None:
    """Even with a ``reply_by``: only a request waits for a reply."""
    assert due_at(kind, Urgency.FLASH, accepted_at=NOW, reply_by=NOW + HOUR) is None


def test_times_name_every_urgency() -> None:
    """None that is added later is without a time."""
    assert set(TIMES) == set(Urgency)


def test_answers_knows_every_outcome_of_the_list() -> None:
    """Each code either ends the wait or does not; what is on no list does not."""
    codes = {each["code"] for each in json.loads(CODES.read_text(encoding="utf-8"))["codes"]}

    assert codes - ANSWERS == {"more_time", "more_information_needed", "forwarded"}
    assert codes >= ANSWERS
    assert {code for code in codes if answers(code)} == ANSWERS
    assert not answers("what_nobody_knows")
    assert not answers(None)

"""Past its review a message of an inbox is kept by a person's word, or goes (SG-08)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from broker.desk.failures import StoreError
from broker.desk.inbox import Inbox
from broker.desk.retention import Due, destroy_expired, look
from broker.desk.reviews import (
    DeskReview,
    destroy_reviewed,
    list_reviews,
    read_reviews,
    reviews_file,
    write_review,
)
from broker.model.names import MessageId
from schemas.vocabulary import LegalHoldReason
from tests.desk.holding import write_hold
from tests.desk.test_retention import (
    DAY,
    FGR,
    LATER,
    NOW,
    PAST,
    REVIEW,
    SECRET,
    TODAY,
    hold,
    inbox,
    lines,
)

__all__ = ["inbox"]


def review(until: date = TODAY) -> DeskReview:
    """Keep the one that is to be reviewed."""
    return DeskReview(
        origin=FGR,
        message_id=REVIEW,
        reason=LegalHoldReason.EVIDENCE,
        by="ana",
        until=until,
    )


def due(path: Path) -> Sequence[tuple[MessageId, Due]]:
    """Tell what the list says."""
    return [(each.id, each.due) for each in look(path, now=NOW)]


def test_look_leaves_out_what_a_review_keeps(inbox: Path) -> None:
    """Until its last day; the newest word counts, and what has expired is listed all the same."""
    write_review(inbox, review(), at=NOW)
    write_review(inbox, replace(review(), message_id=PAST), at=NOW)
    kept = due(inbox)
    write_review(inbox, review(until=TODAY - DAY), at=NOW)

    assert kept == [(PAST, Due.GOES)]
    assert due(inbox) == [(PAST, Due.GOES), (REVIEW, Due.REVIEW)]
    assert len(list_reviews(inbox)) == 3
    assert read_reviews(inbox)[FGR, REVIEW] == review(until=TODAY - DAY)
    assert reviews_file(inbox).stat().st_mode & 0o777 == 0o600


def test_destroy_reviewed_leaves_a_tombstone_that_says_by_whom(inbox: Path) -> None:
    """Nothing else goes, and nothing waits any more."""
    assert destroy_reviewed(inbox, REVIEW, FGR, by="ana", now=NOW)
    assert not destroy_reviewed(inbox, REVIEW, FGR, by="ana", now=NOW)

    first, second, third = lines(inbox)
    assert (second["reason"], second["by"]) == ("reviewed", "ana")
    assert "message" not in second
    assert SECRET in first["message"]["body"]["text"]
    assert SECRET in third["message"]["body"]["text"]
    assert due(inbox) == [(PAST, Due.GOES)]
    with Inbox(inbox) as again:
        assert len(again) == 3


@pytest.mark.parametrize("name", [PAST, LATER, MessageId("unknown")])
def test_destroy_reviewed_takes_only_what_is_due_for_it(inbox: Path, name: MessageId) -> None:
    """What has expired goes by its own command, and the rest stays."""
    before = inbox.read_bytes()

    assert not destroy_reviewed(inbox, name, FGR, by="ana", now=NOW)
    assert inbox.read_bytes() == before


def test_destroy_reviewed_obeys_a_hold(inbox: Path) -> None:
    """While it runs nobody's review destroys anything."""
    write_hold(inbox, replace(hold(), message_id=REVIEW), at=NOW)

    assert not destroy_reviewed(inbox, REVIEW, FGR, by="ana", now=NOW)
    assert SECRET in lines(inbox)[1]["message"]["body"]["text"]


def test_reviews_that_cannot_be_read_stop_everything(inbox: Path) -> None:
    """Nobody guesses what a damaged line has kept."""
    write_review(inbox, review(), at=NOW)
    with reviews_file(inbox).open("ab") as file:
        file.write(b'{"id": 1}\n')

    for act in (look, destroy_expired):
        with pytest.raises(StoreError, match="a review is damaged"):
            act(inbox, now=NOW)

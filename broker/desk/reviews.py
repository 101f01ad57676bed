"""What a person decided about messages of an inbox whose ``review_by`` is past (SG-08).

What is kept stands in a file beside the inbox, one line for each review; the newest line of a
message counts. What is destroyed leaves a tombstone that says by whom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from broker.desk.failures import StoreError
from broker.desk.holds import Named, locked
from broker.desk.rewriting import Line, is_message, moment, rewrite, tombstone
from broker.desk.word_file import locked_words, read_words
from broker.evidence.receipts import parse_agency
from broker.model.names import AgencyRef, MessageId
from schemas.vocabulary import LegalHoldReason

REASON: Final = "reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskReview:
    """Why a message stays, who said so, and until when."""

    origin: AgencyRef
    message_id: MessageId
    reason: LegalHoldReason
    by: str
    until: date
    """The last day."""

    def counts(self, now: datetime) -> bool:
        """Whether nobody need look at the message again now."""
        return now.date() <= self.until


def reviews_file(inbox: Path) -> Path:
    """Where the reviews of an inbox stand."""
    return inbox.with_name(f"{inbox.stem}.reviews.jsonl")


def list_reviews(inbox: Path) -> Sequence[DeskReview]:
    """List every review by which something was kept, in their order.

    Raises:
        StoreError: The file cannot be read, or a line is damaged.
    """
    path = reviews_file(inbox)
    return [_review(word, path) for word in read_words(path)]


def read_reviews(inbox: Path) -> Mapping[Named, DeskReview]:
    """Read the newest word on each message.

    Raises:
        StoreError: As :func:`list_reviews`.
    """
    return {(each.origin, each.message_id): each for each in list_reviews(inbox)}


def write_review(inbox: Path, review: DeskReview, *, at: datetime) -> None:
    """Add a word on a message; on the disk when it returns.

    Raises:
        StoreError: It was not written.
    """
    line = {
        "id": review.message_id,
        "origin": str(review.origin),
        "reason": review.reason.value,
        "by": review.by,
        "until": review.until.isoformat(),
        "at": moment(at),
    }
    with locked_words(reviews_file(inbox)) as words:
        words.write(line)


def destroy_reviewed(
    inbox: Path, message_id: MessageId, origin: AgencyRef, *, by: str, now: datetime
) -> bool:
    """Destroy a message that is past its ``review_by`` and not held; say whether it was done.

    Raises:
        StoreError: A subscription writes the file, or it cannot be written.
    """
    change = partial(_reviewed, message_id=message_id, origin=origin, by=by, now=now)
    with locked(inbox) as holds:
        hold = holds.read().get((origin, message_id))
        if hold is not None and hold.runs(now):
            return False
        return rewrite(inbox, change) > 0


def is_reviewable(line: Line, now: datetime) -> bool:
    """Is it a message with content, past its ``review_by`` and not past its ``expires``?"""
    try:
        message: Mapping[str, Any] = line["message"]
        review_by = datetime.fromisoformat(message["review_by"])
        return review_by <= now < datetime.fromisoformat(message["expires"])
    except (KeyError, TypeError, ValueError):
        # A tombstone, or without such a day: `look` stops at what it cannot judge.
        return False


def _reviewed(
    line: Line, *, message_id: MessageId, origin: AgencyRef, by: str, now: datetime
) -> Line | None:
    if not is_message(line, message_id, origin) or not is_reviewable(line, now):
        return None
    return {**tombstone(line, reason=REASON, at=now), "by": by}


def _review(line: Mapping[str, Any], path: Path) -> DeskReview:
    try:
        return DeskReview(
            origin=parse_agency(line["origin"]),
            message_id=MessageId(str(line["id"])),
            reason=LegalHoldReason(line["reason"]),
            by=str(line["by"]),
            until=date.fromisoformat(line["until"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path}: a review is damaged") from None

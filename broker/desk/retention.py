"""What must go from a desk's inbox, and what must be looked at again (SG-08)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from broker.desk.failures import StoreError
from broker.desk.holds import DeskHold, Named, locked, read_holds
from broker.desk.reviews import DeskReview, read_reviews
from broker.desk.rewriting import (
    Line,
    is_tombstone,
    is_unfinished,
    read_lines,
    rewrite,
    tombstone,
)
from broker.evidence.receipts import parse_agency
from broker.model.names import AgencyRef, MessageId

REASON = "expired"


class Due(StrEnum):
    """What becomes of a stored message whose time is over."""

    GOES = "due"
    HELD = "hold"
    REVIEW = "review"
    """Not expired, but somebody must decide whether it is still needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMessage:
    """A stored message whose ``expires`` or ``review_by`` is past."""

    id: MessageId
    origin: AgencyRef
    content_hash: str
    expires: datetime
    review_by: datetime | None
    due: Due
    held: DeskHold | None


def look(inbox: Path, *, now: datetime) -> Sequence[DueMessage]:
    """List what is past its time, in the order of the inbox.

    What a review keeps is left out until its day.

    Raises:
        StoreError: Inbox, holds or reviews cannot be read.
    """
    holds, reviews = read_holds(inbox), read_reviews(inbox)
    found = (_due(line, holds, now, inbox) for line in read_lines(inbox))
    return [each for each in found if each is not None and not _is_kept(each, reviews, now)]


def destroy_expired(inbox: Path, *, now: datetime) -> int:
    """Destroy all that has expired and is not held; tombstones stay. Say how many.

    Raises:
        StoreError: A subscription writes the file, or it cannot be written.
    """
    is_due = any(each.due is Due.GOES for each in look(inbox, now=now))
    if not is_due and not is_unfinished(inbox):
        return 0
    with locked(inbox) as holds:
        return rewrite(inbox, partial(_ended, holds=holds.read(), now=now, inbox=inbox))


def _is_kept(one: DueMessage, reviews: Mapping[Named, DeskReview], now: datetime) -> bool:
    review = reviews.get((one.origin, one.id))
    return one.due is Due.REVIEW and review is not None and review.counts(now)


def _ended(
    line: Line, *, holds: Mapping[Named, DeskHold], now: datetime, inbox: Path
) -> Line | None:
    found = _due(line, holds, now, inbox)
    if found is None or found.due is not Due.GOES:
        return None
    return tombstone(line, reason=REASON, at=now)


def _due(
    line: Line, holds: Mapping[Named, DeskHold], now: datetime, inbox: Path
) -> DueMessage | None:
    if is_tombstone(line):
        return None
    try:
        message: Mapping[str, Any] = line["message"]
        named = line["origin"]
        origin = parse_agency(f"{named['country']}/{named['agency']}")
        expires = datetime.fromisoformat(message["expires"])
        review = message.get("review_by")
        review_by = None if review is None else datetime.fromisoformat(review)
        name, content_hash = MessageId(str(line["id"])), str(line["content_hash"])
    except (KeyError, TypeError, ValueError, AttributeError):
        # What cannot be judged is not passed over: it might be the one that must go.
        raise StoreError(f"{inbox}: a line is no message of this program") from None
    hold = holds.get((origin, name))
    held = hold if hold is not None and hold.runs(now) else None
    due = _what(expires, review_by, held, now)
    if due is None:
        return None
    return DueMessage(
        id=name,
        origin=origin,
        content_hash=content_hash,
        expires=expires,
        review_by=review_by,
        due=due,
        held=held,
    )


def _what(
    expires: datetime, review_by: datetime | None, held: DeskHold | None, now: datetime
) -> Due | None:
    if expires <= now:
        return Due.GOES if held is None else Due.HELD
    return Due.REVIEW if review_by is not None and review_by <= now else None

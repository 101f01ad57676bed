"""Legal holds of a desk: what they name is not destroyed while they run (SG-08).

They stand in a file beside the inbox, one line for each; the newest line of a message counts.
Whoever destroys keeps the file locked until it is done: a hold counts from before, or is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeAlias

from broker.desk.failures import StoreError
from broker.desk.rewriting import moment
from broker.desk.word_file import LockedWords, Word, locked_words, read_words
from broker.evidence.receipts import parse_agency
from broker.model.names import AgencyRef, MessageId
from broker.ports.retention import BEHIND_UTC
from schemas.vocabulary import LegalHoldReason

Named: TypeAlias = tuple[AgencyRef, MessageId]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskHold:
    """Why a message stays, and until when."""

    origin: AgencyRef
    message_id: MessageId
    reason: LegalHoldReason
    until: date
    """The last day."""
    lifted: bool = False

    def runs(self, now: datetime) -> bool:
        """Whether nothing of the message may be destroyed now."""
        return not self.lifted and (now - BEHIND_UTC).date() <= self.until


def holds_file(inbox: Path) -> Path:
    """Where the holds of an inbox stand."""
    return inbox.with_name(f"{inbox.stem}.holds.jsonl")


class LockedHolds:
    """The holds of an inbox while nobody else may change them; made by :func:`locked`."""

    def __init__(self, path: Path, words: LockedWords) -> None:
        self._path = path
        self._words = words

    def read(self) -> Mapping[Named, DeskHold]:
        """Read the newest word on each message.

        Raises:
            StoreError: The file cannot be read, or a line is damaged or cut.
        """
        return _newest(self._words.read(), self._path)

    def write(self, hold: DeskHold, *, at: datetime) -> None:
        """Add a word on a message; on the disk when it returns.

        Raises:
            StoreError: It was not written; or what stands there cannot be read.
        """
        self.read()
        self._words.write(
            {
                "id": hold.message_id,
                "origin": str(hold.origin),
                "reason": hold.reason.value,
                "until": hold.until.isoformat(),
                "lifted": hold.lifted,
                "at": moment(at),
            }
        )


@contextmanager
def locked(inbox: Path) -> Iterator[LockedHolds]:
    """Wait until nobody else holds or destroys in this inbox, and keep it so.

    Raises:
        StoreError: The file cannot be opened or locked, or was replaced meanwhile.
    """
    path = holds_file(inbox)
    with locked_words(path) as words:
        yield LockedHolds(path, words)


def read_holds(inbox: Path) -> Mapping[Named, DeskHold]:
    """Read the newest word on each message, to show it: nothing may be destroyed by it.

    Raises:
        StoreError: The file cannot be read, or a line is damaged or cut.
    """
    path = holds_file(inbox)
    return _newest(read_words(path), path)


def _newest(words: Sequence[Word], path: Path) -> Mapping[Named, DeskHold]:
    holds = [_hold(word, path) for word in words]
    return {(hold.origin, hold.message_id): hold for hold in holds}


def _hold(word: Word, path: Path) -> DeskHold:
    try:
        return DeskHold(
            origin=parse_agency(word["origin"]),
            message_id=MessageId(str(word["id"])),
            reason=LegalHoldReason(word["reason"]),
            until=date.fromisoformat(word["until"]),
            lifted=word["lifted"] is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path}: a hold is damaged") from None

"""Legal holds of a desk: what they name is not destroyed while they run (SG-08).

They stand in a file beside the inbox, one line for each; the newest line of a message counts.
Whoever destroys keeps the file locked until it is done: a hold counts from before, or is refused.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from broker.desk.failures import StoreError
from broker.desk.inbox import FLAGS, OWNER_ONLY, sync_folder, write_all
from broker.desk.rewriting import moment
from broker.evidence.receipts import parse_agency
from broker.model.names import AgencyRef, MessageId
from schemas.vocabulary import LegalHoldReason

Named: TypeAlias = tuple[AgencyRef, MessageId]
BEHIND_UTC: Final = timedelta(hours=12)
"""Where a day ends last: a court's last day is over when it is over everywhere."""


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

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._file = descriptor

    def read(self) -> Mapping[Named, DeskHold]:
        """Read the newest word on each message.

        Raises:
            StoreError: The file cannot be read, or a line is damaged or cut.
        """
        return _read(self._path)

    def write(self, hold: DeskHold, *, at: datetime) -> None:
        """Add a word on a message; on the disk when it returns.

        Raises:
            StoreError: It was not written; or what stands there cannot be read.
        """
        self.read()
        line = {
            "id": hold.message_id,
            "origin": str(hold.origin),
            "reason": hold.reason.value,
            "until": hold.until.isoformat(),
            "lifted": hold.lifted,
            "at": moment(at),
        }
        try:
            size = os.fstat(self._file).st_size
            try:
                write_all(self._file, orjson.dumps(line) + b"\n")
                os.fsync(self._file)
            except OSError:
                # Half a hold would stop whatever is asked of this inbox from now on.
                os.ftruncate(self._file, size)
                raise
            sync_folder(self._path.parent)
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from None


@contextmanager
def locked(inbox: Path) -> Iterator[LockedHolds]:
    """Wait until nobody else holds or destroys in this inbox, and keep it so.

    Raises:
        StoreError: The file cannot be opened or locked, or was replaced meanwhile.
    """
    path = holds_file(inbox)
    try:
        descriptor = os.open(path, FLAGS, OWNER_ONLY)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            is_there = os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        if not is_there:
            # By an editor, for one: what is written here would be gone with the old file.
            raise StoreError(f"{path}: replaced while it was opened; start again")
        yield LockedHolds(path, descriptor)
    finally:
        # The kernel gives up the lock with it.
        os.close(descriptor)


def read_holds(inbox: Path) -> Mapping[Named, DeskHold]:
    """Read the newest word on each message, to show it: nothing may be destroyed by it.

    Raises:
        StoreError: The file cannot be read, or a line is damaged or cut.
    """
    return _read(holds_file(inbox))


def write_hold(inbox: Path, hold: DeskHold, *, at: datetime) -> None:
    """Add a word on a message; on the disk when it returns.

    Raises:
        StoreError: It was not written; or what stands there cannot be read.
    """
    with locked(inbox) as holds:
        holds.write(hold, at=at)


def _read(path: Path) -> Mapping[Named, DeskHold]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    lines = data.split(b"\n")
    if lines.pop():
        # A hold that cannot be read stops everything, for it may be the one that is asked for.
        raise StoreError(
            f"{path}: the last line was cut: complete it, or take it out and give its hold again"
        )
    holds = [_hold(line, path) for line in lines]
    return {(hold.origin, hold.message_id): hold for hold in holds}


def _hold(text: bytes, path: Path) -> DeskHold:
    try:
        line: dict[str, Any] = orjson.loads(text)
        return DeskHold(
            origin=parse_agency(line["origin"]),
            message_id=MessageId(str(line["id"])),
            reason=LegalHoldReason(line["reason"]),
            until=date.fromisoformat(line["until"]),
            lifted=line["lifted"] is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path}: a hold is damaged") from None

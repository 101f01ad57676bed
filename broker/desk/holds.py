"""Legal holds of a desk: what they name is not destroyed while they run (SG-08).

They stand in a file beside the inbox, one line for each; the newest line of a message counts.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from broker.desk.failures import StoreError
from broker.desk.inbox import FLAGS, OWNER_ONLY, sync_folder
from broker.desk.rewriting import moment, read_lines
from broker.evidence.receipts import parse_agency
from broker.model.names import AgencyRef, MessageId
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
        return not self.lifted and now.date() <= self.until


def holds_file(inbox: Path) -> Path:
    """Where the holds of an inbox stand."""
    return inbox.with_name(f"{inbox.stem}.holds.jsonl")


def read_holds(inbox: Path) -> Mapping[Named, DeskHold]:
    """Read the newest word on each message; a hold that cannot be read stops everything.

    Raises:
        StoreError: The file cannot be read, or a line is damaged.
    """
    path = holds_file(inbox)
    if not path.exists():
        return {}
    holds: dict[Named, DeskHold] = {}
    for line in read_lines(path):
        hold = _hold(line, path)
        holds[hold.origin, hold.message_id] = hold
    return holds


def write_hold(inbox: Path, hold: DeskHold, *, at: datetime) -> None:
    """Add a word on a message; on the disk when it returns.

    Raises:
        StoreError: It was not written.
    """
    line = {
        "id": hold.message_id,
        "origin": str(hold.origin),
        "reason": hold.reason.value,
        "until": hold.until.isoformat(),
        "lifted": hold.lifted,
        "at": moment(at),
    }
    append_line(holds_file(inbox), line)


def append_line(path: Path, line: Mapping[str, object]) -> None:
    """Add a line to a file beside the inbox; on the disk when it returns.

    Raises:
        StoreError: It was not written.
    """
    try:
        descriptor = os.open(path, FLAGS, OWNER_ONLY)
        try:
            os.write(descriptor, orjson.dumps(line) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


def _hold(line: Mapping[str, Any], path: Path) -> DeskHold:
    try:
        return DeskHold(
            origin=parse_agency(line["origin"]),
            message_id=MessageId(str(line["id"])),
            reason=LegalHoldReason(line["reason"]),
            until=date.fromisoformat(line["until"]),
            lifted=line["lifted"] is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path}: a hold is damaged") from None

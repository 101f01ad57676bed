"""What is recalled is destroyed in the inbox first, and only then is that signed (SG-07)."""

from datetime import datetime
from functools import partial
from pathlib import Path

from broker.desk.failures import StoreError
from broker.desk.holds import locked
from broker.desk.rewriting import (
    Line,
    find,
    is_message,
    is_tombstone,
    moment,
    read_lines,
    rewrite,
    tombstone,
)
from broker.ports.recalls import Order


class HeldError(StoreError):
    """A legal hold runs: nothing of the message is destroyed."""


class NotHeldError(StoreError):
    """The inbox does not hold the message."""


class NotProvenError(StoreError):
    """The inbox does not hold the recall itself, so nobody proved that its origin asked for it."""


def destroy(inbox: Path, order: Order, *, now: datetime) -> None:
    """Destroy the message that an order names; a tombstone stays. Repeating it changes nothing.

    A crash before the end leaves the message or its tombstone; in both cases nothing was said
    to anybody yet, and the command is given again.

    Raises:
        HeldError: A legal hold runs.
        NotHeldError: Neither the message nor its tombstone is there.
        NotProvenError: The recall is not there, or takes back something else.
        StoreError: A subscription writes the file, or it cannot be written.
    """
    _require(inbox, order)
    with locked(inbox) as holds:
        hold = holds.read().get((order.origin, order.subject))
        if hold is not None and hold.runs(now):
            raise HeldError(f"{order.subject}: held until {hold.until} ({hold.reason.value})")
        rewrite(inbox, partial(_destroyed, order=order, at=now))


def correct(inbox: Path, order: Order, *, now: datetime) -> None:
    """Mark the message that an order names as superseded; what it said stays, for evidence.

    Raises:
        NotHeldError, NotProvenError, StoreError: As :func:`destroy`.
    """
    _require(inbox, order)
    rewrite(inbox, partial(_superseded, order=order, by=_replacement(inbox, order), at=now))


def _require(inbox: Path, order: Order) -> None:
    line = find(inbox, order.subject, order.origin)
    if line is None:
        raise NotHeldError(f"{inbox}: does not hold {order.subject} of {order.origin}")
    if not is_tombstone(line) and not any(_is_its_word(each, order) for each in read_lines(inbox)):
        raise NotProvenError(f"{inbox}: does not hold {order.id} of {order.origin}")


def _is_its_word(line: Line, order: Order) -> bool:
    """Whether this is the message, opened and proven, by which its origin asks for it.

    The list of orders is the gateway's word alone: who holds the ledger could write into it, and
    have evidence destroyed that nobody ever took back.
    """
    message = line.get("message")
    if not is_message(line, order.id, order.origin) or not isinstance(message, dict):
        return False
    body = message.get("body")
    of = body.get("of") if isinstance(body, dict) else None
    return (line.get("content_hash"), message.get("kind"), of) == (
        order.content_hash,
        order.kind.value,
        order.subject,
    )


def _destroyed(line: Line, *, order: Order, at: datetime) -> Line | None:
    if not is_message(line, order.subject, order.origin) or is_tombstone(line):
        return None
    return {**tombstone(line, reason=order.kind.value, at=at), "recall": order.id}


def _superseded(line: Line, *, order: Order, by: str | None, at: datetime) -> Line | None:
    if not is_message(line, order.subject, order.origin) or is_tombstone(line):
        return None
    mark = {"rectification": order.id, "replaced_by": by, "at": moment(at)}
    return None if line.get("superseded") else {**line, "superseded": mark}


def _replacement(inbox: Path, order: Order) -> str | None:
    """Read from the rectification itself which message takes the place of this one."""
    for line in read_lines(inbox):
        if is_message(line, order.id, order.origin) and isinstance(line.get("message"), dict):
            replaced_by = line["message"].get("body", {}).get("replaced_by")
            return replaced_by if isinstance(replaced_by, str) else None
    return None

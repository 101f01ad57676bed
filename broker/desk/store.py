"""Where received messages go: what a subscription needs of it, and the simplest one."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

from broker.desk.failures import StoreError
from broker.desk.wire import ContentRef
from broker.model.names import HandOverNumber, MessageId

REMEMBERED: Final = 100_000
"""Messages that a printout knows again; the gateway repeats what is younger than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line for a store, with what it is known by."""

    ref: ContentRef
    hand_over: HandOverNumber
    line: bytes = field(repr=False)
    """One JSON object without a line end."""


class Store(Protocol):
    """Keeps entries; who acknowledges a message relies on it."""

    @property
    def last_hand_over(self) -> HandOverNumber:
        """The highest hand-over number that is kept; 0 if there is none."""

    def holds(self, ref: ContentRef) -> bool:
        """Was this very content kept before?"""

    def lines_of(self, ids: Collection[MessageId]) -> Sequence[bytes]:
        """Find what is kept of these messages, of whatever sender. Blocks."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep these, all or none; durable when it returns. Blocks.

        Raises:
            StoreError: None of them is kept.
        """


def ref_digest(ref: ContentRef) -> bytes:
    """Name a content in 32 bytes, for an index."""
    return hashlib.sha256(f"{ref.message_id}\0{ref.content_hash}".encode()).digest()


class Printout:
    """Prints lines for another program to keep. Durable here means: flushed to that program.

    It is that program's duty to keep what it has read, for the gateway then forgets it. It
    sees a message twice when this one is started again before its acknowledgement arrived.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._known: dict[bytes, None] = {}
        self._last = HandOverNumber(0)

    @property
    def last_hand_over(self) -> HandOverNumber:
        """The highest hand-over number that was printed."""
        return self._last

    def holds(self, ref: ContentRef) -> bool:
        """Was this very content printed, among the last 100,000?"""
        return ref_digest(ref) in self._known

    def lines_of(self, ids: Collection[MessageId]) -> Sequence[bytes]:  # noqa: ARG002 - a Store
        """Find nothing: what was printed is another program's."""
        return ()

    def append(self, entries: Sequence[Entry]) -> None:
        """Print these; the reader has them when it returns.

        Raises:
            StoreError: The reader is gone; it may have read some of the lines.
        """
        try:
            for entry in entries:
                self._stream.write(entry.line + b"\n")
            self._stream.flush()
        except (OSError, ValueError):
            raise StoreError("the reader of the printout is gone") from None
        for entry in entries:
            self._known[ref_digest(entry.ref)] = None
            self._last = max(self._last, entry.hand_over)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

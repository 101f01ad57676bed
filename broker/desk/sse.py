"""Server-sent events out of bytes, however the network cut them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from broker.desk.failures import AnswerError

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Twice the largest hand-over; what grows beyond it is no event of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One event; comments and ``retry`` are none."""

    kind: str
    """``message`` where none was named."""
    data: bytes = field(repr=False)


class EventReader:
    """Puts events together, from lines that end in LF or CR LF.

    Source:
        WHATWG HTML, section 9.2.6. A lone CR as line end is left out: no gateway of ours
        writes it, and the next byte would have to be awaited to know. ``id`` is left out too:
        a hand-over carries its own number.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, part: bytes) -> Iterator[StreamEvent]:
        """Take the next bytes; yield the events that they complete.

        Raises:
            AnswerError: An event grows larger than any of ours.
        """
        *lines, rest = part.split(b"\n")
        for line in lines:
            self._rest += line
            event = self._line(bytes(self._rest).removesuffix(b"\r"))
            self._rest.clear()
            if event is not None:
                yield event
        self._rest += rest
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise AnswerError("an event of the gateway is too large")

    def _line(self, line: bytes) -> StreamEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._kind = value.decode("ascii", "replace")
        elif name == b"data":
            self._data.append(value)
            self._size += len(value)
        return None

    def _dispatch(self) -> StreamEvent | None:
        kind, data = self._kind or "message", self._data
        self._kind, self._data, self._size = "", [], 0
        # The standard drops an event without data; a bare farewell is one all the same.
        if not data and kind == "message":
            return None
        return StreamEvent(kind=kind, data=b"\n".join(data))

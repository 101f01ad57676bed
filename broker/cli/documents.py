"""Documents that are named on the command line: files, or ``-`` for standard input."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from broker.cli.terminal import moment

STANDARD_INPUT: Final = "-"
MAX_BYTES: Final = 262_144
"""Of a message; a byte more is read, so that too large is told from just right."""
MAX_TEXT_BYTES: Final = 16 * 1024 * 1024
"""Of public keys and statements; eleven countries' take a hundredth."""
TIMESTAMP_BITS: Final = 48
RANDOM_BYTES: Final = 10


def read_document(name: str, *, at_most: int = MAX_BYTES) -> bytes:
    """Read a document, and one byte more than it may have where it has them.

    Raises:
        OSError: It cannot be read.
    """
    if name == STANDARD_INPUT:
        return sys.stdin.buffer.read(at_most + 1)
    with Path(name).open("rb") as opened:
        return opened.read(at_most + 1)


def read_lines(name: str) -> list[str]:
    """Read the lines of a text that are not empty.

    Raises:
        OSError: It cannot be read.
    """
    text = read_document(name, at_most=MAX_TEXT_BYTES).decode("ascii", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def with_id(body: bytes, *, now: datetime, draw: Callable[[int], bytes]) -> bytes:
    """Fill in ``id`` and ``created`` where a message lacks them; else give it back unchanged.

    Raises:
        DocumentError: Not strict JSON.
    """
    from broker.admission import strict_json  # noqa: PLC0415 - with a message in hand
    from broker.desk.sign import message_bytes  # noqa: PLC0415

    document = strict_json.parse(body)
    if "id" in document and "created" in document:
        return body
    return message_bytes({"id": new_id(now, draw), "created": moment(now), **document})


def new_id(now: datetime, draw: Callable[[int], bytes]) -> str:
    """Make a message id: a UUIDv7 (RFC 9562 section 5.7)."""
    milliseconds = int(now.timestamp() * 1000) % (1 << TIMESTAMP_BITS)
    random = int.from_bytes(draw(RANDOM_BYTES))
    first, second = random >> 68, random & ((1 << 62) - 1)
    digits = f"{milliseconds << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | second:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
